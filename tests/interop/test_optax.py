"""optax moves atoms, and learned optimizers are transformations of optax."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from l2h import rollout, tasks, weights
from l2h.interop.optax import Optax, learned
from l2h.optimizers import Adam

TASK = tasks.get("lj13")
START = TASK.init(jax.random.key(0), TASK.potential, TASK.n, jnp.float64)
KEY = jax.random.key(1)


def best(optimizer: Any, task: Any = TASK, start: Any = START, steps: int = 60) -> float:
    return float(rollout(optimizer, task.potential, start, steps, key=KEY).best_energy)


def test_adam_is_adam() -> None:
    assert abs(best(Optax(optax.adam(0.02))) - best(Adam(0.02))) < 1e-5


@pytest.mark.parametrize(
    "transformation",
    [
        optax.sgd(1e-3, momentum=0.9),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01)),
        optax.inject_hyperparams(optax.adam)(learning_rate=0.02),
        optax.polyak_sgd(max_learning_rate=1e-3, f_min=-50.0),  # asks for the value
        optax.lbfgs(0.02, linesearch=None),
    ],
    ids=["momentum", "chain", "injected", "value", "lbfgs"],
)
def test_any_transformation_descends_and_every_step_counts(transformation: Any) -> None:
    result = rollout(Optax(transformation), TASK.potential, START, 60, key=KEY)
    assert int(result.state.evaluations) == 61
    assert float(result.best_energy) < float(TASK.potential(START)) - 0.1


def test_rates_are_in_natural_units() -> None:
    gold = tasks.get("Au13")
    unit = gold.potential.scale
    x = START / float(TASK.potential.scale.length) * float(unit.length)
    optimizer = Optax(optax.sgd(0.01))
    state = optimizer.init(gold.potential, x, horizon=1, key=KEY)
    moved, _ = optimizer.move(gold.potential, state, key=KEY)
    x0 = state.observation.positions
    expected = -0.01 * state.observation.gradient * unit.length**2 / unit.energy
    np.testing.assert_allclose(moved - x0, expected, atol=1e-12)


def test_line_searches_that_evaluate_uncounted_are_refused() -> None:
    with pytest.raises(ValueError, match="not be counted"):
        best(Optax(optax.lbfgs()))


def test_learned_transformation_walks_as_the_rollout_does() -> None:
    optimizer = weights.load("lj13")
    transformation = learned(optimizer, TASK.potential, horizon=50)

    def step(carry: Any, _: None) -> Any:
        x, state = carry
        seen = TASK.potential.observe(x)
        updates, state = transformation.update(
            seen.gradient,
            state,
            x,
            value=seen.energy,
            atomic_energies=seen.atomic_energies,
        )
        return (optax.apply_updates(x, updates), state), seen.energy

    begin = (START, transformation.init(START))
    (_, state), energies = jax.jit(lambda c: jax.lax.scan(step, c, None, length=12))(begin)
    trace = rollout(
        optimizer, TASK.potential, START, 11, horizon=50, key=KEY, trace_every=1
    ).trace
    assert trace is not None
    # Rounding, of centred positions, grows by about ten in two steps.
    np.testing.assert_allclose(energies, trace.energies, rtol=1e-7)
    assert float(state.search.best_energy) == float(jnp.min(energies))
    with pytest.raises(ValueError, match="value"):
        transformation.update(START, begin[1], START)
    with pytest.raises(ValueError, match="horizon"):
        learned(optimizer, TASK.potential, horizon=0)
