"""L-BFGS and the quench built on it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h.inits import Harmonic, Uniform
from l2h.optimizers import LBFGS, Status, quench
from l2h.potentials import FunctionPotential, LennardJones
from l2h.spaces import Free

KEY = jax.random.key(3)
settle = eqx.filter_jit(quench)
step = eqx.filter_jit(lambda o, potential, state: o.step(potential, state, key=KEY))
initial = eqx.filter_jit(lambda o, p, x: o.init(p, x, horizon=1, key=KEY))


def starts(init, n, count):
    draw = lambda key: init(key, LennardJones(), n, jnp.float64)  # noqa: E731
    return jax.jit(jax.vmap(draw))(jax.random.split(KEY, count))


@eqx.filter_jit
def relax(x, tolerance, optimizer):
    one = lambda y: quench(  # noqa: E731
        LennardJones(), y, tolerance=tolerance, optimizer=optimizer
    )
    return jax.vmap(one)(x)


def test_random_starts_converge_tightly():
    found = relax(starts(Harmonic(), 13, 32), 1e-8, LBFGS())
    assert bool(jnp.all(found.converged)) and float(jnp.max(found.gradient_rms)) < 1e-8
    # Measured 131 over 256 starts; the standard error here is about 6.
    assert float(jnp.mean(found.evaluations)) < 180
    at = jax.vmap(LennardJones().observe)(found.positions)
    np.testing.assert_allclose(at.energy, found.energy, rtol=1e-12)


def test_overlapping_starts_converge():
    x = 0.01 * starts(Uniform(), 13, 32)
    assert float(jnp.max(jnp.abs(LennardJones().observe(x[0]).gradient))) > 1e20
    assert bool(jnp.all(relax(x, 1e-8, LBFGS()).converged))


def test_evaluations_do_not_wait_for_the_slowest():
    x = starts(Harmonic(), 5, 4)
    optimizer = LBFGS(history=3)
    together = relax(x, 1e-8, optimizer)
    # Five atoms have one minimum.
    np.testing.assert_allclose(together.energy, -9.103852, atol=1e-6)
    alone = [int(relax(x[i : i + 1], 1e-8, optimizer).evaluations[0]) for i in range(4)]
    assert len(set(alone)) > 1
    assert [int(e) for e in together.evaluations] == alone


def test_quadratic_is_solved_in_few_steps():
    curvature = jnp.asarray([[1.0], [3.0], [10.0], [30.0]])
    bowl = FunctionPotential(lambda x: 0.5 * jnp.sum(curvature * x**2))
    found = settle(bowl, jnp.ones((4, 1)), tolerance=1e-10, optimizer=LBFGS(max_step=10.0))
    assert bool(found.converged) and int(found.evaluations) < 25


def test_steps_and_climbs_are_bounded():
    optimizer = LBFGS(max_step=0.05, rise=1e-4, history=3)
    state = initial(optimizer, LennardJones(), jnp.asarray(random_cluster(2, 5)) * 0.7)
    accepted = float(state.observation.energy)
    for _ in range(80):
        state = step(optimizer, LennardJones(), state)
        now = float(state.memory.energy)
        assert now <= accepted + 1e-4 + 1e-13 * abs(accepted)
        accepted = now
        moved = state.observation.positions - state.memory.positions
        longest = float(jnp.max(jnp.linalg.norm(moved, axis=1)))
        assert longest <= 0.05 * (1 + 1e-9)


def test_rises_are_rejected_until_memory_is_cleared():
    # The gradient is a lie: every step climbs.
    @jax.custom_jvp
    def climb(x):
        return jnp.sum(jnp.abs(x))

    climb.defjvp(lambda x, t: (climb(x[0]), jnp.sum(-jnp.sign(x[0] + 0.1) * t[0])))
    optimizer, x = LBFGS(rise=1e-12, history=3), jnp.zeros((2, 1))
    potential = FunctionPotential(climb)
    state = initial(optimizer, potential, x)
    lengths = []
    for _ in range(12):
        state = step(optimizer, potential, state)
        np.testing.assert_array_equal(state.memory.positions, x)
        lengths.append(float(jnp.max(jnp.abs(state.observation.positions))))
    assert all(b < a for a, b in zip(lengths[:10], lengths[1:10], strict=False))
    assert lengths[10] == lengths[0]


def test_a_converged_structure_stays():
    optimizer = LBFGS(tolerance=1e-6, history=3)
    found = settle(LennardJones(), jnp.asarray(random_cluster(0, 5)), tolerance=1e-7)
    state = initial(optimizer, LennardJones(), found.positions)
    for _ in range(5):
        state = step(optimizer, LennardJones(), state)
    moved = state.observation.positions - LennardJones().space.centre(found.positions)
    assert float(jnp.max(jnp.abs(moved))) < 1e-14


def test_an_invalid_start_is_reported():
    x = jnp.asarray(random_cluster(0, 5)).at[1].set(random_cluster(0, 5)[0])
    found = settle(LennardJones(), x)
    assert not bool(found.converged) and int(found.evaluations) == 1


def test_the_limit_is_kept():
    found = settle(LennardJones(), jnp.asarray(random_cluster(0, 13)), limit=7)
    assert int(found.evaluations) == 7 and not bool(found.converged)


@pytest.mark.parametrize("n", [1, 2])
def test_smallest_structures(n):
    found = settle(LennardJones(), 1.3 * jnp.asarray(random_cluster(0, n)))
    assert bool(found.converged)
    np.testing.assert_allclose(found.energy, 1.0 - n, atol=1e-12)


def two_loops(gradient, pairs):
    """Return minus H times the gradient, as every textbook has it; latest pair first."""
    q, alphas = gradient.copy(), []
    for s, y in pairs:
        alphas.append(s @ q / (s @ y))
        q = q - alphas[-1] * y
    s, y = pairs[0]
    q = q * (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs[::-1], alphas[::-1], strict=True):
        q = q + (alpha - y @ q / (s @ y)) * s
    return -q


def known(vector, x):
    """Return a remembered vector without what fills it up, which must be zero."""
    assert not np.any(vector[x.size :])
    return np.asarray(vector)[: x.size]


def test_directions_are_those_of_the_two_loop_recursion():
    optimizer, potential = LBFGS(max_step=0.3, history=3), LennardJones()
    state = initial(optimizer, potential, jnp.asarray(random_cluster(2, 6)))
    pairs, compared = [], 0
    for _ in range(30):
        old, state = state, step(optimizer, potential, state)
        memory, x = state.memory, state.memory.positions
        if not np.array_equal(x, old.memory.positions):
            # An accepted step; differences of what was seen, nothing of the memory.
            s = np.asarray(x - old.memory.positions).ravel()
            y = known(memory.gradient - old.memory.gradient, x)
            pairs = [(s, y), *pairs][:3] if s @ y > 1e-6 * (y @ y) else pairs
        if len(pairs) == 3 and int(memory.failures) == 0:
            expected = two_loops(known(memory.gradient, x), pairs)
            cut = np.max(np.linalg.norm(expected.reshape(-1, 3), axis=1)) / 0.3
            moved = known(memory.step, x)
            np.testing.assert_allclose(moved, expected / max(cut, 1), rtol=1e-6)
            compared += 1
    assert compared > 15


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_whose_squares_overflow_still_push(dtype):
    close = 0.03 if dtype == "float32" else 1e-13
    x = jnp.asarray([[0, 0, 0], [close, 0, 0], [0, 0.3, 1.0], [1.0, 0, 0.2]], dtype)
    optimizer = LBFGS(history=3)
    state = initial(optimizer, LennardJones(), x)
    assert bool(state.valid)
    assert not bool(jnp.isfinite(jnp.sum(state.observation.gradient**2)))
    state = step(optimizer, LennardJones(), state)
    # Along the gradient, as far as a step may go: the two atoms, and no other.
    moved = known(state.memory.step, x).reshape(-1, 3)
    np.testing.assert_allclose(moved[:2], [[-0.1, 0, 0], [0.1, 0, 0]], atol=1e-4)
    np.testing.assert_allclose(moved[2:], 0, atol=1e-4)
    for _ in range(15):
        state = step(optimizer, LennardJones(), state)
    assert bool(state.valid) and float(state.best_energy) < 1e3


def test_what_is_remembered_of_huge_gradients_does_not_stop_the_search():
    # A memory of stiff directions and a gradient beyond them: products overflow.
    optimizer, potential = LBFGS(history=3), LennardJones()
    x = jnp.asarray(random_cluster(2, 4), jnp.float32)
    state = initial(optimizer, potential, x)
    for _ in range(5):
        state = step(optimizer, potential, state)
    stiff = eqx.tree_at(
        lambda s: (s.memory.rows, s.memory.energy, s.observation.gradient),
        state,
        (
            state.memory.rows.at[3:].multiply(1e18),
            jnp.asarray(1e30, jnp.float32),
            state.observation.gradient * 1e24,
        ),
    )
    moved = known(step(optimizer, potential, stiff).memory.step, x).reshape(-1, 3)
    length = float(np.max(np.linalg.norm(moved, axis=1)))
    np.testing.assert_allclose(length, 0.1, rtol=1e-5)


def test_trials_that_are_not_finite_are_shortened():
    # No energy beyond a wall that the first steps run into.
    wall = FunctionPotential(
        lambda x: jnp.where(jnp.max(x) > 1, jnp.nan, jnp.sum((x - 0.95) ** 2))
    )
    found = settle(wall, jnp.asarray([[0.9], [0.1]]), optimizer=LBFGS(max_step=2.0))
    assert bool(found.converged)
    np.testing.assert_allclose(found.positions, 0.95, atol=1e-6)


def test_coordinates_without_gradient_never_move():
    x = np.asarray(random_cluster(2, 6))

    # Three more atoms are absent: the energy does not know of them.
    present = FunctionPotential(
        lambda y: LennardJones()(y[:6]), space=Free(invariant=False)
    )
    all_nine = jnp.asarray(np.concatenate([x, 7 + x[:3]]))
    found = settle(present, all_nine, tolerance=1e-8)
    alone = settle(LennardJones(), jnp.asarray(x), tolerance=1e-8)
    assert bool(found.converged)
    np.testing.assert_array_equal(found.positions[6:], all_nine[6:])
    np.testing.assert_allclose(found.energy, alone.energy, rtol=1e-12)


def test_ends_are_told_in_words():
    x = jnp.asarray(random_cluster(0, 13))
    ends = {
        "tolerance": settle(LennardJones(), x),
        "granted": settle(LennardJones(), x, limit=7),
        "not finite": settle(LennardJones(), x.at[1].set(x[0])),
        "gave up": settle(LennardJones(), x.astype(jnp.float32)),
    }
    for word, found in ends.items():
        assert word in Status[found.status], Status[found.status]
    # Single precision cannot reach the tolerance, and says so before the limit.
    assert int(ends["gave up"].evaluations) < 500
    assert float(ends["gave up"].gradient_rms) < 1e-4
