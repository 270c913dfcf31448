"""Symmetries of periodic cells: finer translations, and the cell's own point operations."""

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._leaves import concrete
from .._platform import matmul

SAME = 1e-6
# Points that a centred cell adds to its corners, as fractions of the cell.
CENTRINGS = {
    "P": ((0.0, 0.0, 0.0),),
    "I": ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
    "F": ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)),
}


def translations(divisions: Sequence[int], centring: str = "P") -> Float[np.ndarray, "t 3"]:
    """Return the translations of a cell that is made of k x l x m smaller ones.

    Arguments:
        divisions: k, l and m.
        centring: of the smaller cells: "P" (none), "I" (body) or "F" (faces).

    Returns:
        Shifts as fractions of the cell, zero first.

    Raises:
        ValueError: if a division is not positive or the centring is unknown.
    """
    counts = tuple(divisions)
    if len(counts) != 3 or min(counts) < 1:
        raise ValueError(f"divisions: {counts} given; give three positive integers.")
    if centring not in CENTRINGS:
        raise ValueError(
            f"centring: {centring!r} is unknown; choose from {', '.join(CENTRINGS)}."
        )
    corners = np.array(list(itertools.product(*map(range, counts))), float)
    shifts = corners[:, None] + np.array(CENTRINGS[centring])
    return shifts.reshape(-1, 3) / np.array(counts)


def point_operations(cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "p 3 3"]:
    r"""Return the rotations and reflections that map a lattice onto itself.

    In fractions f of the lattice vectors they are the integer matrices W, f' = W f, with

    \[ W^T M W = M, \qquad M = C C^T. \]

    Arguments:
        cell: C, lattice vectors in rows.

    Returns:
        All of these matrices, the identity first.
    """
    cell = np.asarray(cell, float) / np.linalg.norm(cell, axis=1).max()
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.floor(lengths.max() / heights + SAME).astype(int)
    points = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))), float)
    norms = np.sqrt(np.einsum("pi,ij,pj->p", points, metric, points))
    # Each lattice vector goes to one of the same length.
    columns = [points[np.abs(norms - length) < SAME * length] for length in lengths]
    found = [
        np.array(choice).T
        for choice in itertools.product(*columns)
        if np.allclose(
            np.array(choice) @ metric @ np.array(choice).T, metric, rtol=0, atol=SAME
        )
    ]
    found.sort(key=lambda operation: -np.trace(operation))
    return np.array(found)


def shortest_translation(
    cell: Float[np.ndarray, "3 3"], shifts: Float[np.ndarray, "t 3"]
) -> float:
    """Return the length of the shortest translation that is not zero, lattice included.

    Arguments:
        cell: lattice vectors in rows.
        shifts: translations as fractions of the cell.
    """
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    lengths = np.linalg.norm((shifts[:, None] + around) @ cell, axis=-1).ravel()
    return float(lengths[lengths > SAME * lengths.max()].min())


def _stack(tables: Sequence[np.ndarray], fill: np.ndarray) -> tuple[Array, Array]:
    most = max(map(len, tables))
    rows = np.tile(fill, (len(tables), most) + (1,) * fill.ndim)
    for row, table in zip(rows, tables, strict=True):
        row[: len(table)] = table
    counts = np.array([len(table) for table in tables])
    return jnp.asarray(rows), jnp.asarray(np.arange(most) < counts[:, None])


def _cyclic(operation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "p 3 3"]:
    """Return the powers of a matrix, the identity first."""
    powers = [np.eye(3)]
    while not np.array_equal(product := powers[-1] @ operation, np.eye(3)):
        powers.append(product)
    return np.array(powers)


