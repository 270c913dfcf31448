"""Calculators outside of JAX as potentials."""

import re

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from searches import calculate
from strategies import random_cluster

from l2h import rollout
from l2h.optimizers import LBFGS, BasinHopping, GradientDescent, Shake, Status, quench
from l2h.potentials import AbstractPotential, Callback, LennardJones, Scale
from l2h.spaces import Free

KEY = jax.random.key(0)


def start(seed=0, dtype="float64"):
    return jnp.asarray(random_cluster(seed, 5, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_calculator_is_searched_as_any_potential(dtype):
    potential = Callback(calculate, length=1.0, energy=1.0, separated=0.0)
    x = start(dtype=dtype)
    seen, expected = potential.observe(x), LennardJones().observe(x)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(seen.energy, expected.energy, rtol=tolerance)
    np.testing.assert_allclose(seen.gradient, expected.gradient, atol=50 * tolerance)
    assert seen.energy.dtype == seen.gradient.dtype == dtype
    found = rollout(LBFGS(history=3), potential, x, 60, key=KEY)
    np.testing.assert_allclose(found.best_energy, -9.103852, atol=1e-3)
    # One call for each evaluation, none besides.
    assert potential.calls.made == 1 + 61 and potential.calls.failed == 0


def test_batches_call_one_structure_at_a_time():
    shapes = []

    def noted(x):
        shapes.append(x.shape)
        return calculate(x)

    potential = Callback(noted, length=1.0, energy=1.0)
    x = jnp.stack([start(seed) for seed in range(3)])
    found = jax.jit(jax.vmap(lambda y: quench(potential, y, limit=20)))(x)
    for i in range(3):
        alone = quench(LennardJones(), x[i], limit=20)
        np.testing.assert_allclose(found.energy[i], alone.energy, rtol=1e-8)
    assert set(shapes) == {(5, 3)}


def test_its_gradient_is_the_derivative_of_its_energy():
    potential = Callback(calculate, length=1.0, energy=1.0)
    x = start()
    np.testing.assert_array_equal(
        jax.jit(jax.grad(lambda y: potential(y)))(x), potential.observe(x).gradient
    )


def fails(x):
    raise RuntimeError("the license server does not answer")


FAILURES = {
    "an error": (fails, "license server"),
    "no number": (lambda x: (np.nan, 0 * x), "not finite"),
    "infinite forces": (lambda x: (1.0, x / 0.0), "not finite"),
    "wrong shape": (lambda x: (1.0, x[:2]), r"\(2, 3\)"),
    "beyond single precision": (lambda x: (1e300, 0 * x), ""),
}


@pytest.mark.parametrize(("function", "words"), FAILURES.values(), ids=FAILURES)
def test_failures_are_counted_and_never_become_the_best(function, words, caplog):
    calls = []

    def sometimes(x):
        calls.append(x)
        with np.errstate(all="ignore"):
            return function(x) if len(calls) in (4, 5) else calculate(x)

    potential = Callback(sometimes, length=1.0, energy=1.0)
    x = start(dtype="float32")
    hopping = BasinHopping(GradientDescent(1e-3), Shake(0.1), limit=3)
    found = rollout(hopping, potential, x, 12, key=KEY)
    assert int(found.state.evaluations) == len(calls) == potential.calls.made == 13
    assert not bool(found.state.valid) and int(found.state.memory.failed) == 2
    assert np.isfinite(found.best_energy) and np.all(np.isfinite(found.best_positions))
    if words:
        assert potential.calls.failed == 2
        assert re.search(words, potential.calls.last_error)
        # Told once, not once for each.
        assert len(caplog.records) == 1


def test_a_calculator_that_always_fails_ends_a_search_at_once():
    potential = Callback(fails, length=1.0, energy=1.0)
    found = quench(potential, start())
    assert "not finite" in Status[found.status] and potential.calls.made == 1
    with pytest.raises(ValueError, match="the start has energy nan"):
        rollout(LBFGS(), potential, start(), 3, key=KEY)


def test_what_cannot_be_called_is_refused():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(TypeError, match="function: 3 is not callable"):
            Callback(3, length=1.0, energy=1.0)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


class Spring(AbstractPotential):
    """All that a new potential needs: space, scale and energy."""

    stiffness: jax.Array
    space: Free = Free()

    @property
    def scale(self):
        return Scale(jnp.ones(()), jnp.ones(()))

    def __call__(self, positions):
        spring = self.like(positions)
        pairs = spring.space.pairs(positions)
        inside = jnp.where(pairs.mask, pairs.squared, 1)
        return spring.stiffness * jnp.sum((inside - 1) ** 2)


def test_one_class_makes_a_potential():
    potential, x = Spring(jnp.asarray(2.0)), start(dtype="float32")
    seen = potential.observe(x)
    np.testing.assert_allclose(seen.energy, potential(x))
    np.testing.assert_allclose(seen.gradient, jax.grad(lambda y: potential(y))(x))
    assert seen.energy.dtype == seen.gradient.dtype == jnp.float32
    np.testing.assert_allclose(jnp.sum(seen.atomic_energies), seen.energy, rtol=1e-6)
    # Four atoms make a tetrahedron, which no spring resists.
    assert float(quench(potential, x[:4].astype(float), tolerance=1e-9).energy) < 1e-12
