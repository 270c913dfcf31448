"""What a random start is."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ..potentials import AbstractPotential


class AbstractInit(eqx.Module):
    """A distribution of starting structures."""

    @abstractmethod
    def __call__(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Float[Array, "n d"]:
        """Draw positions of `n` atoms.

        Arguments:
            key: determines the start, together with `n` and `dtype`.
            potential: gives space, dimension and natural length.
            n: number of atoms.
            dtype: floating-point type of the positions.
        """
