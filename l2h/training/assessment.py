"""The examination at the end of a run: held-out starts and tasks, against tuned Adam."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..domains import Domain
from ..evaluation import Outcomes, cheapest, evaluate
from ..evaluation.tuning import candidates
from ..meta import draw_starts
from ..optimizers import AbstractOptimizer
from ..rollout import rollout
from ..tasks import Task, get, held_out
from .config import TrainingConfig

STARTS = 150
# Horizons tried on validation starts, as fractions of the longest.
FRACTIONS = (0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0)
TRACED = 25
POINTS = 100


@dataclass(frozen=True)
class Assessment:
    """What a trained optimizer does on one task, on starts it has never seen."""

    task: Task
    trained: bool
    """Whether the task was trained on; otherwise its family keeps it apart."""
    learned: Outcomes
    """At the longest horizon of training."""
    economical: Outcomes
    """At the horizon with the fewest evaluations per hit on validation starts."""
    adam: Outcomes
    """Adam from the same starts, as many steps."""
    adam_name: str
    """Which of the grid and of what is stored did best on validation starts."""
    training_evaluations: int
    traces: dict[str, tuple[list[int], Float[np.ndarray, "b t"]]]
    """Energy along some of the runs, by optimizer."""

    @property
    def basin_hopping(self) -> float | None:
        """Evaluations per hit of plain basin hopping, where known."""
        return basin_hopping().get(self.task.name)

    @property
    def pays_after(self) -> float | None:
        """Searches after which training has cost less than it saved over basin hopping;
        None where that is unknown, infinite where it never will."""
        if self.basin_hopping is None:
            return None
        saved = self.basin_hopping - self.economical.per_hit.value
        return self.training_evaluations / saved if saved > 0 else math.inf

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python."""
        return {
            "trained": self.trained,
            "learned": self.learned.summary(),
            "economical": self.economical.summary(),
            "adam": {**self.adam.summary(), "name": self.adam_name},
            "training_evaluations": self.training_evaluations,
            "basin_hopping_evaluations_per_hit": self.basin_hopping,
            "pays_after_searches": self.pays_after,
        }


@cache
def basin_hopping() -> dict[str, float]:
    """Return evaluations per hit of plain basin hopping (l2h/data/README.md)."""
    text = resources.files("l2h.data").joinpath("basin_hopping.csv").read_text()
    return {r["task"]: float(r["plain"]) for r in csv.DictReader(text.splitlines())}


def assess(
    config: TrainingConfig,
    optimizer: AbstractOptimizer,
    training_evaluations: int,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> list[Assessment]:
    """Examine an optimizer on every task of a run, and on those that its family keeps
    apart.

    Arguments:
        config: the run's settings.
        optimizer: what was trained.
        training_evaluations: what training has cost.
        note: told what happens next, for progress.
    """
    results = []
    for name in (*config.tasks, *held_out(config.tasks)):
        task, trained = get(name), name in config.tasks
        chosen, last = Domain.VALIDATION.key(config.seed), Domain.TEST.key(config.seed)
        validation = draw_starts(task, STARTS, chosen, config.dtype)
        test = draw_starts(task, STARTS, last, config.dtype)
        note(
            f"{name}{'' if trained else ' (never trained on)'}: choosing the horizon on "
            f"{STARTS} validation starts"
        )
        tried = [
            evaluate(
                optimizer, task, validation, max(1, round(f * config.longest)), key=chosen
            )
            for f in FRACTIONS
        ]
        best = cheapest(tried).steps
        note(f"{name}: choosing Adam's rate")
        adams = candidates("adam", name)
        means = {
            which: np.mean(
                evaluate(adam, task, validation, config.longest, key=chosen).polished
            )
            for which, adam in adams.items()
        }
        which = min(means, key=lambda which: means[which])
        note(f"{name}: {STARTS} held-out starts")
        contestants = {"learned": optimizer, "Adam": adams[which]}
        results.append(
            Assessment(
                task=task,
                trained=trained,
                learned=evaluate(optimizer, task, test, config.longest, key=last),
                economical=evaluate(optimizer, task, test, best, key=last),
                adam=evaluate(adams[which], task, test, config.longest, key=last),
                adam_name=which,
                training_evaluations=training_evaluations,
                traces={
                    who: _trace(contestant, task, test[:TRACED], config.longest)
                    for who, contestant in contestants.items()
                },
            )
        )
    return results


@eqx.filter_jit
def _energies(
    optimizer: AbstractOptimizer, task: Task, starts: Any, steps: int, every: int
) -> tuple[Any, Any]:
    def one(start: Any) -> tuple[Any, Any]:
        result = rollout(
            optimizer,
            task.potential,
            start,
            steps,
            key=jax.random.key(0),
            trace_every=every,
        )
        assert result.trace is not None
        return result.trace.steps, result.trace.energies

    return jax.vmap(one)(starts)


def _trace(
    optimizer: AbstractOptimizer, task: Task, starts: Any, steps: int
) -> tuple[list[int], Float[np.ndarray, "b t"]]:
    every = max(1, steps // POINTS)
    traced = steps - steps % every
    at, energies = _energies(optimizer, task, jnp.asarray(starts), traced, every)
    return np.asarray(at[0]).tolist(), np.asarray(energies, np.float64)
