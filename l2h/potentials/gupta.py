"""The Gupta potential of metals and alloys."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._leaves import as_array, concrete, require_positive
from .._platform import barrier
from ..spaces import AbstractSpace, Free, Pairs, Periodic, pad_atoms
from ._constants import table
from .base import COHESION, METAL, AbstractPotential, Observation, Scale, Units
from .taper import Taper

Table = Float[Array, "s s"]
Weights = Float[Array, "#m #n #q"]


def _fcc_shells(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances (nearest neighbours: one) and sizes of the first fcc shells."""
    reach = np.arange(-int(np.sqrt(2 * count)) - 1, int(np.sqrt(2 * count)) + 2)
    sites = np.stack(np.meshgrid(reach, reach, reach), axis=-1).reshape(-1, 3)
    squares = (sites[sites.sum(axis=1) % 2 == 0] ** 2).sum(axis=1) // 2
    shells = np.arange(1, count + 1)
    return np.sqrt(shells), np.bincount(squares, minlength=count + 1)[1 : count + 1]


DISTANCES, SIZES = _fcc_shells(40)


def _species(value: Any) -> Any:
    return as_array(np.asarray(value) if isinstance(value, Sequence) else value)


class Gupta(AbstractPotential):
    r"""Gupta energy (second-moment tight binding) of any number of species.

    \[ E = \sum_i \left[ \sum_{j \ne i} A_{ij} e^{-p_{ij} (r_{ij}/r^0_{ij} - 1)}
       - \sqrt{\sum_{j \ne i} \xi_{ij}^2 e^{-2 q_{ij} (r_{ij}/r^0_{ij} - 1)}} \right] \]

    Arguments:
        A: repulsion, `"s s"` for s species (eV).
        xi: effective hopping, `"s s"` (eV).
        p: decay of the repulsion, `"s s"`.
        q: decay of the hopping, `"s s"`.
        r0: nearest-neighbour distance of the crystal, `"s s"` (Angstrom).
        species: row of the tables for each atom, integers `"n"`.
        space: where the atoms live. A periodic one ends the sums at its cutoff.
        taper: if given, multiplies both pair terms, so that they end smoothly.

    Raises:
        ValueError: if a table is not square, symmetric, positive and finite or of another
            size than the others; if `species` does not index them; if `taper` ends beyond
            the reach of `space`.

    Reference: Cleri & Rosato 1993, doi:10.1103/PhysRevB.48.22. Eq. (6) of Learn2Hop sums
        over j > i and has xi outside the root; that depends on the order of the atoms
        (docs/errata.md).
    """

    A: Table = eqx.field(converter=as_array)
    xi: Table = eqx.field(converter=as_array)
    p: Table = eqx.field(converter=as_array)
    q: Table = eqx.field(converter=as_array)
    r0: Table = eqx.field(converter=as_array)
    species: Int[Array, " n"] = eqx.field(converter=_species)
    space: AbstractSpace = Free()
    taper: Taper | None = None

    def __check_init__(self) -> None:
        tables = {name: getattr(self, name) for name in ("A", "xi", "p", "q", "r0")}
        require_positive(**tables)
        size = None
        for name, values in tables.items():
            if (known := concrete(values)) is None:
                continue
            size = size or known.shape[0] if known.ndim else 1
            if known.shape != (size, size) or not np.array_equal(known, known.T):
                raise ValueError(
                    f"{name}: {known.tolist()} given; it must be a symmetric {size} x "
                    f"{size} table, with one row for each species."
                )
        species = concrete(self.species)
        if species is not None and size is not None:
            integer = species.ndim == 1 and np.issubdtype(species.dtype, np.integer)
            if not integer or np.any((species < 0) | (species >= size)):
                raise ValueError(
                    f"species: {species.tolist()} given; it must list, for each atom, an "
                    f"integer from 0 to {size - 1} (the tables know {size} species)."
                )
        if self.taper is not None and isinstance(self.space, Periodic):
            end, reach = concrete(self.taper.end), concrete(self.space.cutoff)
            if end is not None and reach is not None and end > reach:
                raise ValueError(
                    f"taper: ends at {end}, but space lists pairs up to {reach} only; "
                    f"build it as Periodic(cell, cutoff={end})."
                )

    @staticmethod
    def named(
        name: str,
        species: Int[Array, " n"] | np.ndarray | Sequence[int] | int,
        *,
        space: AbstractSpace = Free(),
        taper: Taper | None = None,
    ) -> "Gupta":
        """Return a metal or an alloy of two, with published parameters.

        Arguments:
            name: "Au", "Ag", "Pd", "Pt", "Ag-Au", "Ag-Pt", "Pd-Au" or "Pd-Pt". With
                "-printed" appended (not for "Ag", "Pd", "Pt"): the paper's table as it
                stands, misprints and all.
            species: for each atom 0 (the first metal of the name) or 1; the number of
                atoms, if the name has one metal only.
            space: where the atoms live (Angstrom).
            taper: smooth end of the interactions (Angstrom).

        Raises:
            ValueError: for an unknown name, or species that do not fit it.
        """
        row = table("gupta", name, "name")
        metals = row["metals"]
        if isinstance(species, int):
            if len(metals) > 1 or species < 1:
                raise ValueError(
                    f"species: {species} given; {name} needs a list of integers, one for "
                    f"each atom: {', '.join(f'{k} = {m}' for k, m in enumerate(metals))}."
                )
            species = np.zeros(species, int)

        def square(key: str) -> np.ndarray:
            return np.array(
                [
                    [(row.get(f"{a}-{b}") or row[f"{b}-{a}"])[key] for b in metals]
                    for a in metals
                ]
            )

        tables: dict[str, Any] = {k: square(k) for k in ("A", "xi", "p", "q", "r0")}
        return Gupta(**tables, species=species, space=space, taper=taper)

    @property
    def units(self) -> Units:
        return METAL

    @property
    def scale(self) -> Scale:
        """Natural length and energy of the crystals, averaged over the composition."""
        length, A, xi, p, q = (
            jnp.diagonal(t)[:, None] for t in (self.r0, self.A, self.xi, self.p, self.q)
        )
        stretch = jnp.asarray(DISTANCES - 1, A.dtype)[None]
        sizes = jnp.asarray(SIZES, A.dtype)[None]
        repulsion = jnp.sum(sizes * A * jnp.exp(-p * stretch), axis=1)
        density = jnp.sum(sizes * xi**2 * jnp.exp(-2 * q * stretch), axis=1)
        # The printed tables, kept for the record, have crystals without cohesion.
        cohesion = jnp.abs(repulsion - jnp.sqrt(density))
        return Scale(
            length=jnp.mean(length[self.species, 0]),
            energy=jnp.mean(cohesion[self.species]) / COHESION,
        )

    @property
    def separated(self) -> float:
        return 0.0

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        params, pairs = self._prepare(positions)
        A, xi, p, q, r0 = params._tables()
        # Masks go on the inputs: derivatives in positions and parameters, too, are then
        # finite where atoms are alone.
        inside = jnp.where(pairs.mask, pairs.squared, 1)
        distance = jnp.sqrt(inside)
        stretch = distance / r0 - 1
        repulsion = A * jnp.exp(-p * stretch)
        hopping = xi**2 * jnp.exp(-2 * q * stretch)
        if params.taper is not None:
            factor, _ = params.taper(distance)
            repulsion, hopping = repulsion * factor, hopping * factor
        density = jnp.sum(jnp.where(pairs.mask, hopping, 0), axis=(0, 1))
        bound = density > _faintest(density.dtype)
        band = jnp.where(bound, jnp.sqrt(jnp.where(bound, density, 1)), 0)
        return jnp.sum(jnp.where(pairs.mask, repulsion, 0)) - jnp.sum(band)

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        params, pairs = self._prepare(positions)
        A, xi, p, q, r0 = params._tables()
        # Two numbers for each exponential, its prefactor in the exponent. The barriers keep
        # their making out of the loop over pairs, and the exponentials from being computed
        # twice, for energies and for slopes.
        high, fade, deep, thin = barrier(
            (jnp.log(A) + p, p / r0, 2 * (jnp.log(xi) + q), 2 * q / r0)
        )
        distance = jnp.sqrt(pairs.squared)
        repulsion = jnp.exp(high - fade * distance)
        hopping = jnp.exp(deep - thin * distance)
        repulsion, hopping, inverse = barrier((repulsion, hopping, 1 / distance))
        push, pull = -2 * fade * repulsion, 0.5 * thin * hopping
        if params.taper is not None:
            factor, fall = params.taper(distance)
            push = push * factor + 2 * fall * repulsion
            pull = pull * factor - 0.5 * fall * hopping
            repulsion, hopping = repulsion * factor, hopping * factor
        density = pairs.sum(hopping)
        bound = density > _faintest(density.dtype)
        root = jnp.sqrt(jnp.where(bound, density, 1))
        band, rate = jnp.where(bound, root, 0), jnp.where(bound, 1 / root, 0)
        rates = rate[None, :, None] + pad_atoms(rate)[None, None]
        gradient, _ = pairs.contract((push + pull * rates) * inverse)
        shares = pairs.sum(repulsion) - band
        return Observation(positions, jnp.sum(shares), gradient.T, shares)

    def _prepare(self, positions: Float[Array, "n d"]) -> tuple["Gupta", Pairs]:
        potential = self.like(positions)
        if positions.shape[0] != self.species.shape[0]:
            raise ValueError(
                f"positions: {positions.shape[0]} atoms given, but species lists "
                f"{self.species.shape[0]}; they must agree."
            )
        return potential, self.space.pairs(positions)

    def _tables(self) -> list[Weights]:
        """Return A, xi, p, q and r0 for each pair; for one species, as single numbers,
        which spares the loop over pairs five loads."""
        tables = (self.A, self.xi, self.p, self.q, self.r0)
        if self.A.shape[0] == 1:
            return [t[None] for t in tables]
        rows, columns = self.species[:, None], pad_atoms(self.species)[None]
        return [t[rows, columns][None] for t in tables]


def _faintest(dtype: Any) -> float:
    # Below, powers of a density that occur in second derivatives overflow; its root is
    # then less than a billionth of an energy unit, in single precision.
    return float(jnp.finfo(dtype).tiny) ** 0.5


def is_alloy(potential: AbstractPotential) -> TypeGuard[Gupta]:
    """Return whether atoms of two kinds may change places in a potential."""
    return isinstance(potential, Gupta) and len(potential.A) > 1
