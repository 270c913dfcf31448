"""Plain loops in NumPy: slow, obvious, and independent of the library."""

import itertools
from typing import Any

import numpy as np


def neighbours(
    positions: np.ndarray, cutoff: float, cell: np.ndarray | None = None
) -> list[list[tuple[int, np.ndarray]]]:
    """Return, for each atom, partner and difference vector of every neighbour, images
    listed one by one."""
    shifts = [np.zeros(3)]
    if cell is not None:
        # Distances of opposite faces; one cell more, as atoms may lie outside of it.
        heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        counts = np.ceil(cutoff / heights).astype(int) + 1
        ranges = [range(-k, k + 1) for k in counts]
        shifts = [np.array(s) @ cell for s in itertools.product(*ranges)]
    moves = np.array(shifts)
    own = int(np.flatnonzero(~moves.any(axis=1))[0])
    found: list[list[tuple[int, np.ndarray]]] = []
    for i, here in enumerate(positions):
        near = []
        for j, there in enumerate(positions):
            vectors = there - here + moves
            inside = np.linalg.norm(vectors, axis=1) < cutoff
            inside[own] &= i != j
            near += [(j, vector) for vector in vectors[inside]]
        found.append(near)
    return found


def stillinger_weber(
    positions: np.ndarray,
    constants: dict[str, float],
    cell: np.ndarray | None = None,
    *,
    legs: int = 2,
    softening: float = 0.0,
    nearest: bool = False,
) -> float:
    """Return the Stillinger-Weber energy by a triple loop.

    Arguments:
        positions: atoms.
        constants: epsilon, sigma, A, B, p, q, a, lambda, gamma.
        cell: lattice vectors in rows; free space if None.
        legs: exponentials in the three-body term; one, of the first leg, as printed.
        softening: added to the distances by which cosines are divided, as jax-md does.
        nearest: wrongly keep only the nearest image of each partner.
    """
    c = constants
    end = c["a"] * c["sigma"]
    energy = 0.0
    for near in neighbours(positions, end, cell):
        if nearest:
            best = {}
            for j, v in near:
                if j not in best or np.linalg.norm(v) < np.linalg.norm(best[j]):
                    best[j] = v
            near = list(best.items())
        for k, (_, first) in enumerate(near):
            r = np.linalg.norm(first)
            x = c["sigma"] / r
            pair = c["A"] * (c["B"] * x ** c["p"] - x ** c["q"])
            energy += 0.5 * c["epsilon"] * pair * np.exp(c["sigma"] / (r - end))
            for _, second in near[k + 1 :]:
                s = np.linalg.norm(second)
                cosine = first @ second / (r + softening) / (s + softening)
                tail = np.exp(c["gamma"] * c["sigma"] / (r - end))
                if legs == 2:
                    tail *= np.exp(c["gamma"] * c["sigma"] / (s - end))
                energy += c["epsilon"] * c["lambda"] * tail * (cosine + 1 / 3) ** 2
    return float(energy)


def gupta(positions: np.ndarray, row: dict[str, float], *, printed: bool = False) -> float:
    """Return the Gupta energy of one metal in free space by a double loop.

    Arguments:
        positions: atoms.
        row: A, xi, p, q, r0.
        printed: sum over j > i with xi outside the root, as the paper's Eq. (6) has it.
    """
    energy = 0.0
    for i, here in enumerate(positions):
        others = [j for j in range(len(positions)) if (j > i if printed else j != i)]
        stretch = np.linalg.norm(positions[others] - here, axis=1) / row["r0"] - 1
        energy += row["A"] * np.sum(np.exp(-row["p"] * stretch))
        energy -= row["xi"] * np.sqrt(np.sum(np.exp(-2 * row["q"] * stretch)))
    return float(energy)


def gupta_fcc(row: dict[str, float], constant: float, reach: int = 12) -> float:
    """Return the energy per atom of the fcc crystal by a sum over its sites."""
    edge = np.arange(-reach, reach + 1)
    sites = np.stack(np.meshgrid(edge, edge, edge), axis=-1).reshape(-1, 3)
    sites = sites[(sites.sum(axis=1) % 2 == 0) & sites.any(axis=1)]
    stretch = 0.5 * constant * np.linalg.norm(sites, axis=1) / row["r0"] - 1
    repulsion = row["A"] * np.sum(np.exp(-row["p"] * stretch))
    return float(repulsion - row["xi"] * np.sqrt(np.sum(np.exp(-2 * row["q"] * stretch))))


def lennard_jones(
    positions: np.ndarray, cutoff: float = np.inf, onset: float | None = None
) -> float:
    """Return 4 [(1/r)^12 - (1/r)^6] over all pairs, in the unit where sigma is one.

    Arguments:
        positions: atoms.
        cutoff: where pairs end.
        onset: if given, pairs fade smoothly from here to the cutoff, as jax-md's do.
    """
    i, j = np.triu_indices(len(positions), k=1)
    r = np.linalg.norm(positions[i] - positions[j], axis=1)
    energies = 4 * (r**-12 - r**-6)
    factor = np.where(r < cutoff, 1.0, 0.0)
    if onset is not None:
        end, begin, s = cutoff**2, onset**2, r**2
        fade = (end - s) ** 2 * (end + 2 * s - 3 * begin) / (end - begin) ** 3
        factor = np.where(r < onset, 1.0, factor * fade)
    return float(np.sum(factor * energies))


def permuted(positions: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Return a structure in several random orders of its atoms."""
    rng = np.random.default_rng(seed)
    return [positions[rng.permutation(len(positions))] for _ in range(count)]


def minimum(energy: Any, lower: float, upper: float) -> float:
    """Return where a function of one number is lowest, by golden sections."""
    ratio = (np.sqrt(5) - 1) / 2
    while upper - lower > 1e-6:
        left, right = upper - ratio * (upper - lower), lower + ratio * (upper - lower)
        if energy(left) < energy(right):
            upper = right
        else:
            lower = left
    return 0.5 * (lower + upper)
