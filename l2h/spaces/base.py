"""Pair geometry: what a potential and a learned optimizer may ask of space."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._platform import matmul

# Inner loops over atoms then consist of whole vector registers, without remainder.
LANES = 8


def padded(n: int) -> int:
    """Return `n` rounded up to whole vector registers, the length of a pair row."""
    return -(-n // LANES) * LANES


def pad_atoms(values: Array, fill: float | int = 0) -> Array:
    """Extend the last axis (atoms) from `n` to `padded(n)` with `fill`."""
    extra = padded(values.shape[-1]) - values.shape[-1]
    widths = [(0, 0)] * (values.ndim - 1) + [(0, extra)]
    return jnp.pad(values, widths, constant_values=fill)


class Pairs(eqx.Module):
    """All ordered pairs (partner j, atom i), for each of `m` image shifts.

    Axes are `[image, partner, atom]`; the atom axis is padded from `n` to `q`, a
    multiple of eight. Reductions run over partners (axis -2), so that they vectorise
    over atoms. Pairs are masked by index: an atom does not pair with itself under the
    zero shift, but two different atoms on one site do, and therefore cost.
    """

    differences: tuple[Float[Array, "m n q"], ...]
    """`x_i - x_j + shift`, one array per coordinate (never an `n n d` block, whose
    minor axis of three defeats vector units)."""
    squared: Float[Array, "m n q"]
    """Squared distances; infinite where `mask` is false, so that negative powers and
    decaying exponentials vanish there, with all their derivatives."""
    mask: Bool[Array, "m n q"]
    centred: Float[Array, "n d"] | None
    """Positions, if every difference is exactly `x_i - x_j` of these: one matrix product
    then serves as the contraction. None where images or wrapping take part."""

    def sum(self, weights: Float[Array, "m n q"]) -> Float[Array, " n"]:
        """Return `sum_j w_ij` over partners and images, per atom.

        Where no image takes part, the contraction's own product serves: on a CPU it is
        faster than a strided sum, or than a product with ones alone, which the compiler
        would turn into one.
        """
        if self.centred is None:
            return jnp.sum(weights, axis=(0, 1))[: weights.shape[1]]
        return self.contract(weights)[1]

    def contract(
        self, weights: Float[Array, "m n q"]
    ) -> tuple[Float[Array, "d n"], Float[Array, " n"]]:
        """Return `(sum_j w_ij (x_i - x_j), sum_j w_ij)` over partners and images.

        Where no image takes part, both come from one product of `[x | 1]` with the
        weights: `x_i sum_j w_ij - sum_j w_ij x_j`.

        Arguments:
            weights: finite, and zero where `mask` is false.

        Returns:
            Weighted vector sums, coordinates first, and weighted counts.
        """
        if self.centred is None:
            vectors = [self.sum(weights * d) for d in self.differences]
            return jnp.stack(vectors), self.sum(weights)
        x = self.centred.T
        product = _product(jnp.concatenate([x, jnp.ones_like(x[:1])]), weights)
        return product[-1:] * x - product[:-1], product[-1]


def _product(
    left: Float[Array, "k n"], weights: Float[Array, "m n q"]
) -> Float[Array, "k n"]:
    """Contract the partner and image axes: small differences of large terms."""
    n = weights.shape[1]
    summed = weights[0] if weights.shape[0] == 1 else jnp.sum(weights, axis=0)
    return matmul(left, summed)[:, :n]


class AbstractSpace(eqx.Module):
    """Where atoms live: which vectors join a pair, and which positions mean the same."""

    dimension: eqx.AbstractVar[int]
    """Number of coordinates `d` of one atom."""
    invariant: eqx.AbstractVar[bool]
    """Whether energies do not change under translation: true for atoms, false for test
    functions with an absolute origin."""

    @abstractmethod
    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        """Return all ordered pairs within reach, image by image."""

    @abstractmethod
    def atoms(self, n: int) -> Int[Array, ""] | int:
        """Return how many of `n` rows are atoms: all, unless some are absent."""

    @abstractmethod
    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return an equivalent structure in its canonical place (unchanged where there
        is none): the centroid at the origin in free space."""

    @abstractmethod
    def offsets(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return each atom's position relative to the centroid; zero where a centroid
        has no meaning (periodic cells)."""

    @abstractmethod
    def scatter(
        self, fractions: Float[Array, "n d"], edge: Float[Array, ""]
    ) -> Float[Array, "n d"]:
        """Map fractions in [0, 1) onto a cube of this edge around the origin, or onto
        the whole cell where space has one."""
