"""What a check is, and what it may report."""

import dataclasses
import functools
import importlib.util
import math
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured number and what it should be."""

    name: str
    measured: float
    expected: float
    tolerance: float
    """Half-width of what passes; zero for a one-sided bound."""
    source: str
    passed: bool
    relation: str = "="
    """How `measured` relates to `expected`: "=" or ">="."""
    relative: bool = False
    """Whether `tolerance` counts in units of `expected`."""
    group: str = ""
    device: str = ""


@dataclasses.dataclass(frozen=True)
class Skip:
    """A check that could not run; counts as neither passed nor failed."""

    name: str
    reason: str
    group: str = ""
    device: str = ""


@dataclasses.dataclass(frozen=True)
class Context:
    """How the checks run."""

    quick: bool
    device: jax.Device
    full: bool = False
    """Whether searches go on to the largest clusters, for an hour or so."""


Check = Callable[[Context], Iterator[Row | Skip]]
REGISTRY: dict[str, list[Check]] = {}


def check(group: str) -> Callable[[Check], Check]:
    """Enter a function of the context, which yields rows, into a group."""

    def enter(function: Check) -> Check:
        REGISTRY.setdefault(group, []).append(function)
        return function

    return enter


def _finite(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"{name}: {number} lets everything or nothing pass.")


def close(
    name: str,
    measured: Any,
    expected: float,
    tolerance: float,
    source: str,
    *,
    relative: bool = False,
) -> Row:
    """Compare a number with the expected one; NaN fails."""
    measured, expected = float(measured), float(expected)
    _finite(tolerance=tolerance)
    width = tolerance * (abs(expected) if relative else 1)
    passed = abs(measured - expected) <= width
    return Row(name, measured, expected, tolerance, source, passed, relative=relative)


def small(name: str, error: Any, bound: float, source: str) -> Row:
    """Ask that a non-negative error is at most `bound`; NaN fails."""
    return close(name, abs(float(error)), 0.0, bound, source)


def large(name: str, measured: Any, bound: float, source: str) -> Row:
    """Ask that a number is at least `bound`: what a wrong form must show. NaN fails."""
    measured = float(measured)
    _finite(bound=bound)
    return Row(name, measured, bound, 0.0, source, measured >= bound, ">=")


@functools.cache
def expected() -> dict[str, Any]:
    """Return the reference values, from the file that says where they are from."""
    path = Path(__file__).with_name("expected.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def missing(package: str) -> bool:
    """Return whether a package is not installed, without importing it."""
    return importlib.util.find_spec(package) is None
