"""Random starts with a random symmetry."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import as_array, cast, require_positive
from ..potentials import AbstractPotential
from ..spaces import AbstractSpace, Free, Periodic
from ..symmetry import (
    COMMON,
    CellGroups,
    Fill,
    Groups,
    Invariance,
    cell_fill,
    completions,
    deal,
    orbit_sizes,
    symmetric_fill,
)
from ..symmetry.fill import SPACING, SPECIAL
from ..symmetry.point_groups import WITHOUT_CENTRE
from .base import AbstractDetailedInit, Spent, Start, require_draw
from .uniform import Uniform


class SymmetricStart(eqx.Module):
    """A start, and the symmetry that it has."""

    positions: Float[Array, "n d"]
    invariance: Invariance
    """Of the start, species included; the identity alone if it has no symmetry."""
    ok: Bool[Array, ""]
    """Whether the group that was drawn could be filled; if not, atoms lie at random."""


class Symmetric(AbstractDetailedInit):
    """Orbits of a random group, special positions included: exactly `n` atoms.

    In free space the group is drawn from a list of point groups, its centre at the origin
    and its main axis along z. In a periodic cell it consists of translations that divide
    the cell, and of the cell's own point operations if asked for. Should a group not fill
    up within `tries`, atoms are placed at random: `draw` tells.

    Arguments:
        groups: Schoenflies names, each as likely as the others; None for a list of common
            ones, as far as they can hold the atoms.
        cells: groups for periodic space; None to list the cell's translations, for which
            it must be concrete.
        radius: of the ball in which points are drawn, in natural lengths times n^(1/3).
        special: distance within which images of a point merge, in natural lengths.
        spacing: smallest distance of two atoms, in natural lengths; see
            `symmetry.symmetric_fill` for when it gives way.
        species: whether all atoms of an orbit are alike as far as the composition allows
            ("orbits"), or species are dealt out to places at random ("random").
        tries: how often filling a group begins anew; static.

    Raises:
        ValueError: if an argument is out of range, or a group is unknown; when drawing, if
            there are fewer than 2 atoms, a named group cannot hold them, or space has no
            such groups.
    """

    groups: tuple[str, ...] | None = eqx.field(
        static=True, default=None, converter=lambda names: names and tuple(names)
    )
    cells: CellGroups | None = None
    radius: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    special: Float[Array, ""] = eqx.field(converter=as_array, default=SPECIAL)
    spacing: Float[Array, ""] = eqx.field(converter=as_array, default=SPACING)
    species: Literal["orbits", "random"] = eqx.field(static=True, default="orbits")
    tries: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        require_positive(radius=self.radius, special=self.special, spacing=self.spacing)
        if self.groups is not None:
            if not self.groups:
                raise ValueError('groups: none given; name at least one, such as "C1".')
            for name in self.groups:
                orbit_sizes(name)
        if self.species not in ("orbits", "random"):
            raise ValueError(f'species: {self.species!r} given; say "orbits" or "random".')
        if self.tries < 1:
            raise ValueError(f"tries: {self.tries} given; try at least once.")

    @staticmethod
    def of(potential: AbstractPotential, n: int) -> "Symmetric":
        """Return symmetric starts of `n` atoms of a potential: the translations of a
        periodic cell are listed here, where it has known values."""
        space = potential.space
        if isinstance(space, Periodic):
            return Symmetric(cells=CellGroups(space.cell, n, potential.scale.length))
        return Symmetric()

    def start(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Start:
        drawn = self.draw(key, potential, n, dtype)
        return Start(drawn.positions, Spent.nothing(), drawn.invariance)

    def draw(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> SymmetricStart:
        """Draw a start together with its symmetry; arguments as those of a call."""
        require_draw(potential, n, dtype)
        if n < 2:
            raise ValueError(f"n: {n} given; symmetric starts have at least 2 atoms.")
        key, group, filling, dealing = jax.random.split(key, 4)
        unit = potential.scale.length
        drawn = self._group(group, potential.space, n, unit, dtype)
        filled, ok = self._fill(key, drawn, n, dtype)
        length = unit.astype(dtype)
        # Even without symmetry, a ball that is too small leaves atoms over.
        rest = Uniform()(filling, potential, n, dtype)
        placed = jnp.arange(n, dtype=jnp.int32)[:, None] < filled.count
        positions = jnp.where(placed, filled.positions * length, rest)
        invariance = Invariance.of(
            positions,
            drawn.operations,
            drawn.mask & (_identity(drawn.mask) | ok),
            shifts=None if drawn.shifts is None else drawn.shifts * length,
            cell=None if drawn.cell is None else drawn.cell * length,
        )
        labels = getattr(potential, "species", None)
        if labels is not None:
            order = deal(dealing, labels, invariance.orbits, self.species == "orbits")
            positions = positions[order]
            invariance = invariance.renumbered(order).keeping(labels)
        return SymmetricStart(positions, invariance, ok)

    def _group(
        self,
        key: PRNGKeyArray,
        space: AbstractSpace,
        n: int,
        unit: Float[Array, ""],
        dtype: Any,
    ) -> "_Drawn":
        """Return a random group that suits the space, in natural lengths."""
        if isinstance(space, Periodic) and space.dimension == 3:
            if self.groups is not None:
                raise ValueError(
                    f"groups: {', '.join(self.groups)} given, but a periodic cell has no "
                    "such symmetry; leave groups out, or give cells=CellGroups(...)."
                )
            cells = CellGroups(space.cell, n, unit) if self.cells is None else self.cells
            if cells.n != n:
                raise ValueError(
                    f"cells: made for {cells.n} atoms, but there are {n}; build "
                    f"CellGroups(cell, {n}, length)."
                )
            cell = (space.cell / unit).astype(dtype)
            return _Drawn(*cells.draw(key, cell), cell, None)
        if isinstance(space, Free) and space.dimension == 3 and space.invariant:
            names = able(self.groups, n)
            index = jax.random.randint(key, (), 0, len(names), jnp.int32)
            rows = np.stack([completions(name, n) for name in names])
            operations, mask = Groups(names, dtype)[index]
            sums = jnp.asarray(rows, jnp.int32)[index]
            return _Drawn(operations, None, mask, None, sums)
        raise ValueError(
            f"space: {type(space).__name__} with {space.dimension} coordinates; symmetric "
            "starts are for atoms in three dimensions, free or in a cell."
        )

    def _fill(
        self, key: PRNGKeyArray, drawn: "_Drawn", n: int, dtype: Any
    ) -> tuple[Fill, Bool[Array, ""]]:
        """Return what fills the group, or no group at all after the last try, and whether
        it is the group."""
        p = cast(self, dtype)
        lengths = {"special": p.special, "spacing": p.spacing}

        def again(state: tuple[Int[Array, ""], Fill]) -> tuple[Int[Array, ""], Fill]:
            number = state[0] + 1
            last = number >= self.tries
            now = jax.random.fold_in(key, number)
            mask = drawn.mask & (_identity(drawn.mask) | ~last)
            table, shifts, cell = drawn.operations, drawn.shifts, drawn.cell
            if shifts is not None and cell is not None:
                return number, cell_fill(
                    now, table, shifts, mask, n, cell, capacity=n, **lengths
                )
            sums = drawn.completions
            if sums is not None:
                sums = jnp.where(last, WITHOUT_CENTRE, sums)
            radius = p.radius * n ** (1 / 3)
            return number, symmetric_fill(
                now, table, mask, n, n, radius, capacity=n, completions=sums, **lengths
            )

        def failed(state: tuple[Int[Array, ""], Fill]) -> Bool[Array, ""]:
            return ~state[1].ok & (state[0] < self.tries)

        zero = jnp.asarray(0, jnp.int32)
        nothing = Fill(jnp.zeros((n, 3), dtype), zero, jnp.asarray(False))
        number, filled = jax.lax.while_loop(failed, again, (zero - 1, nothing))
        return filled, filled.ok & (number < self.tries)


class _Drawn(NamedTuple):
    """A group of operations, and what filling it takes, in natural lengths."""

    operations: Float[Array, "g 3 3"]
    shifts: Float[Array, "g 3"] | None
    mask: Bool[Array, " g"]
    cell: Float[Array, "3 3"] | None
    completions: Int[Array, " m"] | None


def _identity(mask: Bool[Array, " g"]) -> Bool[Array, " g"]:
    """Return a mask of the identity, which is the first of every group."""
    return jnp.arange(len(mask)) == 0


def able(groups: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Return the point groups to draw from: those named, or common ones that hold `n`.

    Raises:
        ValueError: if a named group cannot hold `n` atoms.
    """
    names = COMMON if groups is None else tuple(groups)
    holding = tuple(name for name in names if completions(name, n)[n])
    lost = [name for name in names if name not in holding]
    if groups is not None and lost:
        sizes, centre = orbit_sizes(lost[0])
        possible = np.flatnonzero(completions(lost[0], n + 120))
        near = [*possible[(possible < n) & (possible > 1)][-1:], possible[possible > n][0]]
        raise ValueError(
            f"groups: {lost[0]} cannot hold {n} atoms, as its orbits have "
            f"{', '.join(map(str, sizes))}{' (and 1 at the centre)' if centre else ''}; "
            f"leave it out, or take {' or '.join(map(str, near))} atoms."
        )
    return holding
