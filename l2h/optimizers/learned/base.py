"""What the network of a learned optimizer reads, and what its outputs weigh."""

from abc import abstractmethod
from typing import ClassVar, Generic

import equinox as eqx
from jaxtyping import Array, Float

from ...potentials import AbstractPotential, Observation
from ..base import Memory, State


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
