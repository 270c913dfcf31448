"""Silicon, metals and soft spheres against jax-md, constants converted."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h.potentials import Gupta, SoftSphere, StillingerWeber
from l2h.spaces import Periodic

pytestmark = pytest.mark.filterwarnings("ignore")
EDGE = 9.0


@contextlib.contextmanager
def jax_md():
    """Import jax-md, which mixes dtypes and ranks, even when imported."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield pytest.importorskip("jax_md")


def compare(potential, x, expected, slope, rtol):
    """Hold energy and gradient, of both our forms, against theirs."""
    seen = potential.observe(x)
    np.testing.assert_allclose(seen.energy, expected, rtol=rtol)
    size = np.max(np.abs(slope))
    np.testing.assert_allclose(seen.gradient, slope, rtol=0, atol=rtol * size)
    np.testing.assert_allclose(potential(x), expected, rtol=rtol)


def displacements(space, periodic):
    return (space.periodic(EDGE) if periodic else space.free())[0]


def cosine(first, second):
    """Return the cosine of an angle, without what jax-md adds to the distances."""
    lengths = [jnp.sqrt(jnp.where(s > 0, s, 1)) for s in (first @ first, second @ second)]
    return first @ second / lengths[0] / lengths[1]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("n", [2, 20])
def test_stillinger_weber(n, periodic, exact, monkeypatch):
    # Twice the cutoff is below the edge: the nearest image, all that jax-md knows, is
    # exact.
    cell = EDGE * np.eye(3) if periodic else None
    silicon = StillingerWeber.silicon(cell)
    x = jnp.asarray(random_cluster(n, n) * 2.3)
    constants = {k: getattr(silicon, k) for k in ("sigma", "A", "B", "gamma", "epsilon")}
    with jax_md() as peer:
        # Its constants are those of 1985, its cutoff 3.77118 = 1.8 sigma. It adds 1e-7
        # Angstrom to both distances of every angle, which changes cosines by 1e-7 and
        # these energies and forces by about as much; without that it agrees exactly.
        if exact:
            monkeypatch.setattr(peer.quantity, "cosine_angle_between_two_vectors", cosine)
        theirs = peer.energy.stillinger_weber(
            displacements(peer.space, periodic),
            lam=silicon.strength,
            cutoff=silicon.a * silicon.sigma,
            **constants,
        )
        expected, slope = jax.jit(jax.value_and_grad(theirs))(x)
    compare(silicon, x, expected, slope, 1e-12 if exact else 1e-6)
    if n > 2 and not exact:
        assert abs(silicon(x) / expected - 1) > 1e-9


@pytest.mark.parametrize("n", [2, 13, 38])
def test_gupta(n):
    gold = Gupta.named("Au", n)
    A, xi, p, q, r0 = (getattr(gold, k)[0, 0] for k in ("A", "xi", "p", "q", "r0"))
    x = jnp.asarray(random_cluster(n, n) * 2.7)
    with jax_md() as peer:
        # U/2 (A' sum - sqrt(sum)) of Garzon and Posada-Amarillas: U = 2 xi, A' = A / xi.
        theirs = peer.energy.gupta_potential(
            peer.space.free()[0], p=p, q=q, r_0n=r0, U_n=2 * xi, A=A / xi, cutoff=1e6
        )
        expected, slope = jax.jit(jax.value_and_grad(theirs))(x)
    compare(gold, x, expected, slope, 1e-12)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("exponent", [2.0, 2.5])
def test_soft_sphere(exponent, periodic):
    length, energy = 2.9, 0.7
    x = jnp.asarray(random_cluster(5, 20) * 2.0)
    with jax_md() as peer:
        # It would round Python numbers to float32.
        theirs = peer.energy.soft_sphere_pair(
            displacements(peer.space, periodic),
            sigma=jnp.asarray(length),
            epsilon=jnp.asarray(energy),
            alpha=jnp.asarray(exponent),
        )
        expected, slope = jax.jit(jax.value_and_grad(theirs))(x)
    kwargs = {"space": Periodic(EDGE * np.eye(3), length)} if periodic else {}
    compare(SoftSphere(length, energy, exponent, **kwargs), x, expected, slope, 1e-12)
