"""Closed forms of the soft-sphere repulsion, and atoms on one site."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st
from strategies import coincident

from l2h.potentials import SoftSphere

observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
energy = eqx.filter_jit(lambda potential, x: potential(x))


@given(st.floats(0.01, 2), st.floats(0.5, 3), st.floats(0.1, 5), st.floats(2, 4))
def test_dimer(r, length, strength, exponent):
    x = np.array([[0.0, 0, 0], [0, 0, r * length]])
    potential = SoftSphere(length, strength, exponent)
    gap = max(1 - r, 0)
    expected = strength / exponent * gap**exponent
    seen = observe(potential, x)
    np.testing.assert_allclose(seen.energy, expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(energy(potential, x), expected, rtol=1e-9, atol=1e-13)
    slope = -strength / length * gap ** (exponent - 1)
    np.testing.assert_allclose(seen.gradient[1, 2], slope, rtol=1e-9, atol=1e-12)


@given(st.floats(0.05, 0.95))
def test_trimer(r):
    x = r * np.array([[0.0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]])
    np.testing.assert_allclose(energy(SoftSphere(), x), 1.5 * (1 - r) ** 2, rtol=1e-10)


def test_repulsion_ends_at_the_diameter_not_at_a_tenth_of_it():
    # The condition printed in the paper's Eq. (8), d > 0.1, would make this zero.
    x = np.array([[0.0, 0, 0], [0.5, 0, 0]])
    np.testing.assert_allclose(energy(SoftSphere(), x), 0.125, rtol=1e-14)
    assert energy(SoftSphere(), 2.1 * x) == 0


@given(coincident())
def test_coincident_atoms_cost_and_never_vanish(positions):
    seen = observe(SoftSphere(), positions)
    assert bool(seen.valid)
    apart = np.array(positions)
    apart[1] += 1000
    assert seen.energy >= observe(SoftSphere(), apart).energy + 0.5 - 1e-12
    np.testing.assert_allclose(energy(SoftSphere(), positions), seen.energy, rtol=1e-12)
    assert jnp.all(seen.atomic_energies[:2] >= 0.25 - 1e-12)
