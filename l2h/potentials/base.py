"""What every energy surface offers, twice over: a textbook form and a fast one."""

from abc import abstractmethod
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._leaves import cast, require_structure
from ..spaces import AbstractSpace

Kind = TypeVar("Kind", bound="AbstractPotential")


class Units(NamedTuple):
    """What lengths and energies are called; empty where that is not known."""

    length: str = ""
    energy: str = ""

    @property
    def symbol(self) -> str:
        """The unit of energy as pictures write it."""
        return "ε" if self == REDUCED else self.energy

    def label(self, quantity: str) -> str:
        """Return what axes and heads say of an energy, such as "gap (eV)"."""
        return f"{quantity} ({self.symbol})" if self.symbol else quantity


REDUCED = Units("d0", "epsilon")
METAL = Units("Angstrom", "eV")
# Natural energies by which an atom is bound in the crystal.
COHESION = 8.61


class Scale(eqx.Module):
    """Natural units of a potential, by which learned features become dimensionless."""

    length: Float[Array, ""]
    """Nearest-neighbour distance."""
    energy: Float[Array, ""]
    """Bulk cohesive energy per atom / `COHESION`: exactly epsilon for Lennard-Jones."""


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

    A new one needs a `space`, a `scale` and `__call__`, the textbook expression, to be
    differentiable any number of times in positions and parameters. `observe(positions)` is
    what everything hot uses: by automatic differentiation, unless a subclass replaces it
    by an independent closed form in one pass over pairs, which property tests compare with
    the textbook's. Both begin with `like`.
    """

    space: eqx.AbstractVar[AbstractSpace]

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """Natural length and energy."""

    @property
    def units(self) -> Units:
        """What its lengths and energies are called in files and pictures. A potential of
        your own says so by returning `METAL`, `REDUCED` or other `Units`."""
        return Units()

    @property
    def separated(self) -> Float[Array, ""] | float | None:
        """Energy of atoms far from each other, above which all results are equally useless;
        None where it is not known. That of the start then takes its place."""
        return None

    @abstractmethod
    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        """Return the energy by the textbook expression."""

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        """Return energy, gradient and atomic energies: by automatic differentiation, in
        equal shares, unless there is a closed form."""
        require_structure(positions, self.space.dimension)
        energy, gradient = jax.value_and_grad(self.__call__)(positions)
        energy, n = energy.astype(positions.dtype), positions.shape[0]
        return Observation(positions, energy, gradient, jnp.broadcast_to(energy / n, (n,)))

    def like(self: Kind, positions: Float[Array, "n d"]) -> Kind:
        """Return this potential with its numbers in the precision of `positions`.

        Raises:
            ValueError: if these are not the floating-point positions of one structure.
        """
        require_structure(positions, self.space.dimension)
        return cast(self, positions.dtype)

    def energy_and_gradient(
        self, positions: Float[Array, "n d"]
    ) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
        """Return the energy and its gradient, as observed."""
        seen = self.observe(positions)
        return seen.energy, seen.gradient

    def forces(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return minus the gradient, as observed."""
        return -self.observe(positions).gradient

    def atomic_energies(self, positions: Float[Array, "n d"]) -> Float[Array, " n"]:
        """Return each atom's share of the energy; shares sum to the energy."""
        return self.observe(positions).atomic_energies


def potential_with(
    potential: Kind, space: AbstractSpace, species: Int[Array, " n"] | None = None
) -> Kind:
    """Return a potential in another space, for other atoms.

    Arguments:
        potential: whose law stays.
        space: where the atoms live from now on.
        species: of each of them, for a potential that tells species apart; those it has
            if None.
    """
    moved: Any = eqx.tree_at(lambda p: p.space, potential, space)
    return moved if species is None else eqx.tree_at(lambda p: p.species, moved, species)
