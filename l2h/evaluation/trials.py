"""What a method did from many starts, and what it says about its cost."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from ..tasks import Task
from .minima import distinct
from .statistics import Interval, cost_per_hit, success_rate

QUANTILES = (0.1, 0.5, 0.9)
# Columns with one entry an attempt, and what stands for one that was not made.
FILL: dict[str, Any] = {
    "found": np.inf,
    "polished": np.inf,
    "drawn": 0,
    "search": 0,
    "quench": 0,
    "first": 0,
    "valid": True,
    "quenched": True,
}


class Trials(eqx.Module):
    """One method on one task: a row for each start, a column for each attempt."""

    task: Task
    method: str = eqx.field(static=True)
    """Name of the method."""
    steps: int = eqx.field(static=True)
    """Steps of one attempt."""
    budget: int = eqx.field(static=True)
    """Evaluations granted to each start."""
    stopped: bool = eqx.field(static=True)
    """Whether searches stopped at their hits, so that only the cost of a first hit has a
    meaning."""
    found: Float[np.ndarray, "b r"]
    """Lowest energy on the way of each attempt, before its quench."""
    polished: Float[np.ndarray, "b r"]
    """Energy after the quench; infinite if none was finite, or if the attempt was not
    made."""
    drawn: Int[np.ndarray, "b r"]
    """Evaluations that it took to draw the start of each attempt; none for most starts."""
    search: Int[np.ndarray, "b r"]
    """Evaluations of each attempt from its start to its quench; zero if it was not
    made."""
    quench: Int[np.ndarray, "b r"]
    """Evaluations of the quench."""
    first: Int[np.ndarray, "b r"]
    """Evaluations of the attempt, from its start, when it first came within the tolerance
    of the task's reference; zero if it never did, or where none is known."""
    valid: Bool[np.ndarray, "b r"]
    """Whether every energy and gradient of the attempt was finite."""
    quenched: Bool[np.ndarray, "b r"]
    """Whether the quench had converged."""
    positions: Float[np.ndarray, "b n d"]
    """The lowest quenched structure from each start."""
    points: Int[np.ndarray, " t"]
    """Evaluations, from their starts, at which the first attempts were looked at."""
    seen: Float[np.ndarray, "b t"]
    """Their energies there."""
    lowest: Float[np.ndarray, "b t"]
    """Their lowest energies by then."""
    seconds: Float[np.ndarray, ""]
    """Time on one device, without compilation."""
    shared: float | None = eqx.field(static=True, default=None)
    """Reference of a comparison, where the task has none; see `compared`."""

    @staticmethod
    def columns() -> tuple[str, ...]:
        """Return the names of the fields that are arrays."""
        return (*FILL, "positions", "points", "seen", "lowest", "seconds")

    @staticmethod
    def counted(
        task: Task,
        method: str,
        budget: int,
        energies: Float[np.ndarray, " b"],
        positions: Float[np.ndarray, "b n d"],
        evaluations: Int[np.ndarray, " b"],
        seconds: float,
    ) -> "Trials":
        """Return the trials of somebody else's program: one attempt from each start,
        stopped at its first hit, every evaluation counted by whoever ran it.

        Arguments:
            task: what was searched; it must have a reference.
            method: name of the program.
            budget: evaluations granted to each start.
            energies: lowest energy of each attempt.
            positions: its structure.
            evaluations: made until the hit, or in all.
            seconds: that all of them took.
        """
        column = np.asarray(energies, np.float64)[:, None]
        made = np.asarray(evaluations, np.int64)[:, None]
        low = column <= (-np.inf if task.reference is None else task.reference)
        return Trials(
            task=task,
            method=method,
            steps=max(budget - 1, 0),
            budget=budget,
            stopped=True,
            found=column,
            polished=column,
            drawn=np.zeros_like(made),
            search=made,
            quench=np.zeros_like(made),
            first=np.where(task.is_hit(column) | low, made, 0),
            valid=np.isfinite(column),
            quenched=np.isfinite(column),
            positions=np.asarray(positions, np.float64),
            points=np.zeros(0, np.int64),
            seen=np.zeros((len(column), 0)),
            lowest=np.zeros((len(column), 0)),
            seconds=np.asarray(float(seconds)),
        )

    @staticmethod
    def join(parts: Sequence["Trials"]) -> "Trials":
        """Return the starts of all parts as one; times add up.

        Raises:
            ValueError: if none are given.
        """
        if not parts:
            raise ValueError("parts: none given; join at least one.")
        width = max(part.found.shape[1] for part in parts)
        points = min((part.points for part in parts), key=len)
        columns: dict[str, Any] = {"points": points}
        for name, fill in FILL.items():
            arrays = [np.asarray(getattr(part, name)) for part in parts]
            rows = [np.full((len(array), width), fill, array.dtype) for array in arrays]
            for row, array in zip(rows, arrays, strict=True):
                row[:, : array.shape[1]] = array
            columns[name] = np.concatenate(rows)
        for name in ("seen", "lowest"):
            # Where a part stopped at its hits, the others are shown that far.
            columns[name] = np.concatenate(
                [getattr(part, name)[:, : len(points)] for part in parts]
            )
        columns["positions"] = np.concatenate([part.positions for part in parts])
        columns["seconds"] = np.asarray(sum(float(part.seconds) for part in parts))
        return dataclasses.replace(parts[0], **columns)

    @property
    def reference(self) -> float | None:
        """The energy that counts as a hit: the task's own or, where it has none, that of
        the comparison. None if there is neither; then nothing is a hit."""
        return self.shared if self.task.reference is None else self.task.reference

    @property
    def starts(self) -> int:
        """Number of starts."""
        return len(self.found)

    @property
    def made(self) -> Bool[np.ndarray, "b r"]:
        """Which attempts were made."""
        return self.search > 0

    @property
    def energies(self) -> Float[np.ndarray, " b"]:
        """Lowest quenched energy from each start; infinite if none was finite."""
        return np.min(self.polished, axis=1)

    @property
    def converged(self) -> Float[np.ndarray, " b"]:
        """The same energies; infinite where the quench that led there had not converged."""
        best = np.argmin(self.polished, axis=1)
        done = self.quenched[np.arange(self.starts), best]
        return np.where(done, self.energies, np.inf)

    @property
    def hits(self) -> Bool[np.ndarray, "b r"]:
        """Attempts whose quenched structure has the reference energy."""
        return self.task.is_hit(self.polished, self.reference) & self.made

    @property
    def direct(self) -> Bool[np.ndarray, "b r"]:
        """Hits whose own trajectory came close (`Task.vicinity`): no quench was needed."""
        return self.hits & (self.first > 0)

    @property
    def costs(self) -> Int[np.ndarray, "b r"]:
        """Evaluations that each attempt is charged: start, steps, and the quench unless
        direct."""
        return self.drawn + self.search + np.where(self.direct, 0, self.quench)

    @property
    def evaluations(self) -> int:
        """All that attempts are charged."""
        return int(self.costs.sum())

    @property
    def performed(self) -> int:
        """All that was evaluated: what is charged, and quenches of direct hits."""
        return int(self.drawn.sum() + self.search.sum() + self.quench.sum())

    @property
    def hit_at(self) -> Float[np.ndarray, " b"]:
        """Evaluations from each start to its first hit; infinite if there was none."""
        number = np.argmax(self.hits, axis=1)
        rows = np.arange(self.starts)
        before = (np.cumsum(self.costs, axis=1) - self.costs)[rows, number]
        drawn = self.drawn[rows, number]
        at = np.where(self.direct, self.drawn + self.first, self.costs)[rows, number]
        if self.task.reference is None and self.reference is not None and self.points.size:
            # While the search ran, nobody knew what to look for; looks are what is left.
            within = self.lowest <= self.reference + self.task.vicinity
            seen = drawn + self.points[np.argmax(within, axis=1)]
            at = np.where((number == 0) & within.any(axis=1), np.minimum(at, seen), at)
        return np.where(self.hits.any(axis=1), before + at, np.inf)

    @property
    def success(self) -> Interval:
        """Fraction of starts that hit within the budget."""
        return success_rate(int(self.hits.any(axis=1).sum()), self.starts)

    @property
    def to_first_hit(self) -> Interval:
        """Evaluations per hit if every search stops at its first."""
        hit = np.isfinite(self.hit_at)
        spent = np.where(hit, self.hit_at, self.costs.sum(axis=1))
        return cost_per_hit(spent, hit)

    @property
    def per_hit(self) -> Interval | None:
        """Evaluations of all attempts over the number of those that hit; None where
        searches stopped at their hits."""
        if self.stopped:
            return None
        return cost_per_hit(self.costs[self.made], self.hits[self.made])

    @property
    def seconds_per_evaluation(self) -> float:
        """Seconds of one device over all evaluations that it performed."""
        return float(self.seconds) / self.performed

    @property
    def below(self) -> int:
        """Number of starts that ended below the reference: a discovery, or a bug."""
        if self.reference is None:
            return 0
        return int(np.sum(self.energies < self.reference - self.task.window))

    @property
    def minima(self) -> list[int]:
        """Starts that ended in different minima, lowest first; only converged ones."""
        return distinct(self.task, self.converged, self.positions)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python; times begin with
        "seconds", all others are the same in every repetition."""
        energies = self.energies
        finite = energies[np.isfinite(energies)]
        quantiles = [
            float(np.quantile(finite, q)) if finite.size else np.inf for q in QUANTILES
        ]
        nothing = Interval(np.nan, np.nan, np.nan)
        per_hit, to_hit = self.per_hit or nothing, self.to_first_hit
        second = self.seconds_per_evaluation
        return {
            "task": self.task.name,
            "optimizer": self.method,
            "steps": self.steps,
            "budget": self.budget,
            "starts": self.starts,
            "reference": np.nan if self.reference is None else self.reference,
            "reference_known": self.task.reference is not None,
            "lowest": float(np.min(energies)),
            "mean": float(np.mean(finite)) if finite.size else np.inf,
            "mean_error": _error(finite),
            "mean_before_quench": float(np.mean(np.min(self.found, axis=1))),
            **{
                f"quantile_{round(100 * q)}": value
                for q, value in zip(QUANTILES, quantiles, strict=True)
            },
            "without_energy": int(energies.size - finite.size),
            "hits": int(self.hits.any(axis=1).sum()),
            "direct_hits": int(self.direct.any(axis=1).sum()),
            **_columns("success", self.success),
            **_columns("evaluations_to_first_hit", to_hit),
            **_columns("evaluations_per_hit", per_hit),
            "attempts": int(self.made.sum()),
            "evaluations": self.evaluations,
            "start_evaluations": int(self.drawn.sum()),
            "quench_evaluations": int(self.quench.sum()),
            "performed": self.performed,
            "minima": len(self.minima),
            "nonfinite": int(np.sum(~self.valid)),
            "unconverged": int(np.sum(~self.quenched)),
            "below_reference": self.below,
            "seconds": float(self.seconds),
            "seconds_per_evaluation": second,
            **_columns("seconds_to_first_hit", Interval(*(second * x for x in to_hit))),
            **_columns("seconds_per_hit", Interval(*(second * x for x in per_hit))),
        }


def compared(trials: Sequence[Trials]) -> list[Trials]:
    """Return trials on one task, all read against the same reference.

    That is the task's own or, where it has none, the lowest energy that any of them has
    found; never each one's own.
    """
    lowest = [float(np.min(t.polished)) for t in trials if t.polished.size]
    shared = min((x for x in lowest if np.isfinite(x)), default=None)
    return [dataclasses.replace(t, shared=shared) for t in trials]


def cheapest(trials: Sequence[Trials]) -> Trials:
    """Return the trials with the fewest evaluations per hit, all read against the same
    reference; without any hit, those of lowest mean energy.

    Raises:
        ValueError: if none are given.
    """
    if not trials:
        raise ValueError("trials: none given; evaluate at least one horizon.")

    def rank(t: Trials) -> tuple[float, float]:
        cost = t.to_first_hit if t.per_hit is None else t.per_hit
        return cost.value, float(np.mean(t.energies))

    return min(compared(trials), key=rank)


def _error(values: Float[np.ndarray, " b"]) -> float:
    """Return the standard error of a mean; not a number for fewer than two values."""
    if values.size < 2:
        return float("nan")
    return float(np.std(values, ddof=1) / np.sqrt(values.size))


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {
        name: float(interval.value),
        f"{name}_low": float(interval.low),
        f"{name}_high": float(interval.high),
    }
