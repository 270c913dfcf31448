"""What attempts and trials have found, as the result of a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..engine import SearchResult
from ..evaluation import Trials, assigned
from ..evaluation.minima import ENERGY_WINDOW
from ..tasks import Task


def gathered(
    task: Task,
    energies: Float[np.ndarray, " b"],
    positions: Float[np.ndarray, "b n d"],
    spent: Int[np.ndarray, " b"],
) -> SearchResult:
    """Return the minima in which attempts ended, made one after the other.

    Arguments:
        task: what was searched.
        energies: in which each ended, in the potential's unit; not finite where it ended in
            no minimum.
        positions: its structure.
        spent: evaluations that it took.
    """
    which, order = assigned(task, energies, positions), np.argsort(energies, kind="stable")
    rows = order[which[order] == order]
    same = which[:, None] == rows
    cost = np.cumsum(spent)
    best = np.minimum.accumulate(np.where(which < 0, np.inf, energies))
    better = np.flatnonzero(best < np.append(np.inf, best[:-1]))
    ends = [*better, -1] if len(rows) else []
    return SearchResult(
        task=task,
        energies=energies[rows],
        positions=positions[rows],
        hits=same.sum(axis=0),
        first_evaluation=cost[np.argmax(same, axis=0)],
        evaluations=int(cost[-1]),
        progress=np.stack([cost[ends], best[ends]], axis=1),
    )


def found(trials: Trials, others: Sequence[Trials] = (), seed: int = 0) -> SearchResult:
    """Return the minima in which searches from many starts ended, as one search.

    Arguments:
        trials: of one method on one task.
        others: that are shown beside it, on the same task.
        seed: of the starts.
    """
    result = gathered(
        trials.task, trials.converged, trials.positions, trials.costs.sum(axis=1)
    )
    lowest = np.inf if result.lowest is None else result.lowest
    return replace(
        result,
        counts={"evaluations": result.evaluations, "starts": trials.starts},
        arms=[_arm(t, lowest) for t in (trials, *others)],
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
