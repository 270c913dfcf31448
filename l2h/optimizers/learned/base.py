"""What the network of a learned optimizer reads, and what its outputs weigh."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...potentials import AbstractPotential, Observation
from ..base import Memory, State


@jax.custom_jvp
def joined(parts: Sequence[Float[Array, "_ r"]]) -> Float[Array, "f r"]:
    """Join inputs of the network, each of some kinds, row by row.

    Values and derivatives are those of `concatenate`. A batch, whose rows become columns of
    one matrix for one network, is joined part by part, a loop each: processors would else
    ask at every number which part it is of, one by one.
    """

    @jax.custom_batching.custom_vmap
    def join(parts: Sequence[Array]) -> Array:
        return jnp.concatenate(parts)

    @join.def_vmap
    def _(
        size: int, batched: Sequence[Sequence[bool]], parts: Sequence[Array]
    ) -> tuple[Array, bool]:
        # The batch stands behind the kinds of inputs while they are joined. That of a batch
        # of batches stays in front: networks of their own each have a matrix of their own.
        behind = [
            jnp.moveaxis(part, 0, 1)
            if has
            else jnp.broadcast_to(part[:, None], (len(part), size, *part.shape[1:]))
            for part, has in zip(parts, *batched, strict=True)
        ]
        return jnp.moveaxis(jnp.concatenate(behind), 1, 0), True

    return join(parts)


@joined.defjvp
def _(
    primals: tuple[Sequence[Array]], tangents: tuple[Sequence[Array]]
) -> tuple[Array, Array]:
    return joined(*primals), jnp.concatenate(*tangents)


class Reading(eqx.Module):
    """What is handed to the network, and the vectors that its outputs weigh.

    `r` counts rows, one call of the network each: atoms, or single coordinates.
    """

    inputs: Float[Array, "f r"]
    """The network's first inputs, row by row."""
    basis: Float[Array, "c k r"]
    """For each row, `k` candidate displacements of `c` coordinates, in natural lengths."""
    shared: Float[Array, " g"] | None = None
    """Its last inputs, where they are the same for all rows."""

    @property
    def count(self) -> int:
        """Number of network inputs."""
        return len(self.inputs) + (0 if self.shared is None else len(self.shared))


class AbstractFeatures(eqx.Module, Generic[Memory]):
    """Turns observations into dimensionless network inputs and candidate displacements."""

    inputs: eqx.AbstractClassVar[int]
    """Number of network inputs `f`."""
    directions: eqx.AbstractClassVar[int]
    """Number of candidate displacements `k`."""
    output_bias: ClassVar[tuple[float, ...] | None] = None
    """What a network puts out before it is trained, weights and then the magnitude; zeros
    if None."""

    @abstractmethod
    def begin(self, potential: AbstractPotential, observation: Observation) -> Memory:
        """Return what is accumulated over steps, at the start."""

    @abstractmethod
    def read(
        self, potential: AbstractPotential, state: State[Memory]
    ) -> tuple[Reading, Memory]:
        """Read the state; return with it what is accumulated from now on."""

    @abstractmethod
    def arrange(
        self, combined: Float[Array, "c r"], shape: tuple[int, ...]
    ) -> Float[Array, "n d"]:
        """Arrange one displacement per row as one per atom; `shape` is (n, d)."""
