"""Structures built from geometry alone: crystals, closed-shell clusters, random ones."""

import itertools

import numpy as np

GOLDEN = (1 + np.sqrt(5)) / 2


def grid(edge: int) -> np.ndarray:
    """Return the points of a cube of `edge` integers a side."""
    return np.array(list(itertools.product(range(edge), repeat=3)), float)


def jittered(seed: int, edge: int = 2, spacing: float = 1.1) -> np.ndarray:
    """Return edge^3 atoms on a cubic lattice, each moved by up to 12 % of the spacing."""
    sites = grid(edge)
    moves = np.random.default_rng(seed).uniform(-0.12, 0.12, sites.shape)
    return spacing * (sites + moves)


def diamond(constant: float, repeats: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and cubic cell of 8 repeats^3 atoms of the diamond structure."""
    corners = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    basis = np.concatenate([corners, corners + 0.25])
    return tile(constant * basis, constant * np.eye(3), repeats)


def tile(
    positions: np.ndarray, cell: np.ndarray, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a structure repeated along each lattice vector, and its cell."""
    shifts = grid(repeats) @ cell
    return (shifts[:, None] + positions).reshape(-1, 3), repeats * cell


def fcc_cell(constant: float) -> np.ndarray:
    """Return the one-atom cell of the fcc lattice, right-handed, vectors in rows."""
    return 0.5 * constant * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])


def octahedron() -> np.ndarray:
    """Return six atoms at distance one."""
    return np.concatenate([np.eye(3), -np.eye(3)]) / np.sqrt(2)


def bipyramid() -> np.ndarray:
    """Return seven atoms: a pentagon of edge one and two apices."""
    turns = 2 * np.pi * np.arange(5) / 5
    radius = 0.5 / np.sin(np.pi / 5)
    ring = radius * np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    height = np.sqrt(1 - radius**2)
    return np.concatenate([ring, [[0, 0, height], [0, 0, -height]]])


def icosahedron(shells: int) -> np.ndarray:
    """Return a Mackay icosahedron (13, 55, 147 atoms) with distances near one."""
    signs = [s for s in itertools.product((-1, 1), repeat=2)]
    flat = np.array([[0, a, b * GOLDEN] for a, b in signs])
    corners = np.concatenate([np.roll(flat, k, axis=1) for k in range(3)]) / 2
    near = [
        (a, b)
        for a, b in itertools.combinations(range(12), 2)
        if np.isclose(np.linalg.norm(corners[a] - corners[b]), 1.0)
    ]
    faces = [
        (a, b, c)
        for a, b, c in itertools.combinations(range(12), 3)
        if {(a, b), (a, c), (b, c)} <= set(near)
    ]
    points = [np.zeros(3)]
    for k in range(1, shells + 1):
        for a, b, c in faces:
            for i in range(k + 1):
                for j in range(k + 1 - i):
                    weights = np.array([i, j, k - i - j])
                    points.append(weights @ corners[[a, b, c]])
    # Edges and corners belong to several faces.
    return np.unique(np.round(points, 9), axis=0)


def truncated_octahedron() -> np.ndarray:
    """Return the 38-atom fcc truncated octahedron, distances one."""
    sites = np.array(list(itertools.product(np.arange(-3, 4), repeat=3)), float)
    sites = sites[sites.sum(axis=1) % 2 == 0]
    # Centred on an octahedral hole, the 38 nearest sites fill whole shells.
    away = sites - np.array([1.0, 0, 0])
    order = np.argsort(np.linalg.norm(away, axis=1), kind="stable")
    return away[order[:38]] / np.sqrt(2)
