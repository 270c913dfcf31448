"""What trials have found, as the result of a search."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import SearchResult
from ..evaluation import Trials
from ..evaluation.minima import ENERGY_WINDOW


def found(trials: Trials, others: Sequence[Trials] = (), seed: int = 0) -> SearchResult:
    """Return the minima in which searches from many starts ended, as one search.

    Arguments:
        trials: of one method on one task.
        others: that are shown beside it, on the same task.
        seed: of the starts.
    """
    task, energies = trials.task, trials.energies
    rows = trials.minima
    same = np.abs(energies[:, None] - energies[rows]) <= ENERGY_WINDOW * task.unit
    spent = np.cumsum(trials.costs.sum(axis=1))
    best = np.minimum.accumulate(energies)
    better = np.flatnonzero(np.diff(best, prepend=np.inf) < 0)
    progress = [[spent[k], best[k]] for k in better] + [[spent[-1], best[-1]]]
    lowest = float(energies[rows[0]]) if rows else np.inf
    return SearchResult(
        task=task,
        energies=energies[rows],
        positions=trials.positions[rows],
        hits=same.sum(axis=0),
        first_evaluation=spent[np.argmax(same, axis=0)] if rows else np.zeros(0, int),
        evaluations=int(spent[-1]),
        counts={"evaluations": int(spent[-1]), "starts": trials.starts},
        arms=[_arm(t, lowest) for t in (trials, *others)],
        progress=np.array(progress, np.float64),
        status=f"{trials.method} made {trials.steps:,} steps from each of {trials.starts} "
        "starts that it had never seen",
        seed=seed,
    )


def _arm(trials: Trials, lowest: float) -> dict[str, Any]:
    """Return what one method found, as the arm of a search."""
    energies = trials.energies
    window = ENERGY_WINDOW * trials.task.unit
    return {
        "name": f"{trials.method}, {trials.steps:,} steps",
        "attempts": int(trials.made.sum()),
        "evaluations": int(trials.costs.sum()),
        "hits": int(np.sum(np.abs(energies - lowest) <= window)),
        "best": float(np.min(energies)),
    }
