"""FIRE against the codes that its two forms are known from, step by step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h import rollout
from l2h.optimizers import Fire
from l2h.potentials import LennardJones

STEPS = 120


def starts():
    # One that heats up and is stopped several times, one that glides.
    return {"dense": 0.9 * random_cluster(4, 13), "loose": 1.15 * random_cluster(5, 13)}


def ours(optimizer, x):
    run = eqx.filter_jit(rollout)
    traced = run(
        optimizer,
        LennardJones(),
        jnp.asarray(x),
        STEPS,
        trace_every=1,
        key=jax.random.key(0),
    )
    return np.asarray(traced.trace.positions), traced.state.memory


def centred(frames):
    return np.asarray(frames) - np.mean(frames, axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", starts())
def test_original_is_jax_md(name):
    # jax-md keeps constants in half precision, where it can; these and their products are
    # exact there.
    constants = {"finc": 1.5, "fdec": 0.5, "astart": 0.25, "fa": 0.5}
    optimizer = Fire(
        dt=2.0**-7, dtmax=2.0**-5, maxstep=None, flavour="original", **constants
    )
    x = starts()[name]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        pytest.importorskip("jax_md")
        from jax_md import minimize, space

        _, shift = space.free()
        init, apply = minimize.fire_descent(
            LennardJones().__call__,
            shift,
            dt_start=2.0**-7,
            dt_max=2.0**-5,
            f_inc=1.5,
            f_dec=0.5,
            alpha_start=0.25,
            f_alpha=0.5,
        )
        state, apply = init(jnp.asarray(x)), jax.jit(apply)
        frames, steps = [x], []
        for _ in range(STEPS):
            state = apply(state)
            frames.append(np.asarray(state.position))
            steps.append(float(state.dt))
    # Both branches were taken: the time step grew to its largest and was cut.
    assert max(steps) == 2.0**-5 and np.any(np.diff(steps) < 0)
    positions, memory = ours(optimizer, x)
    np.testing.assert_allclose(positions, centred(frames), rtol=0, atol=1e-10)
    # Its state is one half kick and one judgement ahead.
    assert float(memory.dt) in steps[-2:]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", starts())
def test_ase(name):
    pytest.importorskip("ase")
    from ase import Atoms
    from ase.calculators.lj import LennardJones as Peer
    from ase.optimize import FIRE

    x = starts()[name]
    atoms = Atoms("Ar13", positions=x)
    atoms.calc = Peer(sigma=2 ** (-1 / 6), epsilon=1.0, rc=1e7, ro=1e6)
    peer = FIRE(atoms, logfile=None, dt=0.02, maxstep=0.05, dtmax=0.1)
    frames, steps = [x], []
    for _ in range(STEPS):
        peer.step()
        frames.append(atoms.get_positions())
        steps.append(peer.dt)
    assert max(steps) > 0.05 and np.any(np.diff(steps) < 0)
    moved = np.linalg.norm(np.diff(frames, axis=0), axis=(1, 2))
    assert np.any(np.isclose(moved, 0.05)) and np.any(moved < 0.04)
    positions, memory = ours(Fire.ase(dt=0.02, dtmax=0.1, maxstep=0.05), x)
    np.testing.assert_allclose(positions, centred(frames), rtol=0, atol=1e-10)
    np.testing.assert_allclose(memory.dt, peer.dt, rtol=1e-12)
    np.testing.assert_allclose(memory.alpha, peer.a, rtol=1e-12)
    assert int(memory.downhill) == peer.Nsteps


@pytest.mark.filterwarnings("ignore")
def test_defaults_are_the_peers():
    pytest.importorskip("ase")
    pytest.importorskip("jax_md")
    import inspect

    from ase.optimize import FIRE

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        from jax_md import minimize
    theirs = inspect.signature(FIRE).parameters
    names = {
        "dt": "dt",
        "dtmax": "dtmax",
        "finc": "finc",
        "fdec": "fdec",
        "astart": "astart",
        "fa": "fa",
        "nmin": "Nmin",
    }
    for mine, name in names.items():
        np.testing.assert_allclose(getattr(Fire.ase(), mine), theirs[name].default)
    theirs = inspect.signature(minimize.fire_descent).parameters
    names = {
        "dt": "dt_start",
        "dtmax": "dt_max",
        "finc": "f_inc",
        "fdec": "f_dec",
        "astart": "alpha_start",
        "fa": "f_alpha",
        "nmin": "n_min",
    }
    for mine, name in names.items():
        np.testing.assert_allclose(getattr(Fire.original(), mine), theirs[name].default)
