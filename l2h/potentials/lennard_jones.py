"""The Lennard-Jones potential."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, require_positive
from ..spaces import AbstractSpace, Free
from .base import REDUCED, AbstractPotential, Observation, Scale, Units


class LennardJones(AbstractPotential):
    r"""Lennard-Jones energy with its minimum at `length`.

    \[ E = \sum_{i<j} \epsilon \left[ (d_0/d_{ij})^{12} - 2 (d_0/d_{ij})^6 \right] \]

    Arguments:
        length: d0, the distance of the pair minimum (any unit).
        energy: epsilon, the depth of the pair minimum (any unit).
        space: where the atoms live; no cutoff is applied beyond the space's own.

    Raises:
        ValueError: if `length` or `energy` is not positive and finite.

    Reference: Jones 1924, doi:10.1098/rspa.1924.0082, in the form of Eq. (5) of Learn2Hop.
        Codes that write `4 eps [(s/r)^12 - (s/r)^6]` have the same energies and lengths
        2^(1/6) s = d0.
    """

    length: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    energy: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    space: AbstractSpace = Free()

    def __check_init__(self) -> None:
        require_positive(length=self.length, energy=self.energy)

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    @property
    def units(self) -> Units:
        # Other numbers may be in any unit.
        return REDUCED if float(self.length) == float(self.energy) == 1 else Units()

    @property
    def separated(self) -> float:
        return 0.0

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        p = self.like(positions)
        pairs = self.space.pairs(positions)
        distance = jnp.sqrt(pairs.squared)
        attraction = (p.length / distance) ** 6
        # Every pair is listed in both orders.
        return 0.5 * p.energy * jnp.sum(attraction**2 - 2 * attraction)

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        p = self.like(positions)
        pairs = self.space.pairs(positions)
        inverse = p.length**2 / pairs.squared
        attraction = inverse**3
        slope = -12 * p.energy / p.length**2 * inverse * attraction * (attraction - 1)
        gradient, _ = pairs.contract(slope)
        # The form a (a - 2), not a^2 - 2a, is +inf rather than NaN where atoms coincide.
        shares = pairs.sum(0.5 * p.energy * attraction * (attraction - 2))
        return Observation(positions, jnp.sum(shares), gradient.T, shares)
