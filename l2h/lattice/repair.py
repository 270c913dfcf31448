"""Moving atoms without relaxation: into vacant sites, or into each other's places."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._leaves import cast
from ..potentials import AbstractPotential, is_alloy
from ..spaces import padded, present
from .exchange import Lattice, exchanges, settle
from .grow import Growing
from .law import AbstractLaw, law, suits
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
    known = _known(potential)
    unit, zero = cast(potential.scale, positions.dtype), jnp.asarray(0, jnp.int32)
    if is_alloy(potential):
        there = present(potential.space, len(positions))
        swapped, gain = arrange(known, positions, potential.species, unit.energy, there)
        return Rearranged(swapped, gain, zero)
    n, cluster = len(positions), _cluster(potential, positions)
    changed, gain = settle(known, cluster, cluster.count, unit.length, unit.energy)
    return Rearranged(changed.positions[:n] * unit.length, gain, changed.probes)


class Migrations(eqx.Module):
    """Atoms of a cluster that may move, and where to, without relaxation."""

    atoms: Int[Array, " a"]
    """The least bound ones."""
    vacancies: Float[Array, "b 3"]
    """The best vacant sites, in the potential's unit of length."""
    costs: Float[Array, "a b"]
    """Change of energy when an atom (row) moves to a vacancy (column); infinite where there
    is none."""


def migrations(potential: AbstractPotential, positions: Float[Array, "n d"]) -> Migrations:
    """Return what it costs to move single atoms into vacant sites.

    Arguments:
        potential: of free clusters of one species, and with a known law.
        positions: of a relaxed structure, in the potential's unit of length.

    Raises:
        ValueError: if the potential's clusters have no vacant sites.
    """
    known, unit = _known(potential), cast(potential.scale, positions.dtype)
    cluster = _cluster(potential, positions)
    lattice, _ = Lattice.around(known, cluster, unit.length)
    atoms, holes, costs = exchanges(known, lattice, lattice.occupied)
    return Migrations(atoms, lattice.positions[holes] * unit.length, costs)


def _known(potential: AbstractPotential) -> AbstractLaw:
    """Return the law of a potential that has vacant sites."""
    known = law(potential)
    if known is None or not suits(potential):
        raise ValueError(
            f"potential: {type(potential).__name__} has no vacant sites; its space has "
            "images, or no law is registered (l2h.lattice.law)."
        )
    return known


def _cluster(potential: AbstractPotential, positions: Float[Array, "n d"]) -> Growing:
    """Return atoms in natural lengths, with room for whole vector registers."""
    n, length = len(positions), cast(potential.scale, positions.dtype).length
    natural = jnp.pad(positions / length, ((0, padded(n) - n), (0, 0)))
    count = jnp.asarray(potential.space.atoms(n), jnp.int32)
    return Growing(natural, count, jnp.asarray(0, jnp.int32))
