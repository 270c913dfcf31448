"""FIRE's own properties; step-by-step agreement with peers is tested with them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h import rollout
from l2h.optimizers import Fire, quench
from l2h.potentials import FunctionPotential, LennardJones

KEY = jax.random.key(0)
settle = eqx.filter_jit(quench)
flavours = pytest.mark.parametrize("make", [Fire.original, Fire.ase])


@flavours
def test_relaxes_to_a_minimum(make):
    found = settle(
        LennardJones(), jnp.asarray(random_cluster(0, 5)), optimizer=make(0.02, 0.08)
    )
    # Five atoms have one minimum.
    assert bool(found.converged)
    np.testing.assert_allclose(found.energy, -9.103852, atol=1e-6)


@flavours
def test_first_displacement_follows_the_force(make):
    slope = FunctionPotential(lambda x: jnp.sum(jnp.asarray([[1.0], [-2.0]]) * x))
    optimizer = make(0.1, 0.4)
    start = jnp.zeros((2, 1))
    state = optimizer.init(slope, start, horizon=3, key=KEY)
    moved, _ = optimizer.move(slope, state, key=KEY)
    # Verlet moves by F dt^2 / 2, semi-implicit Euler by F dt^2.
    share = 0.5 if optimizer.flavour == "original" else 1.0
    np.testing.assert_allclose(moved, share * 0.1**2 * np.array([[-1.0], [2.0]]))


@flavours
def test_time_step_grows_downhill_after_a_delay(make):
    slope = FunctionPotential(lambda x: jnp.sum(x))
    optimizer = make(0.01, 0.0125)
    run = eqx.filter_jit(rollout)
    steps = [
        float(run(optimizer, slope, jnp.zeros((1, 1)), k, key=KEY).state.memory.dt)
        for k in jnp.arange(12)
    ]
    # The last two powers of 1.1 are cut at the largest time step.
    grown = 0.01 * 1.1 ** np.arange(3)
    wait = 7 if optimizer.flavour == "original" else 8
    np.testing.assert_allclose(steps[:wait], 0.01)
    np.testing.assert_allclose(steps[wait : wait + 2], grown[1:], rtol=1e-6)
    np.testing.assert_allclose(steps[wait + 2 :], 0.0125, rtol=1e-6)


@flavours
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rest_stays_at_rest(make, dtype):
    flat = FunctionPotential(lambda x: 0 * jnp.sum(x))
    start = jnp.ones((2, 1), dtype)
    state = eqx.filter_jit(rollout)(make(), flat, start, 8, key=KEY).state
    np.testing.assert_array_equal(state.observation.positions, start)
    assert bool(state.valid) and state.memory.velocity.dtype == dtype


@pytest.mark.parametrize(
    "wrong",
    [
        {"dt": 0.0},
        {"dtmax": -1.0},
        {"maxstep": 0.0},
        {"finc": jnp.inf},
        {"fdec": 1.5},
        {"astart": 0.0},
        {"fa": 1.0},
        {"nmin": -1},
        {"flavour": "newton"},
    ],
)
def test_wrong_arguments_are_named(wrong):
    right = {"dt": 0.1, "dtmax": 0.4, "maxstep": None, "flavour": "original"}
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        Fire(**(right | wrong))
