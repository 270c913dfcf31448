"""Which symmetry a given cluster has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int


def symmetry_operations(
    positions: Float[np.ndarray | Array, "n 3"],
    *,
    species: Int[np.ndarray | Array, " n"] | Sequence[int] | None = None,
    tolerance: float = 0.05,
) -> Float[np.ndarray, "g 3 3"]:
    """Return the orthogonal matrices that map a cluster, centred, onto itself.

    An operation is known by where it takes two atoms that do not lie on a line with the
    centre, and by whether it reflects. All pairs at the same distances are tried.

    Arguments:
        positions: of the atoms, in any orientation, not all on one line.
        species: of the atoms; all alike if None.
        tolerance: largest distance from an image to an atom, in units of the smallest
            distance of two atoms.

    Raises:
        ValueError: if all atoms lie on one line, where operations are infinitely many.
    """
    x, kinds, reach = _prepared(positions, species, tolerance)
    if _linear(x, reach):
        raise ValueError(
            "positions: all atoms lie on one line, which has infinitely many operations; "
            "point_group names its symmetry."
        )
    radii = np.linalg.norm(x, axis=1)
    shells = (np.abs(radii[:, None] - radii) < reach) & (kinds[:, None] == kinds)
    first, second = _reference(x, shells.sum(axis=1), reach)
    apart = np.linalg.norm(x[:, None] - x, axis=2)
    frame = _frame(x[first], x[second])
    found: dict[tuple, np.ndarray] = {}
    for a in np.flatnonzero(shells[first]):
        close = np.abs(apart[a] - apart[first, second]) < 2 * reach
        for b in np.flatnonzero(shells[second] & close):
            for sign in (1.0, -1.0):
                # A reflection in the plane of both atoms reverses the normal only.
                guess = _frame(x[a], x[b]).T @ np.diag([1, 1, sign]) @ frame
                if (image := _image(x @ guess.T, x, kinds, 2 * reach)) is None:
                    continue
                # The best matrix for where the atoms go, of the same handedness.
                left, _, right = np.linalg.svd(x[image].T @ x)
                handed = np.sign(np.linalg.det(guess) * np.linalg.det(left @ right))
                operation = left @ np.diag([1, 1, handed]) @ right
                if np.linalg.norm(x @ operation.T - x[image], axis=1).max() < reach:
                    found.setdefault((*image, np.linalg.det(guess) > 0), operation)
    return np.array(sorted(found.values(), key=lambda m: -np.trace(m)))


def point_group(
    positions: Float[np.ndarray | Array, "n 3"],
    *,
    species: Int[np.ndarray | Array, " n"] | Sequence[int] | None = None,
    tolerance: float = 0.05,
) -> str:
    """Return the Schoenflies name of a cluster's point group, such as "D5h".

    Linear clusters have "D*h" or "C*v", with a star for infinity.

    Arguments:
        positions: of at least two atoms, in any orientation.
        species: of the atoms; all alike if None.
        tolerance: largest distance from an image to an atom, in units of the smallest
            distance of two atoms.

    Raises:
        ValueError: for fewer than two atoms.
    """
    x, kinds, reach = _prepared(positions, species, tolerance)
    if _linear(x, reach):
        return "D*h" if _image(-x, x, kinds, reach) is not None else "C*v"
    table = symmetry_operations(positions, species=species, tolerance=tolerance)
    traces = np.trace(table, axis1=1, axis2=2)
    proper = np.linalg.det(table) > 0
    turns = np.arccos(np.clip((traces[proper] - 1) / 2, -1, 1))
    order = int(np.round(2 * np.pi / turns[turns > 0.1].min())) if proper.sum() > 1 else 1
    mirrors = int(np.sum(~proper & (np.abs(traces - 1) < 0.1)))
    inverted = bool(np.any(traces < -2.9))
    chiral, rotations = bool(proper.all()), int(proper.sum())
    if rotations not in (order, 2 * order):
        letter = {12: "T", 24: "O", 60: "I"}[rotations]
        if chiral:
            return letter
        return letter + ("h" if inverted or letter != "T" else "d")
    if rotations == 2 * order:
        return f"D{order}" + ("" if chiral else "h" if mirrors == order + 1 else "d")
    if chiral:
        return f"C{order}"
    if order == 1:
        return "Ci" if inverted else "Cs"
    return {1: f"C{order}h", order: f"C{order}v", 0: f"S{2 * order}"}[mirrors]


def _prepared(
    positions: Any, species: Any, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return centred positions, species, and the tolerance as a length."""
    x = np.asarray(positions, float)
    if len(x) < 2:
        raise ValueError(f"positions: {len(x)} atoms given; a cluster has at least 2.")
    apart = np.linalg.norm(x[:, None] - x, axis=2)[~np.eye(len(x), dtype=bool)]
    kinds = np.zeros(len(x), int) if species is None else np.asarray(species)
    return x - x.mean(axis=0), kinds, tolerance * apart.min()


def _linear(x: np.ndarray, reach: float) -> bool:
    return bool(np.linalg.svd(x, compute_uv=False)[1] < reach)


def _reference(x: np.ndarray, sizes: np.ndarray, reach: float) -> tuple[int, int]:
    """Return two atoms with few equals, on no line with the centre."""
    order = np.argsort(sizes, kind="stable")
    radii = np.linalg.norm(x, axis=1)
    across = np.linalg.norm(np.cross(x[:, None], x), axis=2)
    # Nearly a line would leave the frame open; atoms far out fix it best.
    steep = across > 0.3 * np.outer(radii, radii)
    steep &= np.minimum.outer(radii, radii) > max(4 * reach, 0.2 * radii.max())
    if not steep.any():
        steep = across == across.max()
    costs = np.where(steep, np.add.outer(sizes, sizes), np.inf)[np.ix_(order, order)]
    first, second = np.unravel_index(np.argmin(costs), costs.shape)
    return int(order[first]), int(order[second])


def _frame(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return orthonormal rows: along a, across it in the plane of both, normal to it."""
    along = a / np.linalg.norm(a)
    across = b - along * (b @ along)
    across = across / max(float(np.linalg.norm(across)), 1e-12)
    return np.array([along, across, np.cross(along, across)])


def _image(
    moved: np.ndarray, x: np.ndarray, kinds: np.ndarray, reach: float
) -> np.ndarray | None:
    """Return the atom that each moved atom meets; None if they are not the same atoms."""
    apart = np.linalg.norm(moved[:, None] - x, axis=2)
    nearest = apart.argmin(axis=1)
    fits = apart.min(axis=1).max() < reach and len(set(nearest)) == len(x)
    return nearest if fits and np.all(kinds[nearest] == kinds) else None
