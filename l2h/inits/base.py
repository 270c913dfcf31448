"""What a random start is."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._leaves import require_instance
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
