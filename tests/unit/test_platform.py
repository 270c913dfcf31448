"""What processors do in turn, accelerators do at once, with the same results."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import _platform, tasks
from l2h._platform import held, in_turn
from l2h.competition import Competition
from l2h.evaluation import Method
from l2h.meta import count
from l2h.optimizers import LBFGS, Adam, GradientDescent
from l2h.potentials import Gupta, LennardJones, StillingerWeber
from l2h.training import TrainingConfig, pieces

KEY = jax.random.key(0)


def program(x, shared):
    return in_turn(lambda row: jnp.sum(row * shared), x)


def lowered(platform):
    x, shared = jnp.ones((3, 4)), jnp.ones(4)
    traced = jax.jit(lambda *values: program(*values)).trace(x, shared)
    return traced.lower(lowering_platforms=(platform,)).as_text()


def test_values_are_those_of_a_map():
    rng = np.random.default_rng(0)
    x, shared = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4))
    found = jax.jit(jax.vmap(program))(x, shared)
    np.testing.assert_allclose(found, np.einsum("brk,bk->br", x, shared), rtol=1e-12)


def test_only_processors_loop(monkeypatch):
    # With accelerators or without: processors serve beside them, too.
    assert "while" in lowered("cpu")
    monkeypatch.setattr(_platform.jax, "default_backend", lambda: "gpu")
    assert "while" in lowered("cpu")
    assert "while" not in lowered("cuda")


def test_only_the_loop_is_traced_where_there_is_no_accelerator():
    x, shared = jnp.ones((3, 4)), jnp.ones(4)
    assert "platform_index" not in str(jax.make_jaxpr(program)(x, shared))


# What stands barriers between: pairs in free and periodic space, potentials, L-BFGS.
CASES = (
    (LennardJones(), LBFGS()),
    (Gupta.named("Au", 5), GradientDescent()),
    (StillingerWeber.silicon(10.9 * np.eye(3)), GradientDescent()),
)


@pytest.mark.parametrize(("potential", "optimizer"), CASES)
def test_only_processors_meet_barriers(monkeypatch, potential, optimizer):
    x = jnp.asarray(3 * np.random.default_rng(0).normal(size=(5, 3)))
    state = optimizer.init(potential, x, horizon=9, key=KEY)

    def text(platform):
        step = jax.jit(lambda state: optimizer.step(potential, state, key=KEY))
        return step.trace(state).lower(lowering_platforms=(platform,)).as_text()

    assert "optimization_barrier" in text("cpu")
    monkeypatch.setattr(_platform.jax, "default_backend", lambda: "gpu")
    assert "optimization_barrier" in text("cpu")
    assert "optimization_barrier" not in text("cuda")


@pytest.mark.parametrize(("platform", "together"), (("cpu", 1), ("gpu", 12)))
def test_what_is_held_at_once(monkeypatch, platform, together):
    monkeypatch.setattr(_platform.jax, "default_backend", lambda: platform)
    assert held(12) == together


@pytest.mark.parametrize(("platform", "together"), (("cpu", 25), ("gpu", 250)))
def test_starts_of_one_program(monkeypatch, platform, together):
    monkeypatch.setattr(_platform.jax, "default_backend", lambda: platform)
    task = tasks.get("lj13")
    assert task.width == together
    method = Method("adam", Adam(0.01))
    whole = Competition((task,), (method,), starts=300, budget=100)
    assert len(whole.units()) == 300 // together + (300 % together > 0)
    assert whole.settings()["chunk"] == together


def test_chunks_fill_accelerators_and_stay_small_on_processors(monkeypatch):
    config = TrainingConfig.for_tasks("lj13", pairs=50)
    assert pieces.filling(config, 1) == config
    monkeypatch.setattr(pieces, "accelerated", lambda: True)
    assert pieces.filling(config, 1).chunk == 100
    assert pieces.filling(config, 3).chunk == 34

    class Small:
        def memory_stats(self):
            return {"bytes_limit": 4 * 2**20}

    monkeypatch.setattr(pieces.jax, "local_devices", lambda: [Small()])
    fitted = pieces.filling(config, 1)
    needed = pieces.trainer(fitted).memory(count(pieces.shapes(fitted)))
    larger = dataclasses.replace(fitted, chunk=fitted.chunk + 1)
    assert needed <= pieces.FRACTION * 4 * 2**20
    assert pieces.trainer(larger).memory(count(pieces.shapes(larger))) > 2 * 2**20
