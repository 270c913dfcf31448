"""Learned growth: what it reads, what it trains, and that untrained it is the old rule."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from l2h import search, tasks, weights
from l2h.engine import ARMS, Abandonment, Arm
from l2h.engine.attempt import start
from l2h.engine.room import Room
from l2h.inits import Grown, Growth
from l2h.inits.scorer import Scorer
from l2h.lattice import Growing, SiteReading, grow, read_sites, sites
from l2h.meta import count, ravel, unravel
from l2h.optimizers.learned.network import Network
from l2h.symmetry import Groups

TASKS = {name: tasks.get(name) for name in ("lj13", "Au13")}
UNTRAINED = Growth.create(jax.random.key(3))
FIVE = Groups(("C5v",), jnp.float32)
# A pentagonal bipyramid about the fivefold axis.
ANGLES = 0.4 * np.pi * np.arange(5)
RING = 0.85 * np.stack([np.cos(ANGLES), np.sin(ANGLES), np.zeros(5)], axis=1)
BIPYRAMID = np.vstack([RING, [[0, 0, 0.52], [0, 0, -0.52]]])


def trained(seed=0, scale=2.0):
    """Return growth with every trainable number changed."""
    params = ravel(UNTRAINED)
    change = jax.random.normal(jax.random.key(seed), params.shape, params.dtype)
    return unravel(UNTRAINED, params + 0.2 * scale * change)


def drawn(init, name, count=24):
    task = TASKS[name]
    room = Room.of(task.potential, task.n)
    keys = jax.random.split(jax.random.key(1), count)
    some = start(init, None, room.potential, room.rows, jnp.float32, keys, None, room.rows)
    return jax.device_get(some)


@pytest.mark.parametrize("name", TASKS)
def test_untrained_growth_is_the_hand_made_rule_to_the_bit(name):
    ruled, learned = drawn(Grown(), name), drawn(UNTRAINED.starts, name)
    np.testing.assert_array_equal(learned.positions, ruled.positions)
    np.testing.assert_array_equal(learned.spent.evaluations, ruled.spent.evaluations)
    np.testing.assert_array_equal(learned.spent.probes, ruled.spent.probes)
    # Not because nothing matters.
    other = drawn(trained().starts, name)
    assert np.any(other.positions != ruled.positions)
    arm = Arm.growing("mine", UNTRAINED)
    assert Abandonment().narrowed(arm.allowance).window == Abandonment().window


def cluster(positions, room=40):
    padded = np.zeros((room, 3), np.float32)
    padded[: len(positions)] = positions
    number = jnp.asarray(len(positions), jnp.int32)
    return Growing(jnp.asarray(padded), number, jnp.asarray(0, jnp.int32))


@eqx.filter_jit
def readings(some, operations, mask):
    found = sites(some.positions, some.present, 80)
    return found, read_sites(some, found, operations, mask, jnp.asarray(30, jnp.int32))


def test_what_is_read_of_a_site_is_the_same_all_over_its_orbit():
    operations, mask = FIVE[0]
    found, reading = readings(cluster(BIPYRAMID), operations, mask)
    valid = np.asarray(found.valid)
    assert reading.own.shape == (SiteReading.counts[0], 80)
    assert reading.shared.shape == (SiteReading.counts[1],)
    assert np.all(np.isfinite(reading.own)) and np.all(np.isfinite(reading.shared))
    # Ten faces of the bipyramid, in two orbits of five that nothing tells apart but a
    # mirror plane across the axis, which the group does not have.
    own = np.asarray(reading.own)[:, valid]
    assert own.shape[1] == 10
    np.testing.assert_allclose(own, np.tile(own[:, :1], (1, 10)), atol=2e-3)
    orbit, stabiliser = np.exp(own[-3]), np.exp(own[-2])
    np.testing.assert_allclose(orbit * stabiliser, 10, rtol=1e-5)
    np.testing.assert_allclose(orbit, 5, rtol=1e-5)
    np.testing.assert_allclose(own[-1], 5 / (30 - 7), rtol=1e-5)
    np.testing.assert_allclose(reading.shared[0], 2 * 7 / 30 - 1, rtol=1e-5)


def test_readings_tell_sites_apart_and_turn_with_the_cluster():
    operations, mask = Groups(("C1",), jnp.float32)[0]
    lopsided = np.vstack([BIPYRAMID, [[0.85 * 1.9, 0.1, 0.45]]])
    turn = Rotation.from_rotvec([0.4, -0.7, 0.2]).as_matrix()
    first, second = (
        readings(cluster(x), operations, mask) for x in (lopsided, lopsided @ turn.T + 0.3)
    )
    kept = [np.asarray(found.valid) for found, _ in (first, second)]
    a, b = (
        np.asarray(reading.own)[:, valid]
        for (_, reading), valid in zip((first, second), kept, strict=True)
    )
    assert a.shape == b.shape
    # In the order of their energies, of which some are equal but for rounding.
    np.testing.assert_allclose(np.sort(a, axis=1), np.sort(b, axis=1), atol=5e-3)
    np.testing.assert_allclose(first[1].shared, second[1].shared, atol=1e-4)
    # The position along the axes tells faces of equal energy apart.
    assert np.ptp(a[6]) > 0.2


def test_what_is_preferred_grows_first_and_keeps_the_symmetry():
    operations, mask = FIVE[0]
    some, target = cluster(BIPYRAMID), jnp.asarray(12, jnp.int32)

    def upwards(cluster, found):
        return -100 * found.positions[:, 2]

    def grown(preference):
        quiet = jnp.asarray(0.0)
        return grow(
            jax.random.key(0), some, operations, mask, target, target, quiet, preference
        )

    up = grown(upwards)
    down = grown(lambda cluster, found: 100 * found.positions[:, 2])
    assert int(up.count) == int(down.count) == 12
    new = np.asarray(up.positions)[7:12], np.asarray(down.positions)[7:12]
    assert np.all(new[0][:, 2] > 0.1) and np.all(new[1][:, 2] < -0.1)
    for five in new:
        np.testing.assert_allclose(five[:, 2], five[0, 2], atol=1e-5)


def test_groups_are_drawn_as_often_as_their_weights_say():
    logits = jnp.asarray([0.0, 1.0, -2.0, 0.5])
    grown = Grown(Groups(("C1", "C2", "T", "Td")), logits=logits)
    keys = jax.random.split(jax.random.key(0), 20_000)
    which = np.asarray(jax.jit(jax.vmap(grown._group))(keys))
    found = np.bincount(which, minlength=4) / len(keys)
    np.testing.assert_allclose(found, jax.nn.softmax(logits), atol=0.012)
    # Equal ones are those of the rule without any; a small change changes few draws.
    alike = eqx.tree_at(lambda g: g.logits, grown, jnp.full(4, 0.3))
    plain = eqx.tree_at(lambda g: g.logits, grown, None)
    same, ruled = (np.asarray(jax.vmap(g._group)(keys[:500])) for g in (alike, plain))
    np.testing.assert_array_equal(same, ruled)
    near = eqx.tree_at(lambda g: g.logits, grown, jnp.asarray([0.0, 0.1, 0.0, 0.0]))
    assert 0 < np.mean(np.asarray(jax.vmap(near._group)(keys[:500])) != ruled) < 0.05


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^logits: shape \(3,\) given for 2 groups"):
        Grown(Groups(("C1", "C2")), logits=jnp.zeros(3))
    with pytest.raises(ValueError, match="^network: 4 inputs and 1 outputs"):
        Scorer(Network((4, 1), key=jax.random.key(0)))
    for name in ("radius", "calm", "small"):
        with pytest.raises(ValueError, match=f"^{name}: 0.0 given"):
            Grown(**{name: 0.0})
    for make in (Growth, lambda starts, allowance: Arm("a", starts, allowance=allowance)):
        with pytest.raises(ValueError, match="^allowance: 0.0 given"):
            make(Grown(), allowance=0.0)


# Training


def test_every_number_of_growth_is_trained():
    # Noise, core's quench, its density, two exponents, allowance; ten groups; a network.
    network = UNTRAINED.starts.scorer.network
    sizes = sum(x.size for x in (*network.weights, *network.biases))
    assert count(UNTRAINED) == 6 + 10 + sizes
    other = trained(scale=1.0)
    for name in ("noise", "tolerance", "radius", "calm", "small", "logits"):
        a, b = (np.asarray(getattr(g.starts, name)) for g in (UNTRAINED, other))
        assert np.all(a != b), name
    assert float(other.allowance) != 1
    back = unravel(UNTRAINED, ravel(other))
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


# Bundled


def test_bundled_growth_searches():
    arm = ARMS["learned-grown"](TASKS["lj13"])
    assert isinstance(arm.init, Grown) and arm.init.scorer is not None
    assert weights.GROWTH not in weights.names()
    found = search("lj13", until="reference", arms=["learned-grown"], seed=2, devices=1)
    assert found.hit and found.counts["evaluations"] == found.evaluations
