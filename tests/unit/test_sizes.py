"""Shifts of a learned optimizer by the number of atoms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout, tasks
from l2h.meta import count, flatten
from l2h.optimizers import Learned
from l2h.optimizers.learned.sizes import KNOTS

PLAIN = Learned.create(jax.random.key(0), hidden=(6, 5))
FRESH = PLAIN.with_sizes(frozen=True)


def _moved(optimizer, n):
    task = tasks.get(f"lj{n}")
    start = task.init(jax.random.key(n), task.potential, n, jnp.float32)
    return rollout(optimizer, task.potential, start, 3, key=jax.random.key(1)).state


def _shifted(knot):
    table = FRESH.sizes.table.at[knot].set(0.3)
    return eqx.tree_at(lambda o: o.sizes.table, FRESH, table)


def test_zero_shifts_change_nothing():
    for n in (5, 13, 38):
        assert jnp.array_equal(
            _moved(FRESH, n).observation.positions, _moved(PLAIN, n).observation.positions
        )


def test_a_shift_acts_near_its_own_size_only():
    knot = int(np.argmin(np.abs(KNOTS - 40)))
    shifted = _shifted(knot)
    for n, acts in ((13, False), (31, False), (38, True), (55, False)):
        same = jnp.array_equal(
            _moved(shifted, n).observation.positions, _moved(FRESH, n).observation.positions
        )
        assert bool(same) is not acts


def test_sizes_beyond_the_knots_take_the_outermost():
    network = _shifted(0).sizes.shifted(PLAIN.network, 3)
    np.testing.assert_allclose(network.biases[0] - PLAIN.network.biases[0], 0.3, rtol=1e-6)
    np.testing.assert_allclose(
        network.biases[-1] - PLAIN.network.biases[-1], 0.3, rtol=1e-5
    )
    assert jnp.array_equal(network.biases[1], PLAIN.network.biases[1])


def test_between_knots_shifts_are_interpolated():
    n = 36
    below = int(np.searchsorted(KNOTS, n)) - 1
    parts = [
        _shifted(knot).sizes.shifted(PLAIN.network, n).biases[0][0]
        for knot in (below, below + 1)
    ]
    share = np.log(n / KNOTS[below]) / np.log(KNOTS[below + 1] / KNOTS[below])
    np.testing.assert_allclose(parts, [0.3 * (1 - share), 0.3 * share], rtol=1e-5)


def test_frozen_networks_train_their_sizes_only():
    network = sum(x.size for x in jax.tree.leaves(PLAIN.network))
    table = FRESH.sizes.table.size
    assert table == len(KNOTS) * (6 + 9)
    assert count(FRESH) == table
    assert count(PLAIN.with_sizes(frozen=False)) == network + table
    assert count(PLAIN) == network
    assert jnp.array_equal(
        flatten(_shifted(2)).reshape(len(KNOTS), -1)[2], jnp.full(15, 0.3)
    )


def test_frozen_without_sizes_is_refused():
    with pytest.raises(ValueError, match="frozen"):
        Learned(PLAIN.features, PLAIN.network, frozen=True)
