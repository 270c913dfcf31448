"""Free space in which some of the atoms are absent."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .base import AbstractSpace, Pairs, pad_atoms
from .free import Free


class Partial(AbstractSpace):
    """Free space for arrays that hold fewer atoms than they have room for.

    Absent atoms pair with nobody: they have no energy and no gradient, wherever they are.
    One compiled program then serves clusters of any number of atoms up to its capacity.

    Arguments:
        present: which of the atoms exist; a leaf, so that it may change without
            compiling anew.
    """

    present: Bool[Array, " n"]
    dimension: int = eqx.field(static=True, default=3)
    invariant: bool = eqx.field(static=True, init=False, default=True)

    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        # Where nobody is, offsets vanish: products over all atoms stay finite.
        pairs = Free(self.dimension).pairs(self.offsets(positions))
        both = self.present[:, None] & pad_atoms(self.present, False)[None]
        mask = pairs.mask & both[None]
        squared = jnp.where(mask, pairs.squared, jnp.inf)
        return Pairs(pairs.differences, squared, mask, pairs.centred)

    def atoms(self, n: int) -> Int[Array, ""] | int:
        return jnp.sum(self.present, dtype=jnp.int32)

    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.offsets(positions)

    def offsets(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        weights = self.present.astype(positions.dtype)[:, None]
        count = jnp.maximum(jnp.sum(weights), 1)
        # Absent atoms may be anywhere, also where numbers end.
        known = jnp.where(self.present[:, None], positions, 0)
        middle = jnp.sum(known, axis=0, keepdims=True) / count
        return jnp.where(self.present[:, None], positions - middle, 0)

    def scatter(
        self, fractions: Float[Array, "n d"], edge: Float[Array, ""]
    ) -> Float[Array, "n d"]:
        return Free(self.dimension).scatter(fractions, edge)


def present(space: AbstractSpace, n: int) -> Bool[Array, " n"]:
    """Return which of `n` rows are atoms."""
    return space.present if isinstance(space, Partial) else jnp.ones(n, bool)
