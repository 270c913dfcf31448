"""Test functions: their known minima are minima, and nothing lies below."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h.potentials.functions import Ackley, Griewank, Rastrigin, Schwefel, StyblinskiTang

FUNCTIONS = (Rastrigin(), Ackley(), Griewank(), StyblinskiTang(), Schwefel())
IDS = [type(f).__name__ for f in FUNCTIONS]
DIMENSIONS = (1, 2, 7)
# Largest second derivative times the rounding of the minimizer bounds the gradient there.
FLAT = 1e-10

each = pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
of_any_dimension = pytest.mark.parametrize("n", DIMENSIONS)


def lowest(function, n):
    return jnp.full((n, 1), function.minimizer)


@each
@of_any_dimension
def test_minimum(function, n):
    value = function(lowest(function, n))
    size = max(1.0, abs(function.minimum(n)))
    np.testing.assert_allclose(value, function.minimum(n), rtol=0, atol=1e-12 * n * size)
    assert abs(function.minimizer) < function.domain


@each
@of_any_dimension
def test_gradient_vanishes_at_the_minimum(function, n):
    seen = function.potential().observe(lowest(function, n))
    np.testing.assert_allclose(seen.gradient, 0, atol=FLAT)
    np.testing.assert_allclose(jnp.sum(seen.atomic_energies), seen.energy)


@each
@of_any_dimension
def test_nothing_lies_below(function, n):
    rng = np.random.default_rng(n)
    half = function.domain
    anywhere = rng.uniform(-half, half, (5000, n, 1))
    beyond = rng.uniform(-5 * half, 5 * half, (5000, n, 1))
    scale = half * 10.0 ** rng.uniform(-8, 0, (5000, 1, 1))
    around = function.minimizer + scale * rng.normal(size=(5000, n, 1))
    x = jnp.asarray(np.concatenate([anywhere, beyond, around]))
    values = np.asarray(jax.vmap(function)(x))
    assert np.all(np.isfinite(values))
    slack = 1e-12 * n * max(1.0, abs(function.lowest))
    assert np.min(values) >= function.minimum(n) - slack


@each
def test_gradient_matches_finite_differences(function):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.uniform(-0.9, 0.9, (4, 1)) * function.domain)
    step = 1e-5 * function.length
    gradient = function.potential().observe(x).gradient
    for i in range(4):
        move = jnp.zeros((4, 1)).at[i].set(step)
        slope = (function(x + move) - function(x - move)) / (2 * step)
        size = np.max(np.abs(gradient))
        np.testing.assert_allclose(gradient[i, 0], slope, rtol=1e-6, atol=1e-6 * size)


@each
@pytest.mark.parametrize("at", ["minimum", "origin"])
def test_single_precision(function, at):
    x = lowest(function, 3) if at == "minimum" else jnp.zeros((3, 1))
    seen = function.potential().observe(x.astype(jnp.float32))
    assert seen.energy.dtype == seen.gradient.dtype == jnp.float32
    assert bool(seen.valid)


def test_schwefel_is_reflected_at_its_walls():
    f, x = Schwefel(), jnp.asarray([[480.0], [-120.0]])
    np.testing.assert_allclose(f(x), f(1000 - x), rtol=1e-12)
    plain = 2 * 418.98288727243369 - jnp.sum(x * jnp.sin(jnp.sqrt(jnp.abs(x))))
    np.testing.assert_allclose(f(x), plain, rtol=1e-12)
