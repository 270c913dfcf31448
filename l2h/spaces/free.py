"""Unbounded space without images."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._platform import barrier
from .base import AbstractSpace, Pairs, pad_atoms, padded


class Free(AbstractSpace):
    """Unbounded Euclidean space: the difference of a pair is `x_i - x_j`.

    Arguments:
        dimension: number of coordinates of one atom.
        invariant: whether energies do not change under translation, so that a structure
            may be re-centred. False for test functions with an absolute origin.

    Raises:
        ValueError: if `dimension` is not positive.
    """

    dimension: int = eqx.field(static=True, default=3)
    invariant: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.dimension < 1:
            raise ValueError(
                f"dimension: {self.dimension} coordinates per atom; give at least 1."
            )

    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        # Centring first keeps the matrix product accurate far from the origin.
        x = self.offsets(positions)
        n = x.shape[0]
        # NumPy: a constant in the program, not something computed at every step.
        atoms = np.arange(padded(n))
        mask = (np.arange(n)[:, None] != atoms) & (atoms < n)
        # The barrier keeps the padding out of the loop over pairs.
        rows = barrier(pad_atoms(x.T))
        differences = tuple((c[None, :] - c[:n, None])[None] for c in rows)
        squared = sum(d * d for d in differences)
        wall = np.where(mask, 0, np.inf).astype(x.dtype)[None]
        return Pairs(differences, jnp.asarray(squared + wall), jnp.asarray(mask[None]), x)

    def atoms(self, n: int) -> int:
        return n

    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.offsets(positions) if self.invariant else positions

    def offsets(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return positions - jnp.mean(positions, axis=0, keepdims=True)

    def scatter(
        self, fractions: Float[Array, "n d"], edge: Float[Array, ""]
    ) -> Float[Array, "n d"]:
        return (fractions - 0.5) * edge
