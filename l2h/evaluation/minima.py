"""Which structures are the same minimum."""

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..spaces import Periodic
from ..tasks import Task

# Energies (natural) and fingerprints (natural lengths) of one minimum, quenched twice,
# differ by less; those of two isomers by more, in at least one of the two.
ENERGY_WINDOW = 1e-5
LENGTH_WINDOW = 1e-2


def distinct(
    task: Task,
    energies: Float[Array, " b"] | Float[np.ndarray, " b"],
    positions: Float[Array, "b n d"] | Float[np.ndarray, "b n d"],
) -> list[int]:
    """Return one index for each different minimum, lowest energy first.

    Two structures are the same if their energies agree and their fingerprints do;
    rotation, reflection and the order of atoms of one element do not matter.

    Arguments:
        task: gives natural units, elements and space.
        energies: of quenched structures, in the potential's unit; those that are not
            finite are left out.
        positions: the structures, in the potential's unit of length.
    """
    which = assigned(task, energies, positions)
    order = np.argsort(np.asarray(energies, np.float64), kind="stable")
    return [int(index) for index in order if which[index] == index]


def assigned(
    task: Task,
    energies: Float[Array, " b"] | Float[np.ndarray, " b"],
    positions: Float[Array, "b n d"] | Float[np.ndarray, "b n d"],
) -> Int[np.ndarray, " b"]:
    """Return for each structure the index of the one that stands for its minimum: the
    lowest that equals it; -1 where the energy is not finite.

    Arguments:
        task, energies, positions: as for `distinct`.
    """
    energies = np.asarray(energies, np.float64)
    # Rounding in single precision may part two quenches of one minimum further.
    eps = np.finfo(np.asarray(positions).dtype).eps
    size = np.max(np.abs(energies[np.isfinite(energies)]), initial=0.0)
    gap = max(ENERGY_WINDOW * task.unit, 16 * eps * size)
    prints: dict[int, np.ndarray] = {}
    which = np.full(len(energies), -1)
    for index in np.argsort(energies, kind="stable").tolist():
        if not np.isfinite(energies[index]):
            continue
        mine = fingerprint(task, np.asarray(positions[index], np.float64))
        near = [other for other in prints if energies[index] - energies[other] <= gap]
        same = (o for o in near if np.max(np.abs(mine - prints[o])) <= LENGTH_WINDOW)
        which[index] = next(same, index)
        prints.setdefault(int(which[index]), mine)
    return which


def fingerprint(task: Task, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " f"]:
    r"""Return numbers that equal structures share, in natural lengths.

    Sorted distances, for each pair of elements by itself, and the sorted eigenvalues of

    \[ K_{ij} = z_i z_j e^{-r_ij} \]

    with a different z for each element. The eigenvalues tell structures apart that have
    the same distances at different places. In a periodic cell, distances are those of
    nearest images. Points of test functions are their own fingerprint.

    Arguments:
        task: gives natural units, elements and space.
        positions: one structure, in the potential's unit of length.
    """
    length = float(task.potential.scale.length)
    if not task.potential.space.invariant:
        return positions.ravel() / length
    distances = _distances(task, positions) / length
    names = task.symbols or ("X",) * len(positions)
    elements = sorted(set(names))
    kind = np.array([elements.index(name) for name in names])
    upper = np.triu(np.ones(distances.shape, bool), 1)
    parts = []
    for first in range(len(elements)):
        for second in range(first, len(elements)):
            pairs = _between(kind, first, second) & upper
            parts.append(np.sort(distances[pairs]))
    weights = 1 + 0.5 * kind
    kernel = np.exp(-distances) * np.outer(weights, weights)
    return np.concatenate([*parts, np.linalg.eigvalsh(kernel)])


def _between(kind: np.ndarray, first: int, second: int) -> Bool[np.ndarray, "n n"]:
    one, other = kind == first, kind == second
    return np.outer(one, other) | np.outer(other, one)


def _distances(task: Task, positions: np.ndarray) -> Float[np.ndarray, "n n"]:
    differences = positions[:, None] - positions[None]
    space = task.potential.space
    if not isinstance(space, Periodic):
        return np.sqrt(np.sum(differences**2, axis=-1))
    cell = np.asarray(space.cell, np.float64)
    fractions = differences @ np.linalg.inv(cell)
    reduced = (fractions - np.round(fractions)) @ cell
    # In a skewed cell, the nearest image may lie one further.
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * len(cell)), -1).reshape(-1, len(cell))
    images = reduced[:, :, None] + steps @ cell
    return np.sqrt(np.min(np.sum(images**2, axis=-1), axis=-1))
