"""Energy functions of jax-md are potentials, and ours are energy functions."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h.interop.jax_md_energy import from_jax_md, to_jax_md
from l2h.potentials import LennardJones, StillingerWeber
from l2h.spaces import Periodic

pytestmark = pytest.mark.filterwarnings("ignore")
X = jnp.asarray(random_cluster(8, 1) * 1.2)


@contextlib.contextmanager
def jax_md() -> Iterator[Any]:
    """Import jax-md, which mixes dtypes and ranks, even when imported."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield pytest.importorskip("jax_md")


def test_their_energy_is_a_potential() -> None:
    with jax_md() as peer:
        displacement, _ = peer.space.free()
        sigma = 2 ** (-1 / 6)
        theirs = peer.energy.lennard_jones_pair(
            displacement, sigma=sigma, epsilon=1.0, r_onset=50.0, r_cutoff=60.0
        )
        potential = from_jax_md(theirs, length=1.0, energy=1.0)
        seen = potential.observe(X)
    ours = LennardJones().observe(X)
    np.testing.assert_allclose(seen.energy, ours.energy, rtol=1e-7)
    np.testing.assert_allclose(seen.gradient, ours.gradient, atol=1e-5)
    assert float(potential.scale.length) == 1.0


def test_arguments_of_every_call_are_handed_on() -> None:
    def energy_fn(positions: Any, strength: Any) -> Any:
        return strength * jnp.sum(positions**2)

    potential = from_jax_md(energy_fn, length=1.0, energy=1.0, strength=jnp.asarray(3.0))
    np.testing.assert_allclose(potential(X), 3 * jnp.sum(X**2))
    assert len(jax.tree.leaves(potential)) == 3  # the strength may be swept


def test_ours_relax_under_their_minimizer() -> None:
    potential = StillingerWeber.silicon(9.0 * np.eye(3))
    assert isinstance(potential.space, Periodic)
    x = 2.3 * jnp.asarray(random_cluster(6, 2))
    energy_fn = to_jax_md(potential)
    np.testing.assert_allclose(energy_fn(x), potential(x), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(energy_fn)(x), jax.grad(potential)(x), atol=1e-9)
    with jax_md() as peer:
        _, shift = peer.space.periodic(9.0)
        init, apply = peer.minimize.fire_descent(energy_fn, shift, dt_start=0.01)
        state = jax.jit(lambda s: jax.lax.fori_loop(0, 50, lambda _, t: apply(t), s))(
            init(x)
        )
    assert float(energy_fn(state.position)) < float(energy_fn(x))
