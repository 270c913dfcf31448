"""Closed-form gradients against finite differences, and single against double precision."""

from collections.abc import Iterator

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .base import Context, Row, check, large, small
from .cases import Case, cases, energies, magnitude, observe, steepest

SOURCE = "5-point differences of the textbook energy"
# Truncation falls with the fourth power of the step, rounding grows with its inverse.
STEP = 5e-4
TOLERANCE = 1e-7
# In units of the sum of absolute atomic energies, and of the largest gradient component.
ENERGY_BUDGET, GRADIENT_BUDGET = 2e-6, 2e-5


def directions(shape: tuple[int, ...], context: Context) -> np.ndarray:
    """Return every coordinate of a small structure; random directions of a large one, or
    in a quick run."""
    size = int(np.prod(shape))
    if size <= 24 and not context.quick:
        return np.eye(size).reshape(size, *shape)
    drawn = np.random.default_rng(0).normal(size=(12, *shape))
    return drawn / np.linalg.norm(drawn, axis=(1, 2), keepdims=True)


def differences(case: Case, ways: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the textbook energy, and its slopes along directions by differences."""
    step = STEP * case.length
    moves = step * np.array([-2, -1, 1, 2])[:, None, None, None] * ways
    batch = (case.positions + moves).reshape(-1, *case.positions.shape)
    batch = np.concatenate([case.positions[None], batch])
    here, *e = np.asarray(energies(case.potential, jnp.asarray(batch)))
    e = np.reshape(e, (4, -1))
    return float(here), (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step)


def mismatch(ways: np.ndarray, slopes: np.ndarray, gradient: np.ndarray) -> float:
    """Return the largest error of a gradient along any direction, relative to its largest
    component."""
    exact = np.einsum("knd,nd->k", ways, gradient)
    return float(np.max(np.abs(slopes - exact)) / np.max(np.abs(gradient)))


@check("forces")
def finite_differences(context: Context) -> Iterator[Row]:
    for case in cases():
        seen = observe(case.potential, case.positions)
        ways = directions(case.positions.shape, context)
        energy, slopes = differences(case, ways)
        error = mismatch(ways, slopes, np.asarray(seen.gradient))
        name = f"{case.name}: gradient, relative error"
        yield small(name, error, TOLERANCE, SOURCE)
        error = abs(float(seen.energy) - energy) / magnitude(seen)
        name = f"{case.name}: energy, relative error"
        yield small(name, error, 1e-13, "textbook form against closed form")


@check("forces")
def wrong_gradients_are_noticed(context: Context) -> Iterator[Row]:
    case = cases()[0]
    other = eqx.tree_at(
        lambda p: p.length, case.potential, case.potential.length * (1 + 1e-6)
    )
    gradient = np.asarray(observe(other, case.positions).gradient)
    ways = directions(case.positions.shape, context)
    _, slopes = differences(case, ways)
    yield large(
        "control: length off by 1e-6, relative error",
        mismatch(ways, slopes, gradient),
        10 * TOLERANCE,
        "a wrong gradient must exceed the tolerance tenfold",
    )


@check("forces")
def single_precision(context: Context) -> Iterator[Row]:
    for case in cases():
        narrow = observe(case.potential, jnp.asarray(case.positions, jnp.float32))
        # Both see the same, rounded positions.
        wide = observe(case.potential, jnp.asarray(narrow.positions, jnp.float64))
        error = abs(float(narrow.energy) - float(wide.energy)) / magnitude(wide)
        name = f"{case.name}: float32 energy, relative error"
        yield small(name, error, ENERGY_BUDGET, "budget: docs/verification.md")
        difference = np.asarray(narrow.gradient, float) - np.asarray(wide.gradient)
        error = np.max(np.abs(difference)) / steepest(wide)
        name = f"{case.name}: float32 gradient, relative error"
        yield small(name, error, GRADIENT_BUDGET, "budget: docs/verification.md")
