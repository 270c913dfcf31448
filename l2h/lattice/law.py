"""What an atom on a lattice site is worth: pair and embedding terms of a potential."""

from abc import abstractmethod
from functools import singledispatch
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._leaves import cast
from ..potentials import AbstractPotential, Gupta, LennardJones
from ..spaces import Free, Partial


class AbstractLaw(eqx.Module):
    r"""Energy as pair terms and a function of a density at each atom.

    \[ E = \sum_{i<j} V_{ij}(r_{ij}) + \sum_i F\Bigl(\sum_{j \ne i} w_{ij}(r_{ij})\Bigr) \]

    Energies are in the potential's own unit, squared distances in that of its length.
    """

    embedded: eqx.AbstractClassVar[bool]
    """Whether there is a density at all."""

    @abstractmethod
    def tables(
        self,
        squared: Float[Array, "t t"],
        rows: Int[Array, " t"],
        columns: Int[Array, " t"],
    ) -> tuple[Float[Array, "t t"], Float[Array, "t t"]]:
        """Return V and w of all pairs of sites.

        Arguments:
            squared: squared distances; infinite where two sites do not see each other.
            rows: species of the first site of each pair, by which the law tells atoms
                apart.
            columns: species of the second.
        """

    @abstractmethod
    def embed(self, density: Float[Array, "*t"]) -> Float[Array, "*t"]:
        """Return F of a density."""


class PairLaw(AbstractLaw):
    """Lennard-Jones: pairs alone."""

    potential: LennardJones
    embedded: ClassVar[bool] = False

    def tables(
        self,
        squared: Float[Array, "t t"],
        rows: Int[Array, " t"],
        columns: Int[Array, " t"],
    ) -> tuple[Float[Array, "t t"], Float[Array, "t t"]]:
        p = cast(self.potential, squared.dtype)
        # Lattice sites may fall together; what overlaps is refused, by a finite number.
        inverse = p.length**2 / jnp.maximum(squared, 0.1 * p.length**2)
        attraction = inverse**3
        return p.energy * attraction * (attraction - 2), jnp.zeros_like(squared)

    def embed(self, density: Float[Array, "*t"]) -> Float[Array, "*t"]:
        return jnp.zeros_like(density)


class GuptaLaw(AbstractLaw):
    """Gupta: repulsion of pairs, and minus the root of the hopping as embedding."""

    potential: Gupta
    embedded: ClassVar[bool] = True

    def tables(
        self,
        squared: Float[Array, "t t"],
        rows: Int[Array, " t"],
        columns: Int[Array, " t"],
    ) -> tuple[Float[Array, "t t"], Float[Array, "t t"]]:
        p = cast(self.potential, squared.dtype)
        kinds = rows[:, None], columns[None]
        A, xi, steep, flat, r0 = (t[kinds] for t in (p.A, p.xi, p.p, p.q, p.r0))
        # Below half a distance the pair law is not steep enough to refuse an overlap.
        stretch = jnp.sqrt(squared) / r0
        near = jnp.where(stretch < 0.6, 10.0, 1.0).astype(squared.dtype)
        stretch = stretch - 1
        # Each ordered pair carries the full A.
        repulsion = near * 2 * A * jnp.exp(-steep * stretch)
        return repulsion, xi**2 * jnp.exp(-2 * flat * stretch)

    def embed(self, density: Float[Array, "*t"]) -> Float[Array, "*t"]:
        bound = density > 0
        return -jnp.where(bound, jnp.sqrt(jnp.where(bound, density, 1)), 0)


@singledispatch
def law(potential: Any) -> AbstractLaw | None:
    """Return the law of a potential, or None where none is known.

    Register one for a class of your own with `l2h.lattice.law.register`.
    """
    return None


@law.register
def _(potential: LennardJones) -> AbstractLaw | None:
    return PairLaw(potential=potential)


@law.register
def _(potential: Gupta) -> AbstractLaw | None:
    # Growth and swaps know two metals at most.
    known = potential.taper is None and len(potential.A) <= 2
    return GuptaLaw(potential=potential) if known else None


def suits(potential: AbstractPotential) -> bool:
    """Whether clusters of this potential can be grown and repaired: it is known what a site
    is worth, and there are no periodic images."""
    space = potential.space
    free = isinstance(space, Free | Partial) and space.dimension == 3
    return law(potential) is not None and free
