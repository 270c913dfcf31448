"""What every energy surface offers, twice over: a textbook form and a fast one."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..spaces import AbstractSpace


class Scale(eqx.Module):
    """Natural units of a potential, by which learned features become dimensionless."""

    length: Float[Array, ""]
    """Nearest-neighbour distance."""
    energy: Float[Array, ""]
    """Bulk cohesive energy per atom / 8.61: exactly epsilon for Lennard-Jones."""


class Observation(eqx.Module):
    """One energy-and-gradient evaluation: all that an optimizer sees of a potential."""

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    gradient: Float[Array, "n d"]
    atomic_energies: Float[Array, " n"]

    @property
    def valid(self) -> Bool[Array, ""]:
        """Whether energy and gradient are finite: false where atoms coincide."""
        return jnp.isfinite(self.energy) & jnp.all(jnp.isfinite(self.gradient))


class AbstractPotential(eqx.Module):
    """An energy surface over `n` atoms in a space.

    `potential(positions)` is the textbook expression, differentiable any number of times
    in positions and parameters. `observe(positions)` is an independent closed form in one
    pass over pairs; everything hot uses it, and property tests compare the two.
    """

    space: eqx.AbstractVar[AbstractSpace]

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """Natural length and energy."""

    @abstractmethod
    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        """Return the energy by the textbook expression."""

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        """Return energy, gradient and atomic energies: by automatic differentiation, in
        equal shares, unless there is a closed form."""
        energy, gradient = jax.value_and_grad(self.__call__)(positions)
        energy, n = energy.astype(positions.dtype), positions.shape[0]
        return Observation(positions, energy, gradient, jnp.broadcast_to(energy / n, (n,)))

    def energy_and_gradient(
        self, positions: Float[Array, "n d"]
    ) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
        """Return the energy and its gradient by the closed form."""
        seen = self.observe(positions)
        return seen.energy, seen.gradient

    def forces(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return minus the gradient, by the closed form."""
        return -self.observe(positions).gradient

    def atomic_energies(self, positions: Float[Array, "n d"]) -> Float[Array, " n"]:
        """Return each atom's share of the energy; shares sum to the energy."""
        return self.observe(positions).atomic_energies
