"""Who takes part in a contest, and what is kept of it."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from ..optimizers import AbstractOptimizer


class Contestant(eqx.Module):
    """An optimizer and how it spends a budget.

    Arguments:
        name: by which it is reported.
        optimizer: any optimizer.
        steps: steps of one attempt, after which it is quenched and begins anew from
            another start; zero quenches starts. None: one attempt with all of the budget.

    Raises:
        ValueError: if `steps` is negative.
    """

    name: str = eqx.field(static=True)
    optimizer: AbstractOptimizer
    steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.steps is not None and self.steps < 0:
            raise ValueError(
                f"optimizer: {self.name}: {self.steps} steps; give zero or more."
            )

    def horizon(self, budget: int) -> int:
        """Return the steps of one attempt.

        Raises:
            ValueError: if the budget does not last for one attempt.
        """
        if budget < 2:
            raise ValueError(
                f"budget: {budget} given; the start and one step take 2 evaluations."
            )
        horizon = budget - 1 if self.steps is None else self.steps
        if horizon >= budget:
            raise ValueError(
                f"budget: {budget} given, but one attempt of {self.name} takes "
                f"{horizon + 1} evaluations; grant as many, or fewer steps."
            )
        return horizon


class Record(eqx.Module):
    """What walkers did: one row a start, one column an attempt."""

    found: Float[np.ndarray, "b r"]
    """Lowest energy on the way of each attempt."""
    polished: Float[np.ndarray, "b r"]
    """Energy after the quench in double precision; infinite if none was finite, or if
    the attempt was not made."""
    search: Int[np.ndarray, "b r"]
    """Evaluations of each attempt before its quench; zero if it was not made."""
    quench: Int[np.ndarray, "b r"]
    """Evaluations of the quench."""
    first: Int[np.ndarray, "b r"]
    """Evaluations of the attempt when it first came within the tolerance of the
    reference; zero if it never did, or where no reference is known."""
    valid: Bool[np.ndarray, "b r"]
    """Whether every energy and gradient of the attempt was finite."""
    quenched: Bool[np.ndarray, "b r"]
    """Whether the quench had converged."""
    positions: Float[np.ndarray, "b n d"]
    """The lowest quenched structure of each walker."""
    points: Int[np.ndarray, " t"]
    """Evaluations at which the first attempt was looked at."""
    energies: Float[np.ndarray, "b t"]
    """Its energy there."""
    lowest: Float[np.ndarray, "b t"]
    """Its lowest energy by then."""
    seconds: Float[np.ndarray, ""]
    """Time on one device, without compilation."""

    @property
    def made(self) -> Bool[np.ndarray, "b r"]:
        """Which attempts were made."""
        return self.search > 0

    @staticmethod
    def join(records: Sequence["Record"]) -> "Record":
        """Return the walkers of all records as one; times add up.

        Raises:
            ValueError: if none are given.
        """
        if not records:
            raise ValueError("records: none given; join at least one.")
        width = max(r.found.shape[1] for r in records)
        points = min((r.points for r in records), key=len)
        columns: dict[str, Any] = {"points": points}
        for name, fill in FILL.items():
            parts = [np.asarray(getattr(r, name)) for r in records]
            pads = [((0, 0), (0, width - part.shape[1])) for part in parts]
            columns[name] = np.concatenate(
                [
                    np.pad(part, pad, constant_values=fill)
                    for part, pad in zip(parts, pads, strict=True)
                ]
            )
        for name in ("energies", "lowest"):
            # Where a chunk stopped at its hits, the others are shown that far.
            columns[name] = np.concatenate(
                [getattr(r, name)[:, : len(points)] for r in records]
            )
        columns["positions"] = np.concatenate([r.positions for r in records])
        columns["seconds"] = np.asarray(sum(float(r.seconds) for r in records))
        return Record(**columns)


# Columns with one entry an attempt, and what stands for one that was not made.
FILL: dict[str, Any] = {
    "found": np.inf,
    "polished": np.inf,
    "search": 0,
    "quench": 0,
    "first": 0,
    "valid": True,
    "quenched": True,
}
