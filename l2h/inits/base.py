"""What a random start is."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..potentials import AbstractPotential


def _nothing() -> Int[Array, ""]:
    return jnp.asarray(0, jnp.int32)


class Start(eqx.Module):
    """A starting structure and what it cost."""

    positions: Float[Array, "n d"]
    evaluations: Int[Array, ""] = eqx.field(default_factory=_nothing)
    """Energy-and-gradient evaluations spent, also those of clusters with fewer atoms."""
    probes: Int[Array, ""] = eqx.field(default_factory=_nothing)
    """Energies of single atoms on vacant sites, counted apart."""


class AbstractInit(eqx.Module):
    """A distribution of starting structures."""

    @abstractmethod
    def start(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Start:
        """Draw positions of `n` atoms, and say what that cost.

        Arguments:
            key: determines the start, together with `n` and `dtype`.
            potential: gives space, dimension and natural length.
            n: number of atoms.
            dtype: floating-point type of the positions.
        """

    def __call__(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Float[Array, "n d"]:
        """Draw positions of `n` atoms; see `start`."""
        return self.start(key, potential, n, dtype).positions
