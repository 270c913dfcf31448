"""Shifts of a learned optimizer by the number of atoms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout, tasks
from l2h.meta import count, ravel
from l2h.optimizers import Learned
from l2h.optimizers.learned import SizeBiases
from l2h.training import TrainingConfig, pieces

ATOMS = (13, 19, 38)
PLAIN = Learned.create(jax.random.key(0), hidden=(6, 5))
FRESH = PLAIN.with_size_biases(ATOMS, frozen=True)


def _moved(optimizer, n):
    task = tasks.get(f"lj{n}")
    start = task.init(jax.random.key(n), task.potential, n, jnp.float32)
    return rollout(optimizer, task.potential, start, 3, key=jax.random.key(1)).state


def _shifted(n):
    place = ATOMS.index(n)
    row = jnp.full_like(FRESH.size_biases.rows[place], 0.3)
    return eqx.tree_at(lambda o: o.size_biases.rows[place], FRESH, row)


def test_zero_shifts_change_nothing():
    moved = [_moved(optimizer, 16).observation.positions for optimizer in (FRESH, PLAIN)]
    assert jnp.array_equal(*moved)


def test_a_shift_acts_between_its_neighbours_only():
    shifted = _shifted(19)
    for n, acts in ((12, False), (13, False), (16, True), (19, True), (38, False)):
        assert bool(jnp.any(shifted.size_biases.row(n) != 0)) is acts
    moved = [_moved(optimizer, 16).observation.positions for optimizer in (FRESH, shifted)]
    assert not jnp.array_equal(*moved)


def test_sizes_beyond_the_rows_take_the_outermost():
    network = _shifted(13).size_biases.applied(PLAIN.network, 3)
    np.testing.assert_allclose(network.biases[0] - PLAIN.network.biases[0], 0.3, rtol=1e-6)
    np.testing.assert_allclose(
        network.biases[-1] - PLAIN.network.biases[-1], 0.3, rtol=1e-5
    )
    assert jnp.array_equal(network.biases[1], PLAIN.network.biases[1])


def test_between_rows_shifts_are_interpolated():
    n = 30
    parts = [_shifted(other).size_biases.row(n)[0] for other in (19, 38)]
    share = np.log(n / 19) / np.log(38 / 19)
    np.testing.assert_allclose(parts, [0.3 * (1 - share), 0.3 * share], rtol=1e-5)
    # Where atoms may be absent, the program counts them.
    counted = [_shifted(o).size_biases.row(jnp.asarray(n))[0] for o in (19, 38)]
    np.testing.assert_allclose(counted, parts, rtol=1e-5)
    only = SizeBiases.none(PLAIN.network, (13,))
    only = eqx.tree_at(lambda s: s.rows[0], only, only.rows[0] + 2.0)
    assert jnp.array_equal(only.row(70), only.rows[0])


def test_more_sizes_keep_what_there_was():
    old = _shifted(19)
    new = old.with_size_biases((13, 19, 27, 38, 55), trained=(27,), frozen=True)
    for n in (5, 13, 19, 38, 60):
        assert jnp.array_equal(new.size_biases.row(n), old.size_biases.row(n))
    np.testing.assert_allclose(new.size_biases.rows[2], old.size_biases.row(27), rtol=1e-6)
    with pytest.raises(ValueError, match="38"):
        old.with_size_biases((13, 19), frozen=True)
    with pytest.raises(ValueError, match="trained"):
        old.with_size_biases(ATOMS, trained=(14,), frozen=True)


def test_frozen_networks_train_their_sizes_only():
    network = sum(x.size for x in jax.tree.leaves(PLAIN.network))
    row = 6 + 9
    assert count(FRESH) == 3 * row
    assert count(PLAIN.with_size_biases(ATOMS, frozen=False)) == network + 3 * row
    assert count(PLAIN) == network
    shifted = _shifted(19)
    np.testing.assert_allclose(ravel(shifted).reshape(3, row)[1], 0.3, rtol=1e-6)
    one = shifted.with_size_biases(ATOMS, trained=(19,), frozen=True)
    np.testing.assert_allclose(ravel(one), jnp.full(row, 0.3), rtol=1e-6)


def test_settings_train_the_rows_of_their_tasks():
    settings = {"trains": "size-biases", "hidden": (6, 5)}
    config = TrainingConfig.for_tasks(("lj19",), sizes=ATOMS, **settings)
    prepared = pieces.prepared(config, FRESH)
    assert prepared.size_biases.atoms == ATOMS and prepared.size_biases.trained == (19,)
    alone = TrainingConfig.for_tasks(("lj19", "lj13"), **settings)
    assert pieces.optimizer(alone).size_biases.atoms == (13, 19)
    with pytest.raises(ValueError, match="38"):
        pieces.prepared(alone, FRESH)
    with pytest.raises(ValueError, match="19"):
        pieces.optimizer(TrainingConfig.for_tasks(("lj19",), sizes=(13,), **settings))


@pytest.mark.parametrize(
    ("trains", "rows", "trained"),
    [
        ("network", ATOMS, ()),
        ("all", (*ATOMS, 55), (55,)),
        ("size-biases", (*ATOMS, 55), (55,)),
    ],
)
def test_settings_make_room_for_the_shifts_they_start_from(trains, rows, trained):
    config = TrainingConfig.for_tasks(("lj55",), trains=trains, hidden=(6, 5))
    assert pieces.with_room(config, PLAIN) == config
    roomy = pieces.with_room(config, FRESH)
    assert roomy.sizes == rows
    prepared, template = pieces.prepared(roomy, FRESH), pieces.optimizer(roomy)
    assert prepared.size_biases.atoms == rows and prepared.size_biases.trained == trained
    assert jax.tree.structure(prepared) == jax.tree.structure(template)
    network = sum(x.size for x in jax.tree.leaves(PLAIN.network))
    assert count(prepared) == network * (trains != "size-biases") + 15 * len(trained)


@pytest.mark.parametrize("atoms", [(), (19, 13), (0, 13), (13, 13)])
def test_rows_belong_to_rising_numbers_of_atoms(atoms):
    rows = (FRESH.size_biases.rows[0],) * len(atoms)
    with pytest.raises(ValueError, match="atoms"):
        SizeBiases(rows, atoms, ())
    with pytest.raises(ValueError, match="atoms"):
        SizeBiases(rows[1:], (13, 19, 38), ())


def test_frozen_without_sizes_is_refused():
    with pytest.raises(ValueError, match="frozen"):
        Learned(PLAIN.features, PLAIN.network, frozen=True)
