"""Timing of several contestants in turn, so that a drifting machine hits all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax


def rounds(
    contestants: Mapping[str, Callable[[], Any]], count: int = 9
) -> dict[str, list[float]]:
    """Return seconds per call, one list per contestant, all called once per round.

    The first call of each, which compiles, is not counted.
    """
    for run in contestants.values():
        jax.block_until_ready(run())
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(count):
        for name, run in contestants.items():
            begin = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """Return median, smallest and largest of the ratios round by round."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def shown(values: tuple[float, float, float]) -> str:
    """Return a ratio with its range."""
    median, low, high = values
    return f"{median:5.1f}x ({low:.1f} .. {high:.1f})"
