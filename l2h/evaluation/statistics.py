"""How sure one may be of a success rate."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import betaincinv, stdtrit


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def __format__(self, style: str) -> str:
        """Return estimate and interval; of an infinite cost, the lower bound."""
        if not math.isfinite(self.value):
            return f"no hit, > {self.low:{style}}"
        return f"{self.value:{style}} ({self.low:{style}} .. {self.high:{style}})"


def success_rate(hits: int, runs: int) -> Interval:
    """Return hits / runs with the exact binomial interval.

    Raises:
        ValueError: unless 0 <= hits <= runs and runs is positive.

    Reference: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    if runs < 1 or not 0 <= hits <= runs:
        raise ValueError(f"hits: {hits} of {runs} runs; give 0 <= hits <= runs, runs > 0.")
    low = float(betaincinv(hits, runs - hits + 1, 0.025)) if hits else 0.0
    high = float(betaincinv(hits + 1, runs - hits, 0.975)) if hits < runs else 1.0
    return Interval(hits / runs, low, high)


def cost_per_hit(
    spent: Float[np.ndarray, " b"] | Int[np.ndarray, " b"], hit: Bool[np.ndarray, " b"]
) -> Interval:
    r"""Return what one hit costs: all that was spent over the number of hits.

    \[ \sum_i c_i / \sum_i h_i \]

    Arguments:
        spent: cost c of each run: until its hit if it stops there, else until its end.
        hit: which runs have hit.

    Returns:
        The ratio, infinite without any hit, with the wider of two intervals: that of the
        success rate, which is exact where hits are few, and that of the scatter of costs
        (the logarithm of the ratio, linearised, Student's t), which rules where nearly all
        runs hit.

    Raises:
        ValueError: if there are no runs.
    """
    runs, hits = len(hit), int(np.sum(hit))
    if runs < 1:
        raise ValueError("hit: no runs given; a cost needs at least one.")
    total = float(np.sum(spent))
    rate = success_rate(hits, runs)
    value = total / hits if hits else math.inf
    low = total / runs / rate.high
    high = total / runs / rate.low if hits else math.inf
    if hits and runs > 1:
        deviations = spent * (runs / total) - hit * (runs / hits)
        error = float(np.std(deviations, ddof=1)) / math.sqrt(runs)
        factor = math.exp(float(stdtrit(runs - 1, 0.975)) * error)
        low, high = min(low, value / factor), max(high, value * factor)
    return Interval(value, low, high)


def hit_curve(
    at: Float[np.ndarray, " b"] | Int[np.ndarray, " b"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the fraction of runs that have hit after x evaluations, at its steps.

    Arguments:
        at: evaluations of each run at its first hit; infinite where there was none.

    Returns:
        The distinct finite values of `at` in order, and the fraction of runs that had hit
        by each of them.
    """
    values = np.asarray(at, float)
    steps, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    return steps, np.cumsum(counts) / len(values)
