"""Moving atoms without relaxation: into vacant sites, or into each other's places."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._leaves import cast
from ..potentials import AbstractPotential, Gupta
from ..spaces import padded, present
from .exchange import settle
from .grow import Growing
from .law import law, suits
from .swaps import arrange


class Rearranged(eqx.Module):
    """A structure whose atoms have changed places."""

    positions: Float[Array, "n d"]
    gain: Float[Array, ""]
    """Energy gained on the unrelaxed lattice; zero where nothing was exchanged."""
    probes: Int[Array, ""]
    """Energies of single atoms on vacant sites."""


def rearrange(potential: AbstractPotential, positions: Float[Array, "n d"]) -> Rearranged:
    """Exchange atoms and vacancies, in alloys unlike atoms, while that gains energy.

    Arguments:
        potential: of free clusters, and with a known law.
        positions: of a relaxed structure, in the potential's unit of length.

    Raises:
        ValueError: if the potential's clusters cannot be rearranged.
    """
    known = law(potential)
    if known is None or not suits(potential):
        raise ValueError(
            f"potential: {type(potential).__name__} has no vacant sites; its space has "
            "images, or no law is registered (l2h.lattice.law)."
        )
    unit, zero = cast(potential.scale, positions.dtype), jnp.asarray(0, jnp.int32)
    if isinstance(potential, Gupta) and len(potential.A) > 1:
        there = present(potential.space, len(positions))
        swapped, gain = arrange(known, positions, potential.species, unit.energy, there)
        return Rearranged(swapped, gain, zero)
    n = len(positions)
    natural = jnp.pad(positions / unit.length, ((0, padded(n) - n), (0, 0)))
    count = jnp.asarray(potential.space.atoms(n), jnp.int32)
    cluster = Growing(natural, count, zero)
    changed, gain = settle(known, cluster, count, unit.length, unit.energy)
    return Rearranged(changed.positions[:n] * unit.length, gain, changed.probes)
