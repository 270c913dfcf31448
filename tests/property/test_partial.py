"""Absent atoms change nothing, wherever they are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import random_cluster, seeds, separated

from l2h import rollout, weights
from l2h._leaves import cast
from l2h.potentials import Gupta, LennardJones, potential_with
from l2h.spaces import Free, Partial

KEY = jax.random.key(0)
ROOM = 11
FEW, MANY = 5, 8
ALLOY = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1]
LENGTH = 2.7


def potentials(species):
    """Return potentials for atoms of these species, and how long their bonds are."""
    return {
        "lennard-jones": (LennardJones(1.3, 0.7), 1.3),
        "Au": (Gupta.named("Au", len(species)), LENGTH),
        "Ag-Pt": (Gupta.named("Ag-Pt", species), LENGTH),
    }


NAMES = list(potentials(ALLOY))
observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
differentiate = eqx.filter_jit(lambda p, x: (p(x), jax.grad(lambda y: p(y))(x)))
centre = eqx.filter_jit(lambda space, x: space.centre(x))

anywhere = st.sampled_from(["far", "among", "nowhere", "infinite", "together"])


def hidden(x, present, where, seed):
    """Return an array in which the atoms that are present have these positions."""
    random = np.random.default_rng(seed)
    result = random.normal(size=(ROOM, 3)) * {"far": 1e6}.get(where, 2.0)
    if where in ("nowhere", "infinite"):
        result[:] = np.nan if where == "nowhere" else np.inf
    if where == "together":
        result[:] = x[0]
    result[present] = x
    return jnp.asarray(result)


@pytest.mark.parametrize("name", NAMES)
@given(separated(sizes=(FEW, MANY)), anywhere, seeds())
def test_absent_atoms_change_nothing(name, x, where, seed):
    n = len(x)
    # Any places of the array, not the first ones only.
    chosen = np.sort(np.random.default_rng(seed).permutation(ROOM)[:n])
    present = np.isin(np.arange(ROOM), chosen)
    small, length = potentials([ALLOY[i] for i in chosen])[name]
    large, _ = potentials(ALLOY)[name]
    large = potential_with(large, Partial(jnp.asarray(present)))
    expected = observe(small, jnp.asarray(length * x))
    full = hidden(length * x, present, where, seed)
    seen = observe(large, full)
    close = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(seen.energy, expected.energy, **close)
    np.testing.assert_allclose(seen.gradient[present], expected.gradient, **close)
    np.testing.assert_allclose(
        seen.atomic_energies[present], expected.atomic_energies, **close
    )
    np.testing.assert_array_equal(seen.gradient[~present], 0)
    np.testing.assert_array_equal(seen.atomic_energies[~present], 0)
    energy, slope = differentiate(large, full)
    np.testing.assert_allclose(energy, expected.energy, **close)
    np.testing.assert_allclose(slope[present], expected.gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(slope[~present], 0)
    # A structure in its canonical place is the same one, and finite.
    central = np.asarray(centre(large.space, full))
    expected_centre = np.asarray(Free().centre(jnp.asarray(length * x)))
    np.testing.assert_allclose(central[present], expected_centre, **close)
    assert np.all(np.isfinite(central))


@eqx.filter_jit
def learned_way(optimizer, potential, x):
    return rollout(optimizer, potential, x, 6, key=KEY, trace_every=1)


@pytest.mark.parametrize("where", ["far", "nowhere", "together"])
# The second network has size biases. Natural units of alloys count absent atoms, too.
@pytest.mark.parametrize(
    ("name", "network"), [("Au", "gupta"), ("lennard-jones", "lj-family")]
)
def test_learned_steps_do_not_know_absent_atoms(name, network, where):
    optimizer = cast(weights.load(network), jnp.float64)
    present = np.isin(np.arange(ROOM), [0, 2, 3, 4, 6, 7, 8, 10])
    small, length = potentials([0] * MANY)[name]
    large = potential_with(potentials(ALLOY)[name][0], Partial(jnp.asarray(present)))
    x = length * random_cluster(5, MANY)
    expected = learned_way(optimizer, small, jnp.asarray(x))
    seen = learned_way(optimizer, large, hidden(x, present, where, 0))
    np.testing.assert_allclose(seen.trace.energies, expected.trace.energies, rtol=1e-6)
    positions = seen.state.observation.positions[present]
    moved = positions - expected.state.observation.positions
    assert np.max(np.abs(moved)) < 1e-6
    # It has gone somewhere.
    assert np.ptp(np.asarray(expected.trace.energies)) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_forces_are_differences_of_energies(name):
    potential, length = potentials(ALLOY)[name]
    present = jnp.arange(ROOM, dtype=jnp.int32) % 3 != 1
    potential = potential_with(potential, Partial(present))
    x = jnp.asarray(length * random_cluster(4, ROOM))
    forces = potential.forces(x)
    step = 1e-5
    for atom in (0, 1, 5):
        for axis in range(3):
            up, down = (x.at[atom, axis].add(s) for s in (step, -step))
            slope = (observe(potential, up).energy - observe(potential, down).energy) / (
                2 * step
            )
            np.testing.assert_allclose(-slope, forces[atom, axis], rtol=1e-6, atol=1e-6)
    assert np.abs(np.asarray(forces[0])).max() > 0.01


def test_one_atom_or_none():
    for count in (0, 1):
        space = Partial(jnp.arange(ROOM, dtype=jnp.int32) < count)
        for potential, _ in potentials(ALLOY).values():
            seen = observe(potential_with(potential, space), jnp.ones((ROOM, 3)))
            assert float(seen.energy) == 0 and bool(seen.valid)
