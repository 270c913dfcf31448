"""The soft-sphere repulsion that spreads atoms apart before a search."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, require_positive
from ..spaces import AbstractSpace, Free
from .base import AbstractPotential, Observation, Scale


class SoftSphere(AbstractPotential):
    r"""Finite-range repulsion, finite even where atoms coincide.

    \[ E = \sum_{i<j} \frac{\epsilon}{\alpha} (1 - d_{ij}/\sigma)^\alpha
       \quad (d_{ij} < \sigma), \qquad 0 \text{ otherwise} \]

    Arguments:
        length: sigma, the diameter at which the repulsion ends.
        energy: epsilon.
        exponent: alpha, at least 2 for a continuous force that also vanishes at contact.
        space: where the atoms live.

    Raises:
        ValueError: if an argument is not positive and finite.

    Atoms far from each other have the lowest energy that there is, zero; how useless a
    result is, is measured from the start instead (`separated` stays unknown).

    Reference: Eq. (8) of Learn2Hop, whose printed condition `d > 0.1` contradicts its own
        formula; the repulsion ends at d = sigma (docs/errata.md).
    """

    length: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    energy: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    exponent: Float[Array, ""] = eqx.field(converter=as_array, default=2.0)
    space: AbstractSpace = Free()

    def __check_init__(self) -> None:
        require_positive(length=self.length, energy=self.energy, exponent=self.exponent)

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        p = self.like(positions)
        pairs = self.space.pairs(positions)
        near = pairs.squared < p.length**2
        gap = 1 - jnp.sqrt(jnp.where(near, pairs.squared, p.length**2)) / p.length
        gap = jnp.where(near, gap, 1)
        energies = p.energy / p.exponent * gap**p.exponent
        return 0.5 * jnp.sum(jnp.where(near, energies, 0))

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        p = self.like(positions)
        pairs = self.space.pairs(positions)
        distance = jnp.sqrt(jnp.minimum(pairs.squared, p.length**2))
        gap = jnp.maximum(1 - distance / p.length, 0)
        touching = gap > 0
        power = jnp.where(touching, gap, 1) ** (p.exponent - 1)
        # Coincident atoms push nowhere: the direction is undefined and the product of
        # a zero difference with a finite weight vanishes.
        safe = jnp.where(touching & (distance > 0), distance, 1)
        slope = jnp.where(touching, -p.energy / p.length * power / safe, 0)
        gradient, _ = pairs.contract(slope)
        energies = jnp.where(touching, 0.5 * p.energy / p.exponent * power * gap, 0)
        shares = pairs.sum(energies)
        return Observation(positions, jnp.sum(shares), gradient.T, shares)
