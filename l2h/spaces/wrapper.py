"""Spaces that are another one but for a detail."""

import equinox as eqx
from jaxtyping import Array, Float, Int

from .base import AbstractSpace


class AbstractWrapper(AbstractSpace):
    """A space around an inner one, whose atoms, offsets and starts it shares.

    What may differ, a wrapper defines: its pairs, its centring, whether it is invariant.
    """

    inner: eqx.AbstractVar[AbstractSpace]
    """Where the atoms live."""

    def atoms(self, n: int) -> Int[Array, ""] | int:
        return self.inner.atoms(n)

    def offsets(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.inner.offsets(positions)

    def scatter(
        self, fractions: Float[Array, "n d"], edge: Float[Array, ""]
    ) -> Float[Array, "n d"]:
        return self.inner.scatter(fractions, edge)
