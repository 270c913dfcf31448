"""Silicon over lists of neighbours against the dense potential."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout
from l2h.interop.jax_md import listed, relax
from l2h.optimizers import LBFGS, Adam, Status, UntilConverged
from l2h.potentials import StillingerWeber

KEY = jax.random.key(0)
SITES = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
SITES = np.concatenate([SITES, SITES + 0.25])
SKEW = np.array([[0, 0, 0], [0.3, 0, 0], [0.2, -0.3, 0]])


@pytest.fixture(scope="module", autouse=True)
def _jax_md():
    """Import jax-md, which mixes dtypes and ranks, where it is needed: it takes seconds."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        pytest.importorskip("jax_md")


observe = eqx.filter_jit(lambda potential, x: potential.observe(x))


def crystal(k, *, skew=False, noise=0.25, seed=0, preset="full"):
    """Return displaced diamond, and its potential."""
    tiles = np.array(list(itertools.product(range(k), repeat=3)))
    sites = (SITES[None] + tiles[:, None]).reshape(-1, 3)
    edges = 5.428 * (np.eye(3) + (SKEW if skew else 0))
    moves = np.random.default_rng(seed).normal(0, noise, sites.shape)
    potential = StillingerWeber.silicon(k * edges, preset)
    return jnp.asarray(sites @ edges + moves), potential


def compare(sparse, dense, x):
    ours, expected = observe(sparse, x), observe(dense, x)
    np.testing.assert_allclose(ours.energy, expected.energy, rtol=1e-10)
    size = np.max(np.abs(expected.gradient))
    np.testing.assert_allclose(ours.gradient, expected.gradient, atol=1e-10 * size)
    np.testing.assert_allclose(ours.atomic_energies, expected.atomic_energies, rtol=1e-10)
    np.testing.assert_allclose(sparse(x), expected.energy, rtol=1e-10)


@pytest.mark.parametrize(
    ("k", "skew", "preset"), [(2, False, "paper"), (3, False, "full"), (3, True, "full")]
)
def test_agrees_with_the_dense_potential(k, skew, preset):
    x, dense = crystal(k, skew=skew, preset=preset)
    sparse = listed(dense, x)
    compare(sparse, dense, x)
    # On the same list, after a small move.
    compare(sparse, dense, x + 0.1 * jnp.sin(7 * x))
    np.testing.assert_allclose(sparse.scale.length, dense.scale.length)


def test_atoms_may_have_left_the_cell():
    x, dense = crystal(3)
    cells = np.random.default_rng(1).integers(-2, 3, x.shape)
    moved = x + cells @ np.asarray(dense.space.cell)
    compare(listed(dense, moved), dense, moved)
    energy = observe(dense, x).energy
    np.testing.assert_allclose(observe(listed(dense, moved), moved).energy, energy)


def test_exact_room_suffices():
    x, dense = crystal(3, noise=0.5)
    tight, roomy = listed(dense, x, capacity=1.0), listed(dense, x, capacity=3.0)
    assert tight.partners.shape[0] < roomy.partners.shape[0]
    compare(tight, dense, x)
    compare(roomy, dense, x)


def test_lists_out_of_date_are_not_a_number():
    x, dense = crystal(2)
    sparse = listed(dense, x, skin=0.4)
    near, far = x.at[3, 0].add(0.19), x.at[3, 0].add(0.21)
    assert bool(sparse.fresh(near)) and not bool(sparse.fresh(far))
    assert bool(observe(sparse, near).valid) and np.isfinite(sparse(near))
    seen = observe(sparse, far)
    assert not bool(seen.valid)
    assert np.isnan(seen.energy) and np.all(np.isnan(seen.gradient))
    assert np.isnan(sparse(far))
    assert not bool(observe(sparse, x.at[0, 0].set(jnp.nan)).valid)


def test_single_precision():
    x, dense = crystal(2)
    sparse = listed(dense, x.astype(jnp.float32))
    seen = observe(sparse, x.astype(jnp.float32))
    assert seen.energy.dtype == seen.gradient.dtype == jnp.float32
    np.testing.assert_allclose(seen.energy, observe(dense, x).energy, rtol=1e-5)


def test_relaxation_is_that_of_the_dense_potential():
    x, dense = crystal(2, noise=0.4)
    # A skin that single steps soon use up, so that lists are renewed on the way.
    sparse = listed(dense, x, skin=0.2)
    optimizer = Adam(0.02)
    ours = relax(optimizer, sparse, x, 40, key=KEY)
    expected = rollout(optimizer, dense, x, 40, key=KEY)
    assert bool(ours.state.valid)
    assert int(ours.state.evaluations) == 41
    np.testing.assert_allclose(ours.best_energy, expected.best_energy, rtol=1e-9)
    np.testing.assert_allclose(ours.best_positions, expected.best_positions, atol=1e-6)
    assert not bool(sparse.fresh(ours.best_positions))


def test_relaxation_ends_where_it_converges():
    x, dense = crystal(2, noise=0.1)
    watch = UntilConverged(jnp.asarray(1e-3), jnp.asarray(100))
    sparse = listed(dense, x, skin=0.2)
    ours = relax(LBFGS(history=3), sparse, x, 200, key=KEY, watch=watch)
    expected = rollout(LBFGS(history=3), dense, x, 200, key=KEY, watch=watch)
    assert "tolerance" in Status[ours.status]
    assert int(ours.state.evaluations) == int(expected.state.evaluations) < 100
    np.testing.assert_allclose(ours.best_energy, expected.best_energy, rtol=1e-10)
    assert not bool(sparse.fresh(ours.state.observation.positions))
    cut = relax(LBFGS(history=3), sparse, x, 2, key=KEY, watch=watch)
    assert "granted" in Status[cut.status] and int(cut.state.evaluations) == 3


def test_skins_widen_for_long_steps():
    x, dense = crystal(2, noise=0.1)
    ours = relax(Adam(0.03), listed(dense, x, skin=0.05), x, 3, key=KEY)
    assert bool(ours.state.valid)
    expected = rollout(Adam(0.03), dense, x, 3, key=KEY)
    np.testing.assert_allclose(ours.best_energy, expected.best_energy, rtol=1e-10)
    with pytest.raises(ValueError, match="shorten its steps"):
        relax(Adam(5.0), listed(dense, x), x, 3, key=KEY)


def test_refused_arguments():
    x, dense = crystal(2)
    with pytest.raises(ValueError, match=r"StillingerWeber.silicon\(cell\)"):
        listed(StillingerWeber.silicon(), x)
    with pytest.raises(ValueError, match="tile it"):
        listed(StillingerWeber.silicon(5.428 * np.eye(3)), x[:8])
    with pytest.raises(ValueError, match="skin: 0"):
        listed(dense, x, skin=0.0)
    with pytest.raises(ValueError, match="at least 1"):
        listed(dense, x, capacity=0.5)
    with pytest.raises(ValueError, match="finite"):
        listed(dense, x.at[0, 0].set(jnp.nan))
    with pytest.raises(ValueError, match="negative"):
        relax(Adam(0.01), listed(dense, x), x, -1, key=KEY)
