"""How good weights are while they are trained: a score that does not saturate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..domains import Domain
from ..evaluation import Method, Trials, cheapest, evaluate
from ..optimizers import AbstractOptimizer
from .config import TrainingConfig

# Horizons tried, as fractions of the longest. At the shortest, hits are hard enough that
# optimizers that never fail at the longest still differ.
FRACTIONS = (0.1, 0.3, 1.0)


def horizons(longest: int, fractions: tuple[float, ...]) -> list[int]:
    """Return these fractions of the longest horizon, in whole steps, each once."""
    return sorted({max(1, round(fraction * longest)) for fraction in fractions})


@dataclass(frozen=True)
class Validation:
    """What an optimizer does on validation starts: for each task, trials at each of the
    horizons, the longest last."""

    trials: tuple[tuple[Trials, ...], ...]

    @property
    def score(self) -> Float[np.ndarray, " 3"]:
        r"""Three numbers of which the first that differs decides; lower is better.

        \[ \langle \ln c_t \rangle, \quad -\langle d_t \rangle, \quad \langle e_t \rangle \]

        averaged over tasks t: c, evaluations per hit at the cheapest horizon, that of
        a hit in twice the longest runs if there was none; d, the fraction of direct hits
        at the longest horizon; e, the mean lowest energy before the quench there, in
        natural energies per atom. All three are free of units, and the last does not
        saturate while anything can be gained. Without a reference nothing is a hit, and
        energies decide.
        """
        rows = [[self._cost(t), -_direct(t[-1]), energy(t[-1])] for t in self.trials]
        return np.mean(np.asarray(rows), axis=0)

    @staticmethod
    def _cost(trials: tuple[Trials, ...]) -> float:
        full = trials[-1]
        none = 2.0 * full.starts * (full.steps + 1)
        return math.log(min([none, *(c for t in trials if (c := per_hit(t)))]))

    @property
    def evaluations(self) -> int:
        """All that was evaluated for it."""
        return sum(t.performed for group in self.trials for t in group)

    def row(self) -> dict[str, Any]:
        """Return what the metrics of a run say about it; costs without a hit are None."""
        row: dict[str, Any] = {}
        for group in self.trials:
            name, best, full = group[0].task.name, cheapest(group), group[-1]
            known = full.reference is not None
            row |= {
                f"validation/{name}/success": full.success.value if known else None,
                f"validation/{name}/direct": _direct(full) if known else None,
                f"validation/{name}/energy": energy(full) * full.task.n,
                f"validation/{name}/evaluations_per_hit": per_hit(best) if known else None,
                f"validation/{name}/steps": best.steps if known else None,
            }
        known = [
            group[-1].success.value
            for group in self.trials
            if group[-1].reference is not None
        ]
        return row | {
            "validation/score": self.score.tolist(),
            "validation/success": float(np.mean(known)) if known else None,
        }


def validate(
    config: TrainingConfig,
    optimizer: AbstractOptimizer,
    note: Callable[[float], None] = lambda _: None,
) -> Validation:
    """Search from validation starts of every task of a run.

    Arguments:
        config: the run's settings.
        optimizer: what is trained.
        note: told the fraction of the work that is done; what it raises ends the work.
    """
    problems, steps = config.problems(), horizons(config.longest, FRACTIONS)
    total, done = len(problems) * sum(steps), 0
    groups = []
    for task in problems:
        group = []
        for horizon in steps:

            def progress(part: float, done: int = done, horizon: int = horizon) -> None:
                note((done + part * horizon) / total)

            group.append(
                evaluate(
                    Method("learned", optimizer),
                    task,
                    range(config.validation_starts),
                    budget=horizon + 1,
                    seed=config.seed,
                    domain=Domain.VALIDATION,
                    dtype=config.dtype,
                    note=progress,
                )
            )
            done += horizon
        groups.append(tuple(group))
    return Validation(tuple(groups))


def energy(trials: Trials) -> float:
    """Return the mean lowest energy before the quench, in natural energies per atom;
    starts that saw no finite energy count as the worst of the others."""
    found = np.min(trials.found, axis=1)
    finite = np.isfinite(found)
    if not finite.any():
        return math.inf
    found = np.where(finite, found, np.max(found[finite]))
    return float(np.mean(found)) / (trials.task.unit * trials.task.n)


def per_hit(trials: Trials) -> float | None:
    """Return evaluations per hit; None without a hit."""
    cost = trials.per_hit
    return cost.value if cost is not None and math.isfinite(cost.value) else None


def _direct(trials: Trials) -> float:
    return float(np.mean(trials.direct.any(axis=1)))
