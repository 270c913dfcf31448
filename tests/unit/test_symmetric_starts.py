"""Starts with a symmetry: in free space, in alloys, in periodic cells."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from l2h import tasks
from l2h.inits import Symmetric
from l2h.potentials import FunctionPotential, Gupta, LennardJones, StillingerWeber
from l2h.spaces import Free
from l2h.symmetry import CellGroups, completions, deal, orbit_sizes
from l2h.symmetry.cells import point_operations, translations

KEYS = jax.random.split(jax.random.key(11), 48)
CLOSEST = 0.7 * 0.95**13


@eqx.filter_jit
def draws(init, potential, n, keys):
    return jax.vmap(lambda key: init.draw(key, potential, n, jnp.float64))(keys)


def operations_of(drawn, i):
    return np.asarray(drawn.invariance.operations[i])[np.asarray(drawn.invariance.mask[i])]


def moved_away(structure, labels, table):
    """Return how far images of atoms lie from the nearest atom of their kind."""
    worst = 0.0
    for operation in table:
        for label in set(labels):
            kind = structure[labels == label]
            worst = max(worst, cdist(kind @ operation.T, kind).min(axis=1).max())
    return worst


def test_clusters_are_symmetric_and_have_no_close_pairs():
    n, potential = 38, LennardJones(length=2.0)
    drawn = draws(Symmetric(), potential, n, KEYS)
    assert drawn.positions.shape == (len(KEYS), n, 3)
    assert float(jnp.mean(drawn.ok)) > 0.8
    orders = set()
    for i in range(len(KEYS)):
        structure, table = np.asarray(drawn.positions[i]), operations_of(drawn, i)
        assert pdist(structure).min() > CLOSEST * 2.0
        assert moved_away(structure, np.zeros(n), table) < 1e-9
        orders.add(len(table))
    # Of every common group.
    assert orders == {1, 2, 3, 5, 6, 10, 12, 24}


def test_a_call_is_a_draw_alone_or_in_a_batch():
    # In a ball this large, hardly any point falls to the centre by itself.
    init, potential = Symmetric(("T",), radius=1.5, tries=1), LennardJones()
    drawn = draws(init, potential, 19, KEYS[:16])
    call = eqx.filter_jit(init)
    for i in range(4):
        alone = call(KEYS[i], potential, 19, jnp.float64)
        np.testing.assert_allclose(alone, drawn.positions[i], atol=1e-12)
    # Orbits of T have 4, 6 or 12 atoms: an odd number has one at the centre.
    assert bool(jnp.all(drawn.ok))
    nearest = jnp.min(jnp.linalg.norm(drawn.positions, axis=2), axis=1)
    assert float(jnp.max(nearest)) < 1e-12


def test_starts_have_the_precision_asked_for():
    start = Symmetric(("D3",))(KEYS[0], LennardJones(), 8, jnp.float32)
    assert start.dtype == jnp.float32 and bool(jnp.all(jnp.isfinite(start)))


@pytest.mark.parametrize("name", ["lj13", "Ag6Au7", "si8"])
def test_starts_are_the_same_in_every_precision(name):
    def drawn():
        task = tasks.get(name)
        init = Symmetric.of(task.potential, task.n)
        # As tasks draw: in single precision.
        one = eqx.filter_jit(lambda k: init(k, task.potential, task.n, jnp.float32))
        return np.stack([one(key) for key in KEYS[:4]])

    double = drawn()
    with jax.enable_x64(False):
        single = drawn()
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_what_does_not_fill_up_is_random_and_says_so():
    # Whatever falls into so small a ball merges at its centre.
    init = Symmetric(("Td",), radius=0.01)
    drawn = draws(init, LennardJones(), 13, KEYS[:4])
    assert not bool(jnp.any(drawn.ok))
    np.testing.assert_array_equal(drawn.invariance.mask.sum(axis=1), 1)
    for structure in drawn.positions:
        assert pdist(structure).min() > 0.01


def test_orbit_sizes():
    assert orbit_sizes("C1") == ((1,), False)
    assert orbit_sizes("Ci") == ((2,), True)
    assert orbit_sizes("C5v") == ((1, 5, 10), False)
    assert orbit_sizes("D3h") == ((2, 3, 6, 12), True)
    assert orbit_sizes("Td") == ((4, 6, 12, 24), True)
    assert orbit_sizes("Ih") == ((12, 20, 30, 60, 120), True)
    possible = np.flatnonzero(completions("Ih", 60))
    assert list(possible[:9]) == [0, 1, 12, 13, 20, 21, 24, 25, 30]


# Alloys


@pytest.mark.parametrize("species", ["orbits", "random"])
def test_alloys_are_symmetric_by_orbits(species):
    labels = np.repeat([0, 1], [12, 1])
    potential = Gupta.named("Ag-Au", labels)
    drawn = draws(Symmetric(("Ih",), species=species), potential, 13, KEYS[:12])
    orders = np.asarray(drawn.invariance.mask.sum(axis=1))
    for i in range(12):
        structure = np.asarray(drawn.positions[i])
        assert moved_away(structure, labels, operations_of(drawn, i)) < 1e-9
    if species == "orbits":
        assert bool(jnp.all(drawn.ok))
        # Twelve of one kind around one of another, which is the only way.
        np.testing.assert_array_equal(orders, 120)
    else:
        assert (orders < 120).mean() > 0.5


VARIED = [0] * 4 + [4] * 4 + [8] * 2 + [10] * 2 + [12]
FOURS = [0] * 4 + [4] * 4 + [8] * 4 + [12]


@pytest.mark.parametrize(
    ("counts", "orbits", "ways", "split"),
    [
        ((6, 7), VARIED, 4, 0),
        ((4, 4, 5), VARIED, 6, 0),
        ((12, 1), VARIED, 1, 0),
        # Six atoms are not made of fours and one; but no more than one orbit is broken.
        ((6, 7), FOURS, None, 1),
    ],
)
def test_dealing_keeps_orbits_whole_where_it_can(counts, orbits, ways, split):
    species = np.repeat(np.arange(len(counts)), counts)
    species = jnp.asarray(np.random.default_rng(0).permutation(species))
    orbits = jnp.asarray(orbits)
    order = jax.vmap(lambda key: deal(key, species, orbits, True))(KEYS)
    found = set()
    for row in np.asarray(order):
        assert sorted(row) == list(range(13))
        kinds = np.empty(13, int)
        kinds[row] = species
        broken = [o for o in set(orbits.tolist()) if len(set(kinds[orbits == o])) > 1]
        assert len(broken) == split
        found.add(tuple(kinds))
    assert len(found) == ways if ways else len(found) > 10


# Periodic cells

AROUND = np.array(list(itertools.product((-1, 0, 1), repeat=3)))


def smallest_distance(structure, cell):
    n = len(structure)
    apart = structure[:, None] - structure + (AROUND @ cell)[:, None, None]
    distances = np.linalg.norm(apart, axis=-1)
    distances[np.all(AROUND == 0, axis=1)] += 99 * np.eye(n)
    return distances.min()


def periodic_defect(structure, cell, operation, shift):
    fractions = (structure @ operation.T + shift)[:, None] - structure
    fractions = fractions @ np.linalg.inv(cell)
    apart = (fractions - np.round(fractions)) @ cell
    return np.linalg.norm(apart, axis=-1).min(axis=1).max()


@pytest.mark.parametrize("turns", [False, True])
def test_cells_are_made_of_smaller_ones(turns):
    task = tasks.get("si64")
    space, length = task.potential.space, float(task.potential.scale.length)
    cells = CellGroups(space.cell, 64, length, turns=turns)
    init = Symmetric(cells=cells)
    drawn = draws(init, task.potential, 64, KEYS[:16])
    assert float(jnp.mean(drawn.ok)) > 0.9
    cell, orders = np.asarray(space.cell), set()
    for i in np.flatnonzero(drawn.ok):
        structure = np.asarray(drawn.positions[i])
        assert smallest_distance(structure, cell) > CLOSEST * length
        table, atoms = operations_of(drawn, i), np.asarray(drawn.invariance.atoms[i])
        atoms = atoms[np.asarray(drawn.invariance.mask[i])]
        orders.add(len(table))
        for operation, row in zip(table, atoms, strict=True):
            # Shifts are not kept: that of any atom must serve for all.
            shift = structure[row[0]] - operation @ structure[0]
            assert periodic_defect(structure, cell, operation, shift) < 1e-9
    assert max(orders) >= 8 and len(orders) > 2


def test_a_traced_cell_needs_groups_made_before():
    potential = StillingerWeber.silicon(5.5 * np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 2]]))
    start = Symmetric()(KEYS[0], potential, 16, jnp.float64)
    assert smallest_distance(np.asarray(start), np.asarray(potential.space.cell)) > 0.8
    with pytest.raises(ValueError, match=r"^cell: .*CellGroups\(cell, n, length\) outside"):
        eqx.filter_jit(Symmetric())(KEYS[0], potential, 16, jnp.float64)


HEXAGONAL = np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1.6]])


@pytest.mark.parametrize(
    ("cell", "order"),
    [
        (np.eye(3), 48),
        ((np.ones((3, 3)) - np.eye(3)) / 2, 48),
        (HEXAGONAL, 24),
        (np.diag([1.0, 1.0, 2.0]), 16),
        (np.array([[1.0, 0.1, 0.2], [0, 1.1, 0.3], [0, 0, 1.4]]), 2),
        # The cubic lattice again, by other vectors.
        (np.array([[1.0, 0, 0], [2, 1, 0], [0, 1, 1]]), 48),
    ],
)
def test_point_operations_of_lattices(cell, order):
    found = point_operations(3.7 * cell)
    assert len(found) == order
    np.testing.assert_array_equal(found[0], np.eye(3))
    products = np.einsum("aij,bjk->abik", found, found).reshape(-1, 9)
    assert {tuple(p) for p in products} == {tuple(p) for p in found.reshape(-1, 9)}


@pytest.mark.parametrize(
    ("divisions", "centring", "order"), [((1, 2, 3), "P", 6), ((2, 1, 1), "F", 8)]
)
def test_translations_are_groups(divisions, centring, order):
    shifts = translations(divisions, centring)
    assert len(shifts) == order
    apart = (shifts[:, None] + shifts).reshape(-1, 1, 3) - shifts
    assert np.abs(apart - np.round(apart)).max(axis=2).min(axis=1).max() < 1e-12


# Bad input

J = LennardJones()
CUBE = 10 * np.eye(3)
BAD = {
    "n: 1 given": lambda: Symmetric()(KEYS[0], J, 1, jnp.float64),
    "group: 'X' is unknown": lambda: Symmetric(("X",)),
    "groups: none given": lambda: Symmetric(()),
    "groups: Ih cannot hold 38 atoms.* take 37 or 40 atoms": lambda: Symmetric(("Ih",))(
        KEYS[0], J, 38, jnp.float64
    ),
    "radius: .*must be positive": lambda: Symmetric(radius=0.0),
    "spacing: .*must be positive": lambda: Symmetric(spacing=-1.0),
    "tries: 0 given": lambda: Symmetric(tries=0),
    "space: Free with 2": lambda: Symmetric()(
        KEYS[0], FunctionPotential(lambda x: jnp.sum(x**2), space=Free(2)), 3, jnp.float64
    ),
    "cell: it cannot be divided .* 7 atoms": lambda: CellGroups(CUBE, 7, 1.0),
    "cell: .* translations of 22.5": lambda: CellGroups(CUBE, 8, 15.0),
    "cells: made for 8 atoms, but there are 16": lambda: Symmetric(
        cells=CellGroups(CUBE, 8, 2.0)
    )(KEYS[0], StillingerWeber.silicon(CUBE), 16, jnp.float64),
    "groups: Td given, but a periodic cell": lambda: Symmetric(("Td",))(
        KEYS[0], StillingerWeber.silicon(CUBE), 8, jnp.float64
    ),
    "divisions: .*three positive": lambda: translations((1, 0, 2)),
    "centring: 'R' is unknown": lambda: translations((1, 1, 1), "R"),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input(words):
    with pytest.raises(ValueError, match=f"^{words}"):
        BAD[words]()
