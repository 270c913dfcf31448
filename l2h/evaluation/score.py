"""The numbers of one optimizer on one task, against one reference energy."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from ..tasks import TOLERANCE, Task
from .minima import distinct
from .record import Record
from .statistics import Interval, cost_per_hit, success_rate

QUANTILES = (0.1, 0.5, 0.9)


class Reference(eqx.Module):
    """The energy that counts as success."""

    energy: float = eqx.field(static=True)
    known: bool = eqx.field(static=True)
    """Whether it is the task's own; otherwise the lowest energy of this comparison."""

    @staticmethod
    def choose(task: Task, records: Sequence[Record]) -> "Reference":
        """Return the task's reference energy or, without one, the lowest energy that any
        of these records has found."""
        if task.reference is not None:
            return Reference(task.reference, True)
        lowest = min((float(np.min(r.polished)) for r in records), default=np.inf)
        return Reference(lowest, False)


class Score(eqx.Module):
    """One optimizer on one task: a record, read against a reference energy."""

    optimizer: str = eqx.field(static=True)
    task: Task
    record: Record
    reference: Reference
    budget: int = eqx.field(static=True)
    """Evaluations granted to each walker."""
    steps: int = eqx.field(static=True)
    """Steps of one attempt."""
    stopped: bool = eqx.field(static=True, default=False)
    """Whether walkers stopped at their hits, so that only the cost of a first hit has a
    meaning."""

    @property
    def starts(self) -> int:
        """Number of walkers."""
        return len(self.record.found)

    @property
    def tolerance(self) -> float:
        """How far from the reference an energy still counts as a hit."""
        return TOLERANCE * float(self.task.potential.scale.energy)

    @property
    def energies(self) -> Float[np.ndarray, " b"]:
        """Lowest quenched energy of each walker; infinite if none was finite."""
        return np.min(self.record.polished, axis=1)

    @property
    def hits(self) -> Bool[np.ndarray, "b r"]:
        """Attempts whose quenched structure has the reference energy."""
        # Infinity minus itself is no hit.
        with np.errstate(invalid="ignore"):
            near = np.abs(self.record.polished - self.reference.energy) <= self.tolerance
        return near & self.record.made

    @property
    def direct(self) -> Bool[np.ndarray, "b r"]:
        """Hits whose own trajectory came that close, so that no quench was needed."""
        return self.hits & (self.record.first > 0)

    @property
    def costs(self) -> Int[np.ndarray, "b r"]:
        """Evaluations of each attempt: start, steps, and the quench unless direct."""
        return self.record.search + np.where(self.direct, 0, self.record.quench)

    @property
    def hit_at(self) -> Float[np.ndarray, " b"]:
        """Evaluations of each walker at its first hit; infinite if it never did."""
        number = np.argmax(self.hits, axis=1)
        rows = np.arange(self.starts)
        before = (np.cumsum(self.costs, axis=1) - self.costs)[rows, number]
        at = np.where(self.direct, self.record.first, self.costs)[rows, number]
        if not self.reference.known:
            # While the search ran, nobody knew what to look for; points are what is left.
            within = self.record.lowest <= self.reference.energy + self.tolerance
            seen = self.record.points[np.argmax(within, axis=1)]
            at = np.where((number == 0) & within.any(axis=1), np.minimum(at, seen), at)
        return np.where(self.hits.any(axis=1), before + at, np.inf)

    @property
    def success(self) -> Interval:
        """Fraction of walkers that hit within the budget."""
        return success_rate(int(self.hits.any(axis=1).sum()), self.starts)

    @property
    def to_first_hit(self) -> Interval:
        """Evaluations per hit if every walker stops at its first."""
        hit = np.isfinite(self.hit_at)
        spent = np.where(hit, self.hit_at, self.costs.sum(axis=1))
        return cost_per_hit(spent, hit)

    @property
    def per_hit(self) -> Interval | None:
        """Evaluations of all attempts over the number of those that hit; None where
        walkers stopped at their hits."""
        if self.stopped:
            return None
        made = self.record.made
        return cost_per_hit(self.costs[made], self.hits[made])

    @property
    def seconds_per_evaluation(self) -> float:
        """Seconds of one device over all evaluations it made."""
        made = self.record.search + self.record.quench
        return float(self.record.seconds) / int(made.sum())

    @property
    def below(self) -> int:
        """Number of walkers that ended below a known reference: a discovery, or a bug."""
        return int(np.sum(self.energies < self.reference.energy - self.tolerance))

    @property
    def minima(self) -> list[int]:
        """Walkers that ended in different minima, lowest first; only converged ones."""
        rows = np.arange(self.starts)
        best = np.argmin(self.record.polished, axis=1)
        converged = self.record.quenched[rows, best]
        energies = np.where(converged, self.energies, np.inf)
        return distinct(self.task, energies, self.record.positions)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python; times begin with
        "seconds", all others are the same in every repetition."""
        record, energies = self.record, self.energies
        finite = energies[np.isfinite(energies)]
        quantiles = [
            float(np.quantile(finite, q)) if finite.size else np.inf for q in QUANTILES
        ]
        nothing = Interval(np.nan, np.nan, np.nan)
        per_hit, to_hit = self.per_hit or nothing, self.to_first_hit
        second = self.seconds_per_evaluation
        return {
            "task": self.task.name,
            "optimizer": self.optimizer,
            "steps": self.steps,
            "budget": self.budget,
            "starts": self.starts,
            "reference": self.reference.energy,
            "reference_known": self.reference.known,
            "lowest": float(np.min(energies)),
            "mean": float(np.mean(finite)) if finite.size else np.inf,
            **{
                f"quantile_{round(100 * q)}": value
                for q, value in zip(QUANTILES, quantiles, strict=True)
            },
            "without_energy": int(energies.size - finite.size),
            "hits": int(self.hits.any(axis=1).sum()),
            **_columns("success", self.success),
            **_columns("evaluations_to_first_hit", to_hit),
            **_columns("evaluations_per_hit", per_hit),
            "attempts": int(record.made.sum()),
            "evaluations": int(self.costs.sum()),
            "quench_evaluations": int(record.quench.sum()),
            "minima": len(self.minima),
            "nonfinite": int(np.sum(~record.valid)),
            "unconverged": int(np.sum(~record.quenched)),
            "below_reference": self.below,
            "seconds": float(record.seconds),
            "seconds_per_evaluation": second,
            **_columns("seconds_to_first_hit", Interval(*(second * x for x in to_hit))),
            **_columns("seconds_per_hit", Interval(*(second * x for x in per_hit))),
        }


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {
        name: float(interval.value),
        f"{name}_low": float(interval.low),
        f"{name}_high": float(interval.high),
    }
