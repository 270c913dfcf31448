"""Periodic space: a cell of any shape, repeated without end."""

import itertools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._leaves import as_array
from .._platform import barrier, matmul
from .base import AbstractSpace, Pairs, pad_atoms, padded

LARGEST_COUNT = 10_000


def _concrete_cell(cell: Any) -> np.ndarray:
    try:
        lattice = np.asarray(cell, dtype=float)
    except (TypeError, ValueError) as error:  # a tracer, or rows of unequal length
        raise ValueError(
            f"cell: {cell!r} is not a table of numbers; give concrete lattice vectors in "
            "rows, outside of jit and vmap: the images are chosen from their values."
        ) from error
    if lattice.ndim != 2 or lattice.shape[0] != lattice.shape[1] or not lattice.size:
        raise ValueError(
            f"cell: shape {lattice.shape} given; it must be 3 x 3, lattice vectors in "
            "rows (for a cube, edge * numpy.eye(3))."
        )
    edges = np.linalg.norm(lattice, axis=1)
    volume = np.linalg.det(lattice)
    # Relative to a box of the same edges: what is flat does not depend on the unit.
    if not np.isfinite(volume) or abs(volume) <= 1e-9 * np.prod(edges):
        raise ValueError(
            f"cell: {lattice.tolist()} has volume {volume}; give finite, linearly "
            "independent lattice vectors."
        )
    if volume < 0:
        raise ValueError(
            f"cell: {lattice.tolist()} is left-handed (volume {volume}); exchange two "
            "lattice vectors."
        )
    return lattice


