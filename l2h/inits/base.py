"""What a random start is."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._leaves import require_instance
from ..potentials import AbstractPotential
from ..symmetry import Invariance


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


class Spent(eqx.Module):
    """What something has cost."""

    evaluations: Int[Array, ""] | int
    """Energy-and-gradient evaluations, also those of clusters with fewer atoms."""
    probes: Int[Array, ""] | int
    """Energies of single atoms on vacant sites, counted apart."""

    @staticmethod
    def nothing() -> "Spent":
        """Return what costs nothing, inside a program."""
        zero = jnp.asarray(0, jnp.int32)
        return Spent(zero, zero)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.evaluations + other.evaluations, self.probes + other.probes)


class Start(eqx.Module):
    """A starting structure and what it cost."""

    positions: Float[Array, "n d"]
    spent: Spent
    invariance: Invariance | None = None
    """Its symmetry; None where nothing is known of any."""


class AbstractDetailedInit(AbstractInit):
    """A distribution of starts that says more of them than positions: what they cost, or
    which symmetry they have."""

    @abstractmethod
    def start(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Start:
        """Draw a start and say what it costs; arguments as those of a call."""

    def __call__(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Float[Array, "n d"]:
        return self.start(key, potential, n, dtype).positions


def begin_at(
    init: AbstractInit,
    key: PRNGKeyArray,
    potential: AbstractPotential,
    n: int,
    dtype: Any,
) -> Start:
    """Draw a start from any distribution; it costs nothing unless it says so."""
    if isinstance(init, AbstractDetailedInit):
        return init.start(key, potential, n, dtype)
    return Start(init(key, potential, n, dtype), Spent.nothing())


def require_draw(potential: Any, n: Any, dtype: Any) -> None:
    """Raise ValueError unless a start may be drawn from these; every start begins so.

    Raises:
        ValueError: naming the argument, what was given and the remedy.
    """
    require_instance(potential=(potential, AbstractPotential))
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n: {n!r} given; the number of atoms is an integer, at least 1.")
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"dtype: {dtype!r} given; positions are floating-point numbers, "
            'such as "float32".'
        )
