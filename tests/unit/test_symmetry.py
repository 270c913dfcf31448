"""Point groups, and structures filled from their orbits."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from strategies import rotation

from l2h.symmetry import (
    Groups,
    group,
    names,
    point_group,
    symmetric_fill,
    symmetry_operations,
)

AXES = range(2, 7)
ORDERS = (
    {"C1": 1, "Cs": 2, "Ci": 2, "T": 12, "Td": 24, "Th": 24, "O": 24, "Oh": 48}
    | {"I": 60, "Ih": 120}
    | {f"C{n}": n for n in AXES}
    | {f"{kind.format(n)}": 2 * n for kind in ("C{}v", "C{}h", "D{}") for n in AXES}
    | {f"{kind.format(n)}": 4 * n for kind in ("D{}h", "D{}d") for n in AXES}
    | {f"S{2 * n}": 2 * n for n in AXES}
)
CHIRAL = {"C1", "T", "O", "I"} | {f"{kind}{n}" for kind in "CD" for n in AXES}
CENTRED = {"Ci", "Th", "Oh", "Ih", "S6", "S10"} | {"C2h", "C4h", "C6h"}
CENTRED |= {"D2h", "D4h", "D6h", "D3d", "D5d"}


def distance_to_set(structure, table):
    """Return the largest distance from any image of an atom to the nearest atom."""
    images = np.einsum("gij,nj->gni", table, structure)
    return max(cdist(image, structure).min(axis=1).max() for image in images)


def test_every_group_is_known():
    assert set(names()) == set(ORDERS)


@pytest.mark.parametrize("name", ORDERS)
def test_tables_are_groups(name):
    table = group(name)
    assert len(table) == ORDERS[name]
    np.testing.assert_array_equal(table[0], np.eye(3))
    flat = table.reshape(-1, 9)
    assert len(table) == 1 or pdist(flat).min() > 0.1
    products = np.einsum("aij,bjk->abik", table, table).reshape(-1, 9)
    inverses = table.swapaxes(1, 2).reshape(-1, 9)
    assert cdist(products, flat, "chebyshev").min(axis=1).max() < 1e-12
    assert cdist(inverses, flat, "chebyshev").min(axis=1).max() < 1e-12
    assert np.abs(table @ table.swapaxes(1, 2) - np.eye(3)).max() < 1e-12


@pytest.mark.parametrize("name", ORDERS)
def test_tables_are_the_groups_of_their_names(name):
    table = group(name)
    proper = np.linalg.det(table) > 0
    assert proper.mean() == (1.0 if name in CHIRAL else 0.5)
    assert (np.abs(table + np.eye(3)).max(axis=(1, 2)) < 1e-9).any() == (name in CENTRED)
    # The main axis: the smallest angle of a proper rotation is 2 pi over its order.
    main = {"C1": 1, "Cs": 1, "Ci": 1, "T": 3, "Td": 3, "Th": 3, "O": 4, "Oh": 4}
    main |= {"I": 5, "Ih": 5}
    order = main.get(name) or int(re.findall(r"\d+", name)[0]) // (1 + (name[0] == "S"))
    traces = np.trace(table[proper], axis1=1, axis2=2)
    largest = np.sort(traces)[-2] if proper.sum() > 1 else 3.0
    assert largest == pytest.approx(1 + 2 * np.cos(2 * np.pi / order))


def test_tables_cannot_be_altered():
    with pytest.raises(ValueError, match="read-only"):
        group("D3")[0, 0, 0] = 2.0


@pytest.mark.parametrize("make", [group, lambda name: Groups((name,))])
def test_unknown_group(make):
    with pytest.raises(ValueError, match=r"^group: 'D7h' is unknown; choose from C1, Cs"):
        make("D7h")


def test_no_group():
    with pytest.raises(ValueError, match="^groups: none given"):
        Groups(())


def test_stacked_groups_are_the_groups():
    groups = Groups(("C1", "D5h", "Ih"))
    np.testing.assert_array_equal(groups.orders, [1, 20, 120])
    for i, name in enumerate(groups.names):
        operations, mask = groups[i]
        np.testing.assert_array_equal(operations[mask], group(name))


STACKED = Groups(("C1", "Cs", "C5", "D3", "C5v", "Td", "Ih"))
CAPACITY = 46


@eqx.filter_jit
def fill(key, index, target, largest):
    radius = 0.85 * 0.55 * jnp.cbrt(jnp.asarray(target, STACKED.operations.dtype))
    return symmetric_fill(key, *STACKED[index], target, largest, radius, capacity=CAPACITY)


@eqx.filter_jit
def fill_many(keys, indices, target, largest):
    return jax.vmap(fill, in_axes=(0, 0, None, None))(keys, indices, target, largest)


@pytest.mark.parametrize(("target", "largest"), [(13, 13), (38, 46)])
def test_filled_structures(target, largest):
    indices = jnp.arange(210) % len(STACKED.names)
    filled = fill_many(jax.random.split(jax.random.key(3), 210), indices, target, largest)
    ok = np.asarray(filled.ok)
    for index in range(len(STACKED.names)):
        assert ok[index :: len(STACKED.names)].any(), STACKED.names[index]
    assert ok.mean() > 0.8 or target == largest
    np.testing.assert_array_equal(ok, np.asarray(filled.count) >= target)
    assert int(filled.count.max()) <= largest
    if largest > target:
        assert int(filled.count.max()) > target
    for i in np.flatnonzero(ok):
        count = int(filled.count[i])
        structure = np.asarray(filled.positions[i])
        np.testing.assert_array_equal(structure[count:], 0.0)
        structure = structure[:count]
        assert pdist(structure).min() > 0.7 * 0.95**10
        table = group(STACKED.names[int(indices[i])])
        assert distance_to_set(structure, table) < 1e-12


def test_orbits_on_special_positions_occur():
    # An icosahedral cluster of 13 is the centre and twelve atoms on fivefold axes.
    index = jnp.full(100, STACKED.names.index("Ih"))
    filled = fill_many(jax.random.split(jax.random.key(0), 100), index, 13, 13)
    structure = np.asarray(filled.positions[int(np.argmax(filled.ok))])[:13]
    radii = np.sort(np.linalg.norm(structure, axis=1))
    np.testing.assert_allclose(radii[0], 0, atol=1e-12)
    np.testing.assert_allclose(radii[1:], radii[1], atol=1e-12)
    # On general positions the smallest distance within the orbit would be another.
    assert pdist(structure[radii.argsort() > 0]).min() > 0.5


def test_same_structure_alone_and_in_a_batch():
    keys = jax.random.split(jax.random.key(8), 7)
    many = fill_many(keys, jnp.arange(7), 38, 46)
    for i in (0, 4, 6):
        one = fill(keys[i], jnp.asarray(i), 38, 46)
        assert int(one.count) == int(many.count[i])
        np.testing.assert_allclose(one.positions, many.positions[i], atol=1e-12)


def test_a_fill_that_cannot_succeed_says_so_and_ends():
    # No orbit of Ih has 2 atoms.
    filled = fill(jax.random.key(0), jnp.asarray(6), 2, 2)
    assert not bool(filled.ok) and int(filled.count) <= 1


# Finding the symmetry of a structure


def general(name):
    """Return orbits of general points, which have no symmetry but the group's."""
    rng = np.random.default_rng(4)
    seeds = np.array([[1.0, 0.4, 0.7], [1.3, -0.9, 2.1], [-0.3, 2.0, 2.9], [3.0, 1.4, 1.1]])
    seeds = (seeds + 0.1 * rng.normal(size=seeds.shape))[: 2 if ORDERS[name] > 20 else 4]
    return np.einsum("gij,sj->sgi", group(name), seeds).reshape(-1, 3)


