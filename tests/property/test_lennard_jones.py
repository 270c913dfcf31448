"""Closed forms and limits of the Lennard-Jones potential."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st
from strategies import coincident, rotation, seeds, separated

from l2h.potentials import LennardJones
from l2h.spaces import Free

observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
energy = eqx.filter_jit(lambda potential, x: potential(x))


def pair(r, d0=1.0, epsilon=1.0):
    return epsilon * ((d0 / r) ** 12 - 2 * (d0 / r) ** 6)


@given(st.floats(0.3, 10), st.floats(0.5, 4), st.floats(0.1, 5))
def test_dimer(r, length, depth):
    x = np.array([[0.0, 0, 0], [0, r * length, 0]])
    seen = observe(LennardJones(length, depth), x)
    expected = pair(r, 1.0, depth)
    np.testing.assert_allclose(seen.energy, expected, rtol=1e-11, atol=1e-13 * depth)
    slope = -12 * depth / length * (r**-13 - r**-7)
    np.testing.assert_allclose(seen.gradient[1, 1], slope, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(seen.atomic_energies, expected / 2, rtol=1e-11, atol=1e-12)


def test_dimer_minimum_lies_at_length():
    seen = observe(LennardJones(2.5, 0.3), np.array([[0.0, 0, 0], [2.5, 0, 0]]))
    np.testing.assert_allclose(seen.energy, -0.3, rtol=1e-14)
    np.testing.assert_allclose(seen.gradient, 0, atol=1e-13)


@given(st.floats(0.6, 3))
def test_trimer(r):
    x = r * np.array([[0.0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]])
    np.testing.assert_allclose(
        energy(LennardJones(), x), 3 * pair(r), rtol=1e-11, atol=1e-12
    )


@given(st.floats(1e2, 1e4))
def test_dissociation(r):
    x = np.array([[0.0, 0, 0], [r, 0, 0]])
    np.testing.assert_allclose(energy(LennardJones(), x), -2 * r**-6, rtol=1e-9)


@given(coincident())
def test_coincident_atoms_cost_infinitely(positions):
    seen = observe(LennardJones(), positions)
    assert seen.energy == jnp.inf
    assert not bool(seen.valid)


@given(separated(dimension=2, sizes=(2, 5)), seeds())
def test_plane(positions, seed):
    flat = LennardJones(space=Free(2))
    seen = observe(flat, positions)
    lifted = np.concatenate([positions, np.zeros((len(positions), 1))], axis=1)
    solid = observe(LennardJones(), lifted)
    np.testing.assert_allclose(seen.energy, solid.energy, rtol=1e-13)
    np.testing.assert_allclose(seen.gradient, solid.gradient[:, :2], rtol=1e-9, atol=1e-9)
    turned = observe(flat, positions @ rotation(seed, 2).T)
    np.testing.assert_allclose(turned.energy, seen.energy, rtol=1e-9)


def test_one_atom():
    seen = observe(LennardJones(), np.ones((1, 3)))
    assert seen.energy == 0 and jnp.all(seen.gradient == 0) and bool(seen.valid)


def test_third_derivative_of_a_dimer():
    along = lambda r: LennardJones()(  # noqa: E731
        jnp.stack([jnp.zeros(3), jnp.stack([r, 0 * r, 0 * r])])
    )
    r = jnp.asarray(1.2)
    third = jax.jit(jax.grad(jax.grad(jax.grad(along))))
    expected = -12 * 13 * 14 * r**-15 + 2 * 6 * 7 * 8 * r**-9
    np.testing.assert_allclose(third(r), expected, rtol=1e-10)
