"""The one loop: compiled once, ended early in words, with notes on the way."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h import advance, rollout
from l2h.optimizers import GradientDescent, Status, UntilConverged, quench
from l2h.potentials import FunctionPotential, LennardJones

KEY = jax.random.key(0)
DESCENT = GradientDescent(0.1)


class Traced(eqx.Module):
    """A bowl that notes in Python whenever it is traced."""

    traces: list = eqx.field(static=True)

    def __call__(self, x):
        self.traces.append(1)
        return jnp.sum(x**2)


def bowl():
    potential = FunctionPotential(Traced([]))
    return potential, potential.function.traces


def test_calls_from_python_compile_once():
    potential, traces = bowl()
    x = jnp.ones((2, 1))
    first = rollout(DESCENT, potential, x, 3, key=KEY)
    advance(DESCENT, potential, first.state, 2, key=KEY)
    quench(potential, x)
    jax.vmap(lambda y: quench(potential, y).energy)(x[None])
    before = len(traces)
    for steps in (4, 7, 30):
        again = rollout(GradientDescent(0.2), potential, steps * x, steps, key=KEY)
        advance(DESCENT, potential, again.state, steps, key=KEY)
        quench(potential, steps * x, limit=steps, tolerance=0.1)
        jax.vmap(lambda y: quench(potential, y).energy)(steps * x[None])
        assert int(again.state.steps) == steps
    assert len(traces) == before


def test_known_numbers_of_steps_can_be_differentiated_backwards():
    def reached(rate):
        run = rollout(GradientDescent(rate), LennardJones(), x, 3, key=KEY)
        return run.state.observation.energy

    x = jnp.asarray(random_cluster(0, 4))
    slope = jax.jit(jax.grad(reached))(jnp.asarray(1e-3))
    h = 1e-6
    difference = (reached(jnp.asarray(1e-3 + h)) - reached(jnp.asarray(1e-3 - h))) / (2 * h)
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def watch(tolerance):
    return UntilConverged(jnp.asarray(tolerance), jnp.asarray(50))


def test_a_watch_ends_the_run_of_each_member_by_itself():
    potential, _ = bowl()
    starts = jnp.asarray([1.0, 1e-3, 1e3, 0.0])[:, None, None]

    @jax.vmap
    def run(x):
        return rollout(DESCENT, potential, x, 40, key=KEY, watch=watch(1e-2))

    found = run(starts)
    # Each step leaves 0.8 of the gradient 2 x.
    needed = [int(np.ceil(np.log(1e-2 / (2 * s)) / np.log(0.8))) for s in (1.0, 1e-3)]
    assert found.state.evaluations.tolist() == [1 + needed[0], 1, 41, 1] and needed[1] < 0
    ends = found.status == Status.converged
    assert ends.tolist() == [True, True, False, True]
    words = Status[found.status]
    assert words.count("tolerance") == 3 and words.count("granted") == 1


def test_traces_of_ended_runs_stand_still():
    potential, _ = bowl()
    x = jnp.ones((1, 1))
    found = rollout(DESCENT, potential, x, 30, key=KEY, trace_every=5, watch=watch(0.5))
    steps = found.trace.steps.tolist()
    assert steps[:3] == [0, 5, 7] and set(steps[2:]) == {7}


def test_rollouts_that_end_without_an_energy_say_so():
    cliff = FunctionPotential(lambda x: jnp.where(jnp.max(x) < 0, jnp.nan, jnp.sum(x)))
    for steps, word in ((3, "granted"), (30, "not finite")):
        found = rollout(DESCENT, cliff, jnp.ones((1, 1)), steps, key=KEY)
        assert word in Status[found.status]


@pytest.mark.parametrize("patience", [20, 60])
def test_runs_without_gain_give_up(patience):
    # A slope on which steps are too small to be felt.
    slope = FunctionPotential(lambda x: jnp.sum(x))
    stuck = GradientDescent(1e-30)
    found = quench(slope, jnp.ones((1, 1)), patience=patience, optimizer=stuck)
    assert "gave up" in Status[found.status]
    assert int(found.evaluations) == patience + 1
