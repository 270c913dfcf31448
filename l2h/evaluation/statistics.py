"""How sure one may be of a success rate."""

import math
from typing import NamedTuple

from scipy.special import betaincinv


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


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


def cost_per_hit(evaluations: int, hits: int, runs: int) -> Interval:
    """Return evaluations per hit: all that was spent over the number of hits.

    The interval is that of the success rate; infinite where no run has hit.
    """
    rate = success_rate(hits, runs)
    mean = evaluations / runs

    def over(rate: float) -> float:
        return mean / rate if rate > 0 else math.inf

    return Interval(over(rate.value), over(rate.high), over(rate.low))
