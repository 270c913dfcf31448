"""Intervals cover the truth, and curves count hits."""

import math

import numpy as np
import pytest

from l2h.evaluation import cost_per_hit, hit_curve, success_rate


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.97])
def test_intervals_cover_the_truth(rate):
    """Starts with constant attempts, in numbers as of a competition."""
    rng, trials, runs, attempts, cost = np.random.default_rng(1), 600, 60, 4, 7.0
    covered = 0
    for _ in range(trials):
        number = rng.geometric(rate, runs)
        hit = number <= attempts
        interval = cost_per_hit(cost * np.minimum(number, attempts), hit)
        covered += interval.low <= cost / rate <= interval.high
    # Four standard deviations below the nominal 95 %.
    assert covered / trials > 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)


def test_intervals_cover_scattered_times():
    """Exponential times, nearly all before the end: the scatter alone decides."""
    rng, trials, runs, end, mean = np.random.default_rng(2), 600, 60, 500.0, 100.0
    covered, widths = 0, []
    for _ in range(trials):
        times = rng.exponential(mean, runs)
        interval = cost_per_hit(np.minimum(times, end), times <= end)
        covered += interval.low <= mean <= interval.high
        widths.append(interval.high / interval.low)
    assert covered / trials > 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)
    # The exact interval of so many exponential times spans a factor of 1.68.
    assert np.median(widths) < 1.9


def test_success_rate_is_exact():
    from scipy.stats import binomtest

    for hits, runs in ((0, 9), (3, 9), (9, 9), (40, 150)):
        exact = binomtest(hits, runs).proportion_ci(method="exact")
        assert success_rate(hits, runs)[1:] == pytest.approx((exact.low, exact.high))
    with pytest.raises(ValueError, match="hits"):
        success_rate(4, 3)


def test_no_hit_bounds_the_cost_from_below():
    cost = cost_per_hit(np.full(30, 10.0), np.zeros(30, bool))
    assert math.isinf(cost.value) and math.isinf(cost.high)
    # Exact binomial: with a rate of cost / low, no hit would be seen in 2.5 % of cases.
    assert (1 - 10.0 / cost.low) ** 30 == pytest.approx(0.025)


def test_curve_counts_hits():
    at = np.array([5.0, np.inf, 2.0, 5.0])
    steps, fractions = hit_curve(at)
    for x, y in zip(steps, fractions, strict=True):
        assert y == np.mean(at <= x)
    assert steps.tolist() == [2.0, 5.0]
