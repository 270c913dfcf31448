"""One training run of a comparison of meta-strategies: how steadily it learns."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from ..evaluation import Interval, Method, evaluate
from ..io import write_atomically
from ..meta import TrainState
from . import pieces
from .config import TrainingConfig
from .folder import RunFolder

# A spike lies so many robust standard deviations above the median of the updates before,
# and gives back at least this part of what had been gained since the first.
WINDOW, SIGMAS, SETBACK = 50, 6.0, 0.1
# Until then everything is worse than later.
WARM_UP = 0.1


@dataclass(frozen=True)
class StrategyRun:
    """One training of one strategy from one seed."""

    seed: int
    losses: Float[np.ndarray, " u"]
    """Mean loss of the population, per update."""
    nonfinite: Float[np.ndarray, " u"]
    """Fraction of rollouts that met non-finite numbers, per update."""
    validated: tuple[Int[np.ndarray, " v"], Float[np.ndarray, " v"]]
    """Updates, and success of the weights of that time on validation starts."""
    success: Interval
    """Of the last weights, on held-out starts."""
    best: Interval
    """Of the weights that were best on validation starts, on held-out starts."""

    @property
    def relapses(self) -> float:
        """Fraction of updates, after the first tenth, whose population did worse than the
        untrained one."""
        later = self.losses[int(WARM_UP * len(self.losses)) :]
        return float(np.mean(~(later <= self.losses[0]))) if later.size else 0.0

    @property
    def spikes(self) -> int:
        """Number of times that the loss has jumped; see `jumps`."""
        high = jumps(self.losses)
        return int(np.sum(high & ~np.concatenate([[False], high[:-1]])))


def jumps(losses: Float[np.ndarray, " u"]) -> Bool[np.ndarray, " u"]:
    """Return which losses lie far above the 50 before them, or are not finite.

    Far is six times the interquartile range over 1.35, which is the standard deviation if
    they are normal, and a tenth of what their median has gained over the first loss: where
    nearly all starts succeed, one that does not is no accident of training. Nothing
    counts before there are 50.
    """
    result = ~np.isfinite(losses)
    for u in range(WINDOW, len(losses)):
        before = losses[u - WINDOW : u]
        before = before[np.isfinite(before)]
        if before.size >= WINDOW // 2:
            low, middle, high = np.percentile(before, [25, 50, 75])
            far = max(SIGMAS * (high - low) / 1.35, SETBACK * (losses[0] - middle))
            result[u] |= losses[u] > middle + far
    return result


def strategy_run(path: Path, starts: int) -> StrategyRun:
    """Return how a training went, and what its weights find on held-out starts, which is
    kept there.

    Arguments:
        path: of the folder of a finished run, of one task.
        starts: held-out starts of the examination.

    Raises:
        ValueError: if the folder holds no run.
    """
    folder, config = RunFolder.open(path)
    rows = folder.rows()
    validated = [row for row in rows if row.get("validation/success") is not None]
    return StrategyRun(
        seed=config.seed,
        losses=np.array([row["loss"] for row in rows]),
        nonfinite=np.array([row["nonfinite"] for row in rows]),
        validated=(
            np.array([row["update"] for row in validated]),
            np.array([row["validation/success"] for row in validated]),
        ),
        **_examine(config, folder, starts),
    )


def _examine(config: TrainingConfig, folder: RunFolder, starts: int) -> dict[str, Interval]:
    """Return success of the last and of the best weights on held-out starts."""
    path = folder.path / f"success-{starts}.json"
    if not path.exists():
        (task,) = config.problems()
        first = pieces.meta_strategy(config).init(pieces.optimizer(config), config.seed)
        train_state = folder.load_checkpoint(TrainState.begin(first))
        weights = {
            "success": train_state.candidate,
            "best": folder.best_optimizer(config),
        }
        found = {
            name: evaluate(
                Method(name, optimizer),
                task,
                range(starts),
                budget=config.longest + 1,
                seed=config.seed,
                dtype=config.dtype,
            ).success
            for name, optimizer in weights.items()
        }
        write_atomically(path, json.dumps(found) + "\n")
    return {name: Interval(*x) for name, x in json.loads(path.read_text()).items()}