@pytest.mark.parametrize("name", ORDERS)
def test_the_group_of_a_structure_is_found(name):
    x = general(name)
    moved = x @ rotation(5).T + 3.0
    noise = 0.003 * pdist(x).min() * np.random.default_rng(6).uniform(-1, 1, x.shape)
    assert point_group(moved + noise) == name
    table = symmetry_operations(moved)
    assert len(table) == len(group(name))
    assert distance_to_set(moved - moved.mean(axis=0), table) < 1e-9


PAIR = np.array([[0, 0, 0], [0, 0, 1.0]])


def ring(n):
    turns = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)


def test_groups_of_known_structures():
    assert point_group(PAIR) == "D*h"
    assert point_group(PAIR, species=[0, 1]) == "C*v"
    assert point_group(ring(3)) == "D3h"
    assert point_group(ring(6)) == "D6h"
    assert point_group(ring(6), species=[0, 1] * 3) == "D3h"
    assert point_group(ring(6), species=[0, 0, 0, 1, 1, 1]) == "C2v"
    assert point_group(np.eye(3)) == "D3h"
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    assert point_group(octahedron) == "Oh"
    assert point_group(octahedron[:5]) == "C4v"
    axis = 1.0 * np.array([[0, 0, 1], [0, 0, 0], [0, 0, -1]])
    assert (
        point_group(np.concatenate([0.8 * ring(5), axis[:1] * 0.6, -axis[:1] * 0.6]))
        == "D5h"
    )
    twisted = np.concatenate([ring(5) + [0, 0, 0.4], -ring(5) - [0, 0, 0.4], 1.2 * axis])
    assert point_group(twisted) == "D5d"


def test_lines_and_atoms_have_no_table():
    with pytest.raises(ValueError, match="^positions: all atoms lie on one line"):
        symmetry_operations(PAIR)
    with pytest.raises(ValueError, match="^positions: 1 atoms given"):
        point_group(PAIR[:1])
