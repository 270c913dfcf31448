"""Hops: how atoms are shaken, exchanged, moved into vacant sites, and repaired."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h import tasks
from l2h.lattice import law, migrations, rearrange, swap_energies
from l2h.meta.params import count
from l2h.optimizers import (
    LBFGS,
    BasinHopping,
    Migration,
    Repair,
    Shake,
    Swaps,
    quench,
)
from l2h.potentials import (
    FunctionPotential,
    Gupta,
    LennardJones,
    Taper,
    potential_with,
)
from l2h.spaces import Partial, Periodic

KEY = jax.random.key(5)
LJ = LennardJones()
observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
relax = eqx.filter_jit(lambda potential, x: quench(potential, x, tolerance=1e-6, limit=500))


@eqx.filter_jit
def proposals(hop, potential, x, stretch, keys):
    seen = potential.observe(x)
    return jax.vmap(
        lambda key: hop(potential, seen, stretch, jnp.asarray(True), key=key).positions
    )(keys)


def hops(hop, potential, x, count, stretch=1.0, inner=False):
    """Return many proposals from one structure; if `inner`, those of a hop within Swaps."""
    keys = jax.random.split(KEY, count)
    keys = jax.vmap(jax.random.split)(keys)[:, 0] if inner else keys
    return np.asarray(proposals(hop, potential, jnp.asarray(x), jnp.asarray(stretch), keys))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_shakes_have_the_declared_moments(kind):
    potential, x = LennardJones(length=2.0), 2 * random_cluster(0, 5)
    count = 4000
    shift = hops(Shake(0.3, kind=kind), potential, x, count, stretch=0.5) - x
    # Of half the step, in lengths of 2: 0.3 each way, or as standard deviation.
    variance = 0.3**2 / 3 if kind == "uniform" else 0.3**2
    assert (np.max(np.abs(shift)) <= 0.3) == (kind == "uniform")
    sigma = np.sqrt(2 * variance**2 / shift.size)
    assert abs(np.mean(shift**2) - variance) < 5 * sigma
    assert np.max(np.abs(np.mean(shift, axis=0))) < 5 * np.sqrt(variance / count)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_a_loose_atom_returns_to_the_surface_at_any_angle(kind):
    compact = random_cluster(0, 8)
    far = np.concatenate([compact, [[30.0, 5.0, -4.0]]])
    hop = Shake(0.1, loose=0.3, kind=kind)
    tried = hops(hop, LJ, far, 4000)
    middle = compact.mean(axis=0)
    radius = np.max(np.linalg.norm(compact - middle, axis=1))
    back = (tried[:, -1] - middle) / radius
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, rtol=1e-6)
    # Isotropic: means of components and of their squares.
    assert np.max(np.abs(back.mean(axis=0))) < 5 * np.sqrt(1 / 3 / 4000)
    spread = np.sqrt((1 / 5 - 1 / 9) / 4000)
    assert np.max(np.abs((back**2).mean(axis=0) - 1 / 3)) < 5 * spread
    # The others are only shaken.
    assert np.max(np.abs(tried[:, :-1] - compact)) < 0.7


def test_bound_atoms_are_only_shaken():
    x = random_cluster(0, 8)
    assert np.max(np.abs(hops(Shake(0.1, loose=0.1), LJ, x, 50) - x)) <= 0.1


def test_no_atom_is_loose_without_a_centroid():
    hop = Shake(0.1, loose=0.5)
    crystal = LennardJones(space=Periodic(6 * np.eye(3), 2.9))
    x = random_cluster(0, 8)
    x[-1] += 1.2
    assert np.max(np.abs(hops(hop, LJ, x, 50) - x)) > 0.2
    assert np.max(np.abs(hops(hop, crystal, x, 50) - x)) <= 0.1
    wells = FunctionPotential(lambda x: -jnp.sum(jnp.exp(-(x**2))))
    x = np.array([[0.1], [9.0]])
    assert np.max(np.abs(hops(hop, wells, x, 50) - x)) <= 0.1


def test_swaps_exchange_unlike_atoms_only():
    species = np.array([0, 0, 0, 1, 1, 0, 1, 0])
    alloy = Gupta.named("Ag-Au", species)
    x = 2.9 * random_cluster(0, 8)
    tried = hops(Swaps(Shake(0.2), chance=0.4), alloy, x, 3000)
    sorted_rows = lambda y: y[np.lexsort(y.T)]  # noqa: E731
    home = sorted_rows(x)
    swapped = np.array([np.array_equal(sorted_rows(y), home) for y in tried])
    assert abs(np.mean(swapped) - 0.4) < 5 * np.sqrt(0.24 / 3000)
    pairs = {tuple(np.flatnonzero(np.any(y != x, axis=1))) for y in tried[swapped]}
    assert pairs == {
        (i, j) for i in range(8) for j in range(i + 1, 8) if species[i] != species[j]
    }


def swapped_energy(potential, x, i, j):
    order = np.arange(len(x))
    order[[i, j]] = j, i
    return float(potential.observe(jnp.asarray(x[order])).energy)


def test_pairs_are_drawn_by_the_boltzmann_weight_of_their_exchange():
    species = np.array([0, 0, 0, 1, 1, 0])
    alloy = Gupta.named("Pd-Pt", species)
    x = np.asarray(relax(alloy, jnp.asarray(2.7 * random_cluster(0, 6))).positions)
    pairs = [(i, j) for i in range(6) for j in range(6) if species[i] < species[j]]
    costs = np.array([swapped_energy(alloy, x, *pair) for pair in pairs])
    costs -= float(alloy.observe(jnp.asarray(x)).energy)
    heat = 2 * np.ptp(costs) / float(alloy.scale.energy) / len(pairs)
    weights = np.exp(-costs / (heat * float(alloy.scale.energy)))
    weights /= weights.sum()
    count = 4000
    tried = hops(Swaps(Shake(0.2), chance=0.999999, heat=heat), alloy, x, count)
    drawn = [tuple(np.flatnonzero(np.any(y != x, axis=1))) for y in tried]
    for pair, weight in zip(pairs, weights, strict=True):
        found = drawn.count(tuple(sorted(pair))) / count
        assert abs(found - weight) < 5 * np.sqrt(weight * (1 - weight) / count) + 1e-12
    assert weights.max() > 3 * weights.min()
    # And so often as is asked for.
    tried = hops(Swaps(Shake(0.2), chance=0.3, heat=heat), alloy, x, count)
    shaken = np.array([np.all(np.any(y != x, axis=1)) for y in tried])
    assert abs(np.mean(shaken) - 0.7) < 5 * np.sqrt(0.21 / count)


@pytest.mark.parametrize("heat", [None, 0.5])
def test_absent_atoms_are_never_exchanged(heat):
    species = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    there = np.arange(8) < 5
    bare = Gupta.named("Ag-Au", species[:5])
    alloy = potential_with(
        Gupta.named("Ag-Au", species), Partial(present=jnp.asarray(there))
    )
    # Absent atoms lie in the middle of the others.
    x = 2.9 * np.concatenate([random_cluster(0, 5), np.zeros((3, 3))])
    tried = hops(Swaps(Shake(0.2), chance=0.999999, heat=heat), alloy, x, 500)
    pairs = {tuple(np.flatnonzero(np.any(y != x, axis=1))) for y in tried}
    assert pairs == {(0, 1), (0, 3), (0, 4), (1, 2), (2, 3), (2, 4)}
    costs = swap_energies(law(alloy), jnp.asarray(x), alloy.species, jnp.asarray(there))
    known = swap_energies(law(bare), jnp.asarray(x[:5]), bare.species)
    np.testing.assert_allclose(costs[:5, :5], known, rtol=1e-9)
    assert np.all(np.isinf(costs[5:])) and np.all(np.isinf(costs[:, 5:]))
    # Nor does their place decide how the others are arranged.
    repaired = rearrange(alloy, jnp.asarray(x))
    alone = rearrange(bare, jnp.asarray(x[:5]))
    np.testing.assert_array_equal(repaired.positions[5:], x[5:])
    np.testing.assert_allclose(repaired.positions[:5], alone.positions)
    np.testing.assert_allclose(repaired.gain, alone.gain, atol=1e-9)


def test_moves_into_vacancies_are_drawn_by_their_boltzmann_weight():
    gold = Gupta.named("Au", 9)
    length, unit = float(gold.scale.length), float(gold.scale.energy)
    x = relax(gold, jnp.asarray(length * random_cluster(2, 9))).positions
    x = np.asarray(gold.space.centre(x))
    moves = migrations(gold, jnp.asarray(x))
    bare = float(gold.observe(jnp.asarray(x)).energy)
    for a in (0, 3):
        # An atom at its new place, nothing else moved.
        there = x.copy()
        there[int(moves.atoms[a])] = np.asarray(moves.vacancies[0])
        cost = float(gold.observe(jnp.asarray(there)).energy) - bare
        assert float(moves.costs[a, 0]) == pytest.approx(cost, rel=1e-6)
    heat, count = 0.5, 2000
    weights = np.exp(-np.asarray(moves.costs, float) / (heat * unit))
    weights /= weights.sum()
    tried = hops(Migration(Shake(0.2), chance=0.999999, heat=heat), gold, x, count)
    assert np.all(np.sum(np.any(tried != x, axis=2), axis=1) == 1)
    for a, b in np.argwhere(weights > 0.02):
        atom, place = int(moves.atoms[a]), np.asarray(moves.vacancies[b])
        found = np.mean(np.linalg.norm(tried[:, atom] - place, axis=1) < 1e-6)
        sigma = np.sqrt(weights[a, b] * (1 - weights[a, b]) / count)
        assert abs(found - weights[a, b]) < 5 * sigma
    assert np.sum(weights > 0.02) >= 3
    # And so often as is asked for.
    tried = hops(Migration(Shake(0.2), chance=0.3, heat=heat), gold, x, count)
    shaken = np.sum(np.any(tried != x, axis=2), axis=1) == 9
    assert abs(np.mean(shaken) - 0.7) < 5 * np.sqrt(0.21 / count)


def test_absent_atoms_do_not_migrate():
    there = np.arange(8) < 6
    gold = potential_with(Gupta.named("Au", 8), Partial(present=jnp.asarray(there)))
    x = 2.9 * np.concatenate([random_cluster(0, 6), np.zeros((2, 3))])
    x[:6] -= x[:6].mean(axis=0)
    tried = hops(Migration(Shake(0.2), chance=0.999999), gold, x, 300)
    moved = np.any(np.abs(tried - x) > 1e-9, axis=2)
    assert not np.any(moved[:, 6:]) and np.all(np.sum(moved, axis=1) == 1)


@pytest.mark.parametrize(
    "potential",
    [
        Gupta.named("Ag-Au", np.array([0, 0, 1, 1, 0])),
        Gupta.named("Au", 5, taper=Taper(5.0, 6.0)),
    ],
    ids=["alloy", "without a law"],
)
def test_no_atom_migrates_in_alloys_or_without_sites(potential):
    x = jnp.asarray(2.9 * random_cluster(0, 5))
    seen, one = potential.observe(x), jnp.asarray(1.0)
    hop, shake = Migration(Shake(0.2)), Shake(0.2)
    proposed = hop(potential, seen, one, jnp.asarray(True), key=KEY)
    key = jax.random.split(KEY, 3)[0]
    expected = shake(potential, seen, one, jnp.asarray(True), key=key)
    np.testing.assert_array_equal(proposed.positions, expected.positions)
    assert proposed.stretched


def test_every_pair_is_drawn_alike_where_costs_are_unknown():
    alloy = Gupta.named("Ag-Au", np.array([0, 0, 1, 1, 0]), taper=Taper(5.0, 6.0))
    x = 2.9 * random_cluster(0, 5)
    shake = Shake(0.2)
    np.testing.assert_array_equal(
        hops(Swaps(shake, 0.5, heat=0.1), alloy, x, 50),
        hops(Swaps(shake, 0.5), alloy, x, 50),
    )


def test_walkers_that_weigh_pairs_hop_one_after_the_other():
    shake = Shake(0.2)
    assert not shake.dear and not Swaps(shake).dear
    assert Swaps(shake, heat=0.1).dear and Swaps(Repair(shake)).dear
    assert Migration(shake).dear


def test_heat_is_trained_where_it_is_used():
    plain = BasinHopping(LBFGS(), Swaps(Shake(0.2)))
    assert count(BasinHopping(LBFGS(), Swaps(Shake(0.2), heat=0.1))) == count(plain) + 1
    assert count(BasinHopping(LBFGS(), Migration(Shake(0.2)))) == count(plain) + 1


@pytest.mark.parametrize("potential", [LJ, Gupta.named("Au", 8)])
@pytest.mark.parametrize("heat", [None, 0.1])
def test_swaps_do_nothing_where_all_atoms_are_alike(potential, heat):
    x = 2.9 * random_cluster(0, 8)
    shake = Shake(0.2)
    np.testing.assert_array_equal(
        hops(Swaps(shake, heat=heat), potential, x, 20),
        hops(shake, potential, x, 20, inner=True),
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (partial(Shake, 0.0), "step"),
        (partial(Shake, 0.1, loose=1.0), "loose"),
        (partial(Swaps, Shake(0.1), chance=0.0), "chance"),
        (partial(Swaps, Shake(0.1), heat=0.0), "heat"),
        (partial(Migration, Shake(0.1), heat=-1.0), "heat"),
        (partial(Migration, Shake(0.1), chance=1.0), "chance"),
    ],
)
def test_wrong_hops_are_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_repair_fills_the_best_vacancy_of_a_new_minimum_once():
    """A corner of the icosahedron that sits on a face instead comes back."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(x, k) for x in corners for k in range(3)])
    corners *= 0.96 / np.linalg.norm(corners[0])
    face = corners[np.argsort(corners @ corners[0])[1:4]].mean(axis=0)
    moved = np.concatenate([[0 * face], corners[1:], [1.9 * face]])
    relaxed = relax(LJ, jnp.asarray(moved)).positions
    seen = observe(LJ, relaxed)
    hop, one = Repair(Shake(0.01)), jnp.asarray(1.0)
    repaired = hop(LJ, seen, one, jnp.asarray(True), key=KEY)
    assert not repaired.stretched
    assert float(seen.energy) > -43
    assert float(relax(LJ, repaired.positions).energy) == pytest.approx(
        -44.326801, abs=1e-5
    )
    again = hop(LJ, seen, one, jnp.asarray(False), key=KEY)
    shaken = hop.hop(LJ, seen, one, jnp.asarray(False), key=KEY)
    assert again.stretched and jnp.array_equal(again.positions, shaken.positions)


def test_repair_of_what_has_no_vacancies_is_another_hop():
    potential = tasks.get("si8").potential
    seen = potential.observe(jnp.asarray(random_cluster(3, 8)))
    one, new = jnp.asarray(1.0), jnp.asarray(True)
    found = Repair(Shake(0.1))(potential, seen, one, new, key=KEY)
    assert jnp.array_equal(
        found.positions, Shake(0.1)(potential, seen, one, new, key=KEY).positions
    )
    with pytest.raises(ValueError, match="no vacant sites"):
        rearrange(potential, seen.positions)
