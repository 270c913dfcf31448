"""Vacant sites, what they are worth, growth over them, and repair."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from strategies import random_cluster

from l2h.lattice import (
    Growing,
    Lattice,
    grow,
    law,
    probe,
    settle,
    sites,
    suits,
)
from l2h.lattice.exchange import _best_exchange
from l2h.lattice.grow import _found, representatives
from l2h.lattice.sites import BLOCKED, LOOSEST, SAME, _keep
from l2h.optimizers import quench
from l2h.potentials import FunctionPotential, Gupta, LennardJones, Taper, potential_with
from l2h.spaces import Free, Partial
from l2h.symmetry import Groups

LJ = LennardJones(1.3, 0.7)
ROOM = 64


def icosahedron(shells):
    """Return a Mackay icosahedron with bonds of about natural length."""
    golden = (1 + 5**0.5) / 2
    corner = np.array([[0.0, s, t * golden] for s in (1, -1) for t in (1, -1)])
    corners = np.concatenate([np.roll(corner, k, axis=1) for k in range(3)])
    middles = [
        (a + b) / 2
        for i, a in enumerate(corners)
        for b in corners[:i]
        if np.linalg.norm(a - b) < 2.1
    ]
    shell = [
        np.zeros((1, 3)),
        corners,
        np.concatenate([2 * corners, 2 * np.array(middles)]),
    ]
    # Edges of length 2 between corners; radial bonds are 5 % shorter.
    return 0.51 * np.concatenate(shell[: shells + 1])


def octahedron():
    """Return the truncated octahedron of 38 atoms, cut from an fcc crystal."""
    reach = np.arange(-4, 5)
    points = np.stack(np.meshgrid(reach, reach, reach), axis=-1).reshape(-1, 3)
    points = points[points.sum(axis=1) % 2 == 1] / 2**0.5
    return points[np.argsort(np.sum(points**2, axis=1), kind="stable")[:38]]


STRUCTURES = {"octahedron": octahedron(), "icosahedron": icosahedron(2)}
relax = eqx.filter_jit(lambda potential, x: quench(potential, x, tolerance=1e-9))
find = eqx.filter_jit(lambda x, present: sites(x, present, 2 * len(x)))


def room_for(positions, room=ROOM):
    """Return a structure in an array with room for more, absent atoms at odd places."""
    rest = np.full((room - len(positions), 3), 0.1)
    return jnp.asarray(np.concatenate([positions, rest]))


def cluster_of(positions, room=ROOM):
    zero = jnp.asarray(0, jnp.int32)
    return Growing(room_for(positions, room), zero + len(positions), zero)


def vacant(positions, room=ROOM):
    found = find(room_for(positions, room), jnp.arange(room) < len(positions))
    assert np.all(np.diff(np.asarray(found.energies)[np.asarray(found.valid)]) >= 0)
    return np.asarray(found.positions)[np.asarray(found.valid)], found


@pytest.fixture(scope="module")
def minima():
    """Return perfect structures, relaxed, in natural lengths."""
    return {
        name: np.asarray(relax(LennardJones(), jnp.asarray(x)).positions)
        for name, x in STRUCTURES.items()
    }


# Sites


def test_a_small_icosahedron_has_one_site_over_each_face():
    x = icosahedron(1)
    points, found = vacant(x)
    assert len(points) == 20
    distances = np.sort(cdist(points, x), axis=1)
    np.testing.assert_allclose(distances[:, :3], distances[0, 0], atol=1e-3)
    assert np.all(distances[:, 3] > 1.3)
    # One for each face.
    assert pdist(points).min() > 0.9
    assert int(found.probes) == 3 * 20


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_hole_is_a_site(name, minima):
    for removed in (0, 5, 20, 37):
        x = np.delete(minima[name], removed, axis=0)
        points, _ = vacant(x)
        assert cdist(points, minima[name][removed : removed + 1]).min() < 0.1


@pytest.mark.parametrize("seed", range(6))
def test_sites_keep_their_distances(seed):
    x = random_cluster(seed, 30)
    for structure in (x, np.asarray(relax(LennardJones(), jnp.asarray(x)).positions)):
        points, found = vacant(structure)
        assert len(points) > 15
        assert cdist(points, structure).min() > BLOCKED - 0.03
        assert pdist(points).min() >= SAME
        energies = np.asarray(found.energies)[np.asarray(found.valid)]
        assert energies.max() < LOOSEST
        exact = np.sum([r**-12 - 2 * r**-6 for r in cdist(structure, points)], axis=0)
        np.testing.assert_allclose(energies, exact, rtol=1e-9)


@pytest.mark.parametrize(("size", "count"), [(31, 8), (32, 32), (1000, 70), (7744, 440)])
@pytest.mark.parametrize("share", [0.0, 0.05, 1.0])
def test_first_entries_are_kept_in_order(size, count, share):
    wanted = np.random.default_rng(size).random(size) < share
    chosen, known = map(np.asarray, _keep(jnp.asarray(wanted), count))
    assert chosen.shape == known.shape == (count,)
    np.testing.assert_array_equal(chosen[known], np.flatnonzero(wanted)[:count])


@eqx.filter_jit
def both_sites(cluster):
    return _found(cluster), sites(cluster.positions, cluster.present, 2 * ROOM)


@pytest.mark.parametrize("atoms", [7, 32, 33, 50])
def test_small_clusters_have_the_same_sites_in_half_of_the_array(atoms):
    # Moved a little, so that no two sites are bound alike.
    x = icosahedron(2)[:atoms] + np.random.default_rng(0).normal(0, 0.02, (atoms, 3))
    cluster = cluster_of(x)
    found, whole = both_sites(cluster)
    assert found.positions.shape == whole.positions.shape and np.any(whole.valid)
    assert int(found.probes) == int(whole.probes)
    np.testing.assert_array_equal(found.valid, whole.valid)
    np.testing.assert_allclose(found.energies, whole.energies, rtol=1e-6)
    valid = np.asarray(whole.valid)
    np.testing.assert_allclose(found.positions[valid], whole.positions[valid], atol=1e-6)


def test_absent_atoms_have_no_say():
    x = random_cluster(3, 30)
    _, here = vacant(x)
    far = room_for(x).at[30:].set(jnp.nan)
    there = find(far, jnp.arange(ROOM) < 30)
    np.testing.assert_array_equal(here.energies, there.energies)
    np.testing.assert_array_equal(here.positions[here.valid], there.positions[here.valid])


def test_the_probe_is_one_more_atom():
    x = random_cluster(1, 30)
    points = vacant(x)[0][:4]
    present = jnp.arange(ROOM, dtype=jnp.int32) < 30
    energies = probe(room_for(x), present, jnp.asarray(points))
    potential = LennardJones()
    for point, energy in zip(points, energies, strict=True):
        more = potential(jnp.asarray(np.vstack([x, point])))
        np.testing.assert_allclose(energy, more - potential(jnp.asarray(x)), rtol=1e-9)


# What sites are worth

POTENTIALS = {
    "lennard-jones": LJ,
    **{metal: Gupta.named(metal, 1) for metal in ("Ag", "Au", "Pd", "Pt")},
}
SMALL = 16


@eqx.filter_jit
def lattice_of(potential, cluster):
    known = law(potential)
    lattice, _ = Lattice.around(known, cluster, potential.scale.length)
    return lattice, lattice.energy(known), lattice.insertion(known)


@eqx.filter_jit
def energies_of(potential, points, masks):
    """Return energies of the points that each mask selects, by the textbook expression."""
    species = jnp.zeros(len(points), jnp.int32) if hasattr(potential, "species") else None

    def one(present):
        return potential_with(potential, Partial(present), species)(points)

    return jax.vmap(one)(masks)


@eqx.filter_jit
def best_exchange(potential, lattice, occupied):
    return _best_exchange(law(potential), lattice, occupied)


@pytest.fixture(scope="module", params=POTENTIALS)
def lattice(request):
    """Return a potential, the lattice of a rough cluster of 13 atoms, and its values."""
    potential = POTENTIALS[request.param]
    cluster = cluster_of(random_cluster(7, 13), SMALL)
    return potential, *lattice_of(potential, cluster)


def flipped(mask, *places):
    changed = np.array(mask)
    changed[list(places)] ^= True
    return changed


def test_insertion_energies_are_differences_of_energies(lattice):
    potential, of, energy, worth = lattice
    occupied = np.asarray(of.occupied)
    exists = np.flatnonzero(of.exists)
    assert occupied.sum() == 13 and len(exists) >= 20
    points = of.positions * potential.scale.length
    masks = np.stack([occupied, *[flipped(occupied, i) for i in range(len(occupied))]])
    here, *others = np.asarray(energies_of(potential, points, jnp.asarray(masks)))
    np.testing.assert_allclose(energy, here, rtol=0, atol=1e-10)
    change = (np.array(others) - here) * np.where(occupied, -1, 1)
    np.testing.assert_allclose(np.asarray(worth)[exists], change[exists], atol=1e-10)


def test_the_best_exchange_is_the_best_of_all(lattice):
    potential, of, energy, _ = lattice
    atom, hole, change = best_exchange(potential, of, of.occupied)
    occupied = np.asarray(of.occupied)
    assert occupied[atom] and not occupied[hole] and of.exists[hole]
    pairs = [
        (a, b)
        for a in np.flatnonzero(occupied)
        for b in np.flatnonzero(np.asarray(of.exists) & ~occupied)
    ]
    # Two vacant sites may be too close for the law and the potential to agree, but one
    # exchange occupies one of them.
    masks = jnp.asarray([flipped(occupied, *pair) for pair in pairs])
    points = of.positions * potential.scale.length
    differences = np.asarray(energies_of(potential, points, masks)) - float(energy)
    np.testing.assert_allclose(change, differences.min(), atol=1e-10)
    np.testing.assert_allclose(
        change, differences[pairs.index((int(atom), int(hole)))], atol=1e-10
    )


@eqx.filter_jit
def settled(potential, cluster, target):
    length, unit = potential.scale.length, potential.scale.energy
    return settle(law(potential), cluster, target, length, unit)


@pytest.mark.parametrize("target", [11, 13, 15])
@pytest.mark.parametrize("name", ["lennard-jones", "Pt"])
def test_settling_gives_the_number_and_never_raises_the_energy(name, target):
    potential = POTENTIALS[name]
    for seed in range(4):
        cluster = cluster_of(random_cluster(seed, 13), SMALL)
        done, gain = settled(potential, cluster, target)
        assert int(done.count) == target
        assert float(gain) >= 0
        positions = np.asarray(done.positions)[:target]
        assert pdist(positions).min() > 0.7
        of, energy, _ = lattice_of(potential, cluster)
        known = cdist(positions, np.asarray(of.positions)[np.asarray(of.exists)])
        assert known.min(axis=1).max() == 0
        if target == 13:
            after = energies_of(
                potential,
                done.positions * potential.scale.length,
                jnp.arange(SMALL)[None] < 13,
            )[0]
            np.testing.assert_allclose(energy - after, gain, atol=1e-10)


def test_too_few_sites_give_too_few_atoms():
    # Nothing is bound to two atoms strongly enough to be a site.
    done, gain = settled(LJ, cluster_of(np.eye(3)[:2] * 0.75, SMALL), 13)
    assert int(done.count) == 2 and float(gain) == 0


def test_sites_that_repel_stay_empty():
    # There are sites enough, but not for all of them at once.
    x = random_cluster(1, 13)
    assert pdist(vacant(x)[0]).min() < 0.5
    done, _ = settled(LJ, cluster_of(x), 38)
    assert 13 < int(done.count) < 38
    assert pdist(np.asarray(done.positions)[: int(done.count)]).min() > 0.7


@pytest.mark.parametrize(
    ("name", "potential"),
    [("octahedron", LJ), ("icosahedron", LJ), ("icosahedron", Gupta.named("Ag", 1))],
    ids=["LJ38", "LJ55", "Ag55"],
)
def test_a_misplaced_atom_is_put_back(name, potential, minima):
    x = minima[name]
    n = len(x)
    surface = np.argsort(np.linalg.norm(x, axis=1))[::-1]
    for removed in surface[[0, 13, 25]]:
        rest = np.delete(x, removed, axis=0)
        points, _ = vacant(rest)
        away = points[np.argmax(np.linalg.norm(points - x[removed], axis=1))]
        done, gain = settled(potential, cluster_of(np.vstack([rest, away])), n)
        assert float(gain) > 0
        positions = np.asarray(done.positions)[:n]
        assert cdist(x, positions).min(axis=1).max() < 0.1
        if potential is LJ:
            back = relax(LennardJones(), jnp.asarray(positions))
            perfect = LennardJones()(jnp.asarray(x))
            np.testing.assert_allclose(back.energy, perfect, rtol=1e-10)


def test_a_minimum_is_left_alone(minima):
    for x in minima.values():
        done, gain = settled(LJ, cluster_of(x), len(x))
        assert float(gain) == 0
        np.testing.assert_array_equal(done.positions[: len(x)], x)


def test_where_nothing_is_known_of_sites_there_is_no_law():
    tapered = Gupta.named("Au", 2, taper=Taper(5.0, 6.0))
    for potential in (FunctionPotential(jnp.sum, space=Free()), tapered):
        assert law(potential) is None


# Growth


def test_more_than_two_metals_are_not_grown():
    tables = {name: jnp.ones((3, 3)) for name in ("A", "xi", "p", "q", "r0")}
    assert not suits(Gupta(**tables, species=jnp.arange(3, dtype=jnp.int32)))
    two = {name: table[:2, :2] for name, table in tables.items()}
    assert suits(Gupta(**two, species=jnp.asarray([0, 1, 1], jnp.int32)))


GROUPS = Groups(("Td", "C5v", "I"))
TETRAHEDRON = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 8**0.5
ANGLES = 0.4 * np.pi * np.arange(5)
RING = 0.85 * np.stack([np.cos(ANGLES), np.sin(ANGLES), np.zeros(5)], axis=1)
BIPYRAMID = np.vstack([RING, [[0, 0, 0.52], [0, 0, -0.52]]])
CORES = {"Td": TETRAHEDRON, "C5v": BIPYRAMID, "I": icosahedron(1)}


def table_of(name):
    operations, mask = GROUPS[GROUPS.names.index(name)]
    return np.asarray(operations)[np.asarray(mask)]


def images_apart(structure, table):
    """Return the largest distance from any image of an atom to the nearest atom."""
    images = np.einsum("gij,nj->gni", table, structure)
    return max(cdist(image, structure).min(axis=1).max() for image in images)


@eqx.filter_jit
def grown(key, core, index, target, most, noise):
    operations, mask = GROUPS[index]
    return grow(key, core, operations, mask, target, most, noise)


def whole(number):
    return jnp.asarray(number, jnp.int32)


@pytest.mark.parametrize("name", CORES)
def test_members_of_an_orbit_have_one_representative(name):
    table = table_of(name)
    points = np.random.default_rng(0).normal(size=(5, 3))
    images = np.einsum("gij,nj->ngi", table, points)
    operations, mask = GROUPS[GROUPS.names.index(name)]
    for orbit in images:
        marks = np.asarray(representatives(jnp.asarray(orbit), operations, mask))
        np.testing.assert_allclose(marks, np.tile(marks[0], (len(orbit), 1)), atol=1e-12)
        assert cdist(marks[:1], orbit).min() < 1e-12


@pytest.mark.parametrize("noise", [0.0, 0.4])
@pytest.mark.parametrize("name", CORES)
def test_growth_keeps_the_symmetry(name, noise):
    core = CORES[name]
    assert images_apart(core, table_of(name)) < 1e-6
    index = whole(GROUPS.names.index(name))
    results = [
        grown(
            jax.random.key(seed),
            cluster_of(core),
            index,
            whole(38),
            whole(60),
            jnp.asarray(noise),
        )
        for seed in range(3)
    ]
    for cluster in results:
        count = int(cluster.count)
        assert 38 <= count <= 60
        structure = np.asarray(cluster.positions)[:count]
        np.testing.assert_allclose(structure[: len(core)], core)
        assert images_apart(structure, table_of(name)) < 1e-6
        assert pdist(structure).min() > 0.7
        assert int(cluster.probes) > 0
    different = any(
        int(c.count) != int(results[0].count)
        or np.any(np.asarray(c.positions) != np.asarray(results[0].positions))
        for c in results[1:]
    )
    assert different == (noise > 0)


def test_growth_never_exceeds_the_most():
    index = whole(GROUPS.names.index("Td"))
    for most in range(20, 28):
        cluster = grown(
            jax.random.key(0),
            cluster_of(TETRAHEDRON),
            index,
            whole(20),
            whole(most),
            jnp.asarray(0.4),
        )
        assert int(cluster.count) <= most
        structure = np.asarray(cluster.positions)[: int(cluster.count)]
        # Orbits that would exceed it are left out as a whole.
        assert images_apart(structure, table_of("Td")) < 1e-6
