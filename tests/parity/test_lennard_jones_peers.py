"""Lennard-Jones against independent implementations, constants converted, no cutoff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import random_cluster

from l2h.potentials import LennardJones

SIGMA = 2 ** (-1 / 6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [2, 13, 38])
def test_jax_md(n):
    x, length, depth = random_cluster(n, n) * 1.7, 1.7, 0.5
    # jax-md mixes dtypes and ranks, even when imported.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        pytest.importorskip("jax_md")
        from jax_md import energy, space

        displacement, _ = space.free()
        theirs = energy.lennard_jones_pair(
            displacement,
            # It would round Python numbers to float32.
            sigma=jnp.asarray(SIGMA * length),
            epsilon=jnp.asarray(depth),
            r_onset=1e8,
            r_cutoff=2e8,
        )
        expected, slope = jax.jit(jax.value_and_grad(theirs))(jnp.asarray(x))
    seen = LennardJones(length, depth).observe(jnp.asarray(x))
    np.testing.assert_allclose(seen.energy, expected, rtol=1e-12)
    size = np.max(np.abs(slope))
    np.testing.assert_allclose(seen.gradient, slope, rtol=0, atol=1e-12 * size)


@pytest.mark.filterwarnings("ignore")
def test_ase():
    pytest.importorskip("ase")
    from ase import Atoms
    from ase.calculators.lj import LennardJones as Peer

    x = random_cluster(1, 13)
    atoms = Atoms("Ar13", positions=x)
    # Its energy is shifted to zero at the cutoff, by 2e-43 here.
    atoms.calc = Peer(sigma=SIGMA, epsilon=1.0, rc=1e7, ro=1e6)
    seen = LennardJones().observe(jnp.asarray(x))
    np.testing.assert_allclose(seen.energy, atoms.get_potential_energy(), rtol=1e-12)
    forces = atoms.get_forces()
    size = np.max(np.abs(forces))
    np.testing.assert_allclose(-seen.gradient, forces, rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(
        seen.atomic_energies, atoms.get_potential_energies(), rtol=1e-10
    )