def _unique(tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the tables without those that hold the same rows as an earlier one."""
    seen = {}
    for table in tables:
        rows = np.round(table.reshape(len(table), -1) / SAME).astype(int)
        seen.setdefault(frozenset(map(tuple, rows)), table)
    return list(seen.values())


def _compatible(
    shifts: Float[np.ndarray, "t 3"], operation: Float[np.ndarray, "3 3"]
) -> bool:
    """Return whether an operation maps a group of translations onto itself."""
    apart = (shifts @ operation.T)[:, None] - shifts
    return bool(np.all(np.any(np.all(np.abs(apart - np.round(apart)) < SAME, -1), -1)))


class CellGroups(eqx.Module):
    """Groups of a periodic cell, in arrays of one shape: translations that divide it, each
    with the operations of the cell's own lattice that keep them.

    A group is one of the translation groups and, if asked for, the powers of one point
    operation about the origin that maps these translations onto themselves.
    """

    shifts: Float[Array, "T t 3"]
    """Translations as fractions of the cell."""
    shift_mask: Bool[Array, "T t"]
    turns: Float[Array, "P p 3 3"]
    """Point operations, on fractions of the cell: f' = W f."""
    turn_mask: Bool[Array, "P p"]
    compatible: Bool[Array, "T P"]
    n: int = eqx.field(static=True)

    def __init__(
        self,
        cell: Float[Array, "3 3"] | Float[np.ndarray, "3 3"],
        n: int,
        length: Float[Array, ""] | float,
        *,
        divisions: int = 4,
        centrings: Sequence[str] = ("P", "I", "F"),
        shortest: float = 1.5,
        turns: bool = False,
    ) -> None:
        """List the groups that suit a cell and a number of atoms.

        Arguments:
            cell: concrete lattice vectors in rows.
            n: number of atoms; a whole number of them falls to each smaller cell.
            length: natural length, in the unit of the cell.
            divisions: into how many parts each lattice vector is divided at most.
            centrings: of the smaller cells, see `translations`.
            shortest: no translation is shorter, in natural lengths.
            turns: whether groups have point operations too.

        Raises:
            ValueError: if the cell is traced, or no group is left.
        """
        lattice, unit = concrete(cell), concrete(length)
        if lattice is None or unit is None:
            raise ValueError(
                "cell: its symmetries follow from numbers, and none are known while "
                "tracing; build CellGroups(cell, n, length) outside of jit and vmap."
            )
        lattice = lattice.astype(float)
        counts = itertools.product(range(1, divisions + 1), repeat=3)
        groups = [translations(c, kind) for c in counts for kind in centrings]
        groups = [
            group
            for group in _unique(groups)
            if n % len(group) == 0
            and (turns or len(group) > 1)
            and shortest_translation(lattice, group) >= shortest * unit
        ]
        if not groups:
            raise ValueError(
                f"cell: it cannot be divided into equal parts with a whole number of {n} "
                f"atoms each and translations of {shortest * float(unit):.3g} at least; "
                "give another number of atoms or a smaller `shortest`, or start without "
                "symmetry from inits.Harmonic()."
            )
        operations = point_operations(lattice) if turns else np.eye(3)[None]
        cyclic = _unique([_cyclic(operation) for operation in operations])
        self.shifts, self.shift_mask = _stack(groups, np.zeros(3))
        self.turns, self.turn_mask = _stack(cyclic, np.eye(3))
        self.compatible = jnp.asarray(
            [[_compatible(g, c[min(1, len(c) - 1)]) for c in cyclic] for g in groups]
        )
        self.n = n

    def draw(
        self, key: PRNGKeyArray, cell: Float[Array, "3 3"]
    ) -> tuple[Float[Array, "g 3 3"], Float[Array, "g 3"], Bool[Array, " g"]]:
        """Return a random group: orthogonal matrices, Cartesian shifts, and mask.

        Arguments:
            key: for the draw.
            cell: lattice vectors in rows; its dtype is that of the result.
        """
        first, second = jax.random.split(key)
        which = jax.random.randint(first, (), 0, len(self.shifts), jnp.int32)
        odds = jnp.where(self.compatible[which], jnp.float32(0), -jnp.inf)
        turn = jax.random.categorical(second, odds)
        # A row of fractions f stands for the position f C; hence C^T W C^-T.
        back = jnp.linalg.inv(cell).T
        turns = matmul(matmul(cell.T, self.turns[turn].astype(cell.dtype)), back)
        shifts = matmul(self.shifts[which].astype(cell.dtype), cell)
        mask = self.shift_mask[which][:, None] & self.turn_mask[turn][None]
        shape = *mask.shape, 3
        return (
            jnp.broadcast_to(turns, (*shape, 3)).reshape(-1, 3, 3),
            jnp.broadcast_to(shifts[:, None], shape).reshape(-1, 3),
            mask.ravel(),
        )