def heights(cell: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " d"]:
    """Return the distances between opposite faces of a cell with vectors in rows."""
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _nearest(
    cell: Float[np.ndarray, "d d"], shifts: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """Return how close to the origin the parallelepiped of fractions within 1/2 of each
    shift comes.

    The nearest point lies inside the box or inside one of its faces, edges or corners:
    for each of these, where every coordinate is free or at one of its two bounds, the
    free ones follow from a linear system.
    """
    metric = cell @ cell.T
    best = np.full(len(shifts), np.inf)
    for sides in itertools.product((-0.5, 0.0, 0.5), repeat=len(cell)):
        free = np.array(sides) == 0
        point = shifts + np.array(sides)
        if free.any():
            pull = point[:, ~free] @ metric[np.ix_(~free, free)]
            point[:, free] = -np.linalg.solve(metric[np.ix_(free, free)], pull.T).T
        inside = np.all(np.abs(point - shifts) <= 0.5 + 1e-12, axis=1)
        distance = np.linalg.norm(point @ cell, axis=1)
        best = np.where(inside, np.minimum(best, distance), best)
    return best


def image_shifts(
    cell: Float[np.ndarray, "d d"], cutoff: float
) -> tuple[tuple[int, ...], ...]:
    """Return every shift, in lattice vectors, that can bring a difference within reach.

    A difference, once reduced to fractions within [-1/2, 1/2], and shifted by s, lies
    between two lattice planes that are at least (|s_k| - 1/2) times the height of the cell
    away from the origin. If no height is below twice the cutoff, the zero shift alone is
    left: the nearest image is exact, in triclinic cells too.

    Arguments:
        cell: lattice vectors in rows.
        cutoff: reach, in the unit of the cell.

    Returns:
        Shifts, zero first.

    Raises:
        ValueError: if there are more than any sensible use needs.
    """
    most = np.ceil(cutoff / heights(cell) + 0.5).astype(int) - 1
    if np.prod(2.0 * most + 1) > LARGEST_COUNT:
        raise ValueError(
            f"cutoff: {cutoff} reaches over {most.tolist()} cells to each side; give a "
            "smaller cutoff, or tile the cell and its atoms."
        )
    counts = [range(-k, k + 1) for k in most]
    shifts = np.array(list(itertools.product(*counts)), dtype=float)
    shifts = shifts[_nearest(cell, shifts) < cutoff].astype(int)
    order = np.argsort(np.abs(shifts).sum(axis=1), kind="stable")
    return tuple(tuple(map(int, shift)) for shift in shifts[order])


class Periodic(AbstractSpace):
    r"""Periodic space, in which every pair within `cutoff` counts, images included.

    \[ d_{ijs} = x_i - x_j - \mathrm{round}\left[(x_i - x_j) C^{-1}\right] C + s C \]

    Differences are reduced to the cell before they are shifted, so that atoms may drift
    out of it. The shifts s are chosen at construction; there is one of them, zero, exactly
    where the nearest image suffices (twice the cutoff is at most every height of the cell).
    Pairs at or beyond the cutoff are masked, so energies do not depend on the choice of
    the cell that describes a structure.

    Arguments:
        cell: concrete lattice vectors in rows, `"d d"`, right-handed (Angstrom, or the
            unit of the potential). A leaf, so that energies may be differentiated in it;
            but after a finite change build a new space, as the shifts belong to the cell.
        cutoff: largest distance between the atoms of a pair, same unit.

    Raises:
        ValueError: if `cell` has a wrong shape, no volume or a left hand, or `cutoff` is
            not positive and finite.
    """

    cell: Float[Array, "d d"] = eqx.field(converter=as_array)
    cutoff: Float[Array, ""] = eqx.field(converter=as_array)
    inverse: Float[Array, "d d"]
    """Of the cell, at construction: it tells which image is the nearest, which is
    piecewise constant and hence has no derivative."""
    shifts: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    entries: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """Where the cell is not zero; rectangular cells then pay for few products."""
    turning: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """Where its inverse is not zero."""
    dimension: int = eqx.field(static=True)
    invariant: bool = eqx.field(static=True)

    def __init__(self, cell: Any, cutoff: Any) -> None:
        lattice = _concrete_cell(cell)
        reach = float(cutoff)
        if not (np.isfinite(reach) and reach > 0):
            raise ValueError(
                f"cutoff: {reach} given; it must be positive and finite, as infinitely "
                "many images lie within an infinite one."
            )
        self.cell = jnp.asarray(lattice)
        self.cutoff = jnp.asarray(reach)
        inverse = np.linalg.inv(lattice)
        self.inverse = jnp.asarray(inverse)
        self.shifts = image_shifts(lattice, reach)
        self.entries = _entries(lattice)
        self.turning = _entries(inverse)
        self.dimension = len(lattice)
        self.invariant = True

    @property
    def nearest(self) -> bool:
        """Whether one image of each pair suffices."""
        return len(self.shifts) == 1

    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        dtype, n = positions.dtype, positions.shape[0]
        cell, inverse = self.cell.astype(dtype), self.inverse.astype(dtype)
        # The barrier keeps the padding out of the loop over pairs.
        rows = barrier(pad_atoms(positions.T))
        differences = [(c[None, :] - c[:n, None])[None] for c in rows]
        # Products in so many words: accelerators would round those of matrices.
        turns = [
            jnp.round(
                sum(differences[c] * inverse[c, k] for c, j in self.turning if j == k)
            )
            for k in range(len(rows))
        ]
        shifts = np.array(self.shifts, dtype)
        for k, c in self.entries:
            count = jnp.asarray(shifts[:, k, None, None]) - turns[k]
            differences[c] = differences[c] + count * cell[k, c]
        squared = sum(d * d for d in differences)
        mask = jnp.asarray(self._mask(n)) & (squared < self.cutoff.astype(dtype) ** 2)
        return Pairs(tuple(differences), jnp.where(mask, squared, jnp.inf), mask, None)

    def _mask(self, n: int) -> Bool[np.ndarray, "m n q"]:
        atoms = np.arange(padded(n))
        others = np.arange(n)[:, None] != atoms
        image = np.any(np.array(self.shifts) != 0, axis=1)[:, None, None]
        return (others | image) & (atoms < n)

    def atoms(self, n: int) -> int:
        return n

    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return positions

    def offsets(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return jnp.zeros_like(positions)

    def scatter(
        self, fractions: Float[Array, "n d"], edge: Float[Array, ""]
    ) -> Float[Array, "n d"]:
        return _map(fractions, self.cell.astype(fractions.dtype))


def _entries(matrix: Float[np.ndarray, "d d"]) -> tuple[tuple[int, int], ...]:
    return tuple((int(k), int(c)) for k, c in np.argwhere(matrix))


def _map(rows: Float[Array, "n d"], matrix: Float[Array, "d d"]) -> Float[Array, "n d"]:
    return matmul(rows, matrix)
