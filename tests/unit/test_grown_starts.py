"""Starts that grow: what they are, which species, and what cannot grow."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from l2h.inits import Grown
from l2h.potentials import FunctionPotential, Gupta, LennardJones
from l2h.spaces import Free, Periodic

LJ = LennardJones(1.3, 0.7)
SIZE = 13


@eqx.filter_jit
def starts(init, potential, keys):
    return jax.vmap(lambda key: init.start(key, potential, SIZE, jnp.float64))(keys)


@eqx.filter_jit
def start(init, potential, key):
    return init.start(key, potential, SIZE, jnp.float64)


def test_grown_starts():
    init, keys = Grown(), jax.random.split(jax.random.key(0), 48)
    found = starts(init, LJ, keys)
    positions = np.asarray(found.positions / LJ.length)
    assert positions.shape == (48, SIZE, 3) and np.all(np.isfinite(positions))
    assert np.all(np.asarray(found.spent.evaluations) > 0)
    # Where a core falls apart, there are no sites, and the start is uniform.
    grown = np.asarray(found.spent.probes) > 0
    assert grown.mean() > 0.85
    assert min(pdist(x).min() for x in positions[grown]) > 0.6
    # Different, and compact.
    assert len({round(pdist(x).sum(), 6) for x in positions[grown]}) > 20
    assert max(pdist(x).max() for x in positions[grown]) < 5
    # Others have surplus atoms that are each other's images: rounding says which leave, and
    # what is left is congruent.
    for i in (3, 11):
        alone = start(init, LJ, keys[i])
        one, other = (np.sort(pdist(x)) for x in (alone.positions, found.positions[i]))
        np.testing.assert_allclose(one, other, atol=1e-9)
        assert int(alone.spent.evaluations) == int(found.spent.evaluations[i])
        assert int(alone.spent.probes) == int(found.spent.probes[i])


def test_the_second_metal_of_an_alloy_grows_as_itself():
    metal = Gupta.named("Ag-Pt", np.zeros(SIZE, int))
    # The same metal, once its kinds have changed their numbers.
    tables = {
        name: getattr(metal, name)[::-1, ::-1] for name in ("A", "xi", "p", "q", "r0")
    }
    renamed = Gupta(**tables, species=np.ones(SIZE, int))
    keys = jax.random.split(jax.random.key(0), 8)
    first, second = (starts(Grown(), potential, keys) for potential in (metal, renamed))
    np.testing.assert_allclose(first.positions, second.positions, rtol=1e-6)
    np.testing.assert_array_equal(first.spent.evaluations, second.spent.evaluations)


def test_what_cannot_be_grown_is_refused():
    crystal = LennardJones(space=Periodic(8.0 * np.eye(3), cutoff=3.0))
    for potential in (crystal, FunctionPotential(jnp.sum, space=Free())):
        with pytest.raises(ValueError, match="cannot be grown.*l2h.lattice.law"):
            Grown().start(jax.random.key(0), potential, 13, jnp.float32)


@pytest.mark.parametrize("name", ["largest", "tolerance"])
def test_constants_of_growth_are_positive(name):
    with pytest.raises(ValueError, match=f"^{name}: 0.0 given"):
        Grown(**{name: 0.0})


def test_a_core_is_a_fraction_of_all_atoms():
    with pytest.raises(ValueError, match="^largest: 1.5 given"):
        Grown(largest=1.5)
    for name in ("noise", "surplus"):
        with pytest.raises(ValueError, match=f"^{name}: -1"):
            Grown(**{name: -1})
