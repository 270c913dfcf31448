"""Structures and symmetry operations for property tests.

Sizes come from a fixed ladder, so that functions compile once per size. Distances are in
natural lengths and hold by construction: atoms sit on a jittered lattice.
"""

import itertools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

SIZES = (2, 3, 5, 8)
JITTER = 0.12


def _units(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(-1, 1, width=32))


@st.composite
def clusters(
    draw: st.DrawFn,
    *,
    sizes: tuple[int, ...] = SIZES,
    spacing: float = 1.1,
    dimension: int = 3,
    used: int | None = None,
) -> np.ndarray:
    """Atoms on a lattice that fills `used` coordinates, each moved by up to 12 %.

    Two atoms are never closer than 0.76 times `spacing`.
    """
    n = draw(st.sampled_from(sizes))
    used = dimension if used is None else used
    edge = int(np.ceil(n ** (1 / used)))
    sites = np.array(list(itertools.product(range(edge), repeat=used)), float)[:n]
    moved = np.zeros((n, dimension))
    moved[:, :used] = sites + JITTER * draw(_units((n, used)))
    return spacing * moved


def separated(**options) -> st.SearchStrategy[np.ndarray]:
    """Clusters with bonds near their natural length."""
    return clusters(**options)


def near_contact(**options) -> st.SearchStrategy[np.ndarray]:
    """Clusters deep in the repulsion, distances from 0.45."""
    return clusters(spacing=0.6, **options)


def far_flung(**options) -> st.SearchStrategy[np.ndarray]:
    """Atoms too far apart to feel much."""
    return clusters(spacing=20.0, **options)


def collinear(**options) -> st.SearchStrategy[np.ndarray]:
    """Atoms exactly on a line."""
    return clusters(used=1, **options)


def coplanar(**options) -> st.SearchStrategy[np.ndarray]:
    """Atoms exactly in a plane."""
    return clusters(used=2, **options)


def structures() -> st.SearchStrategy[np.ndarray]:
    """Any structure without coincident atoms."""
    return st.one_of(separated(), near_contact(), collinear(), coplanar(), far_flung())


def coincident(**options) -> st.SearchStrategy[np.ndarray]:
    """Clusters in which the first two atoms share a site."""

    def merge(positions: np.ndarray) -> np.ndarray:
        merged = positions.copy()
        merged[1] = merged[0]
        return merged

    return clusters(**options).map(merge)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of auxiliary random numbers."""
    return st.integers(0, 2**31 - 1)


def rotation(seed: int, dimension: int = 3, *, reflect: bool = False) -> np.ndarray:
    """Return a random proper rotation, or an improper one."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))
    q = q * np.sign(np.diag(r))
    if (np.linalg.det(q) < 0) != reflect:
        q[:, 0] = -q[:, 0]
    return q


def permutation(seed: int, n: int) -> np.ndarray:
    """Return a random order of `n` atoms, never the identity for n > 1."""
    order = np.random.default_rng(seed).permutation(n)
    return np.roll(order, 1) if n > 1 and np.all(order == np.arange(n)) else order


def random_cluster(seed: int, n: int, dtype: str = "float64") -> np.ndarray:
    """Return one jittered cluster, outside of any property."""
    edge = int(np.ceil(n ** (1 / 3)))
    sites = np.array(list(itertools.product(range(edge), repeat=3)), float)[:n]
    noise = np.random.default_rng(seed).uniform(-JITTER, JITTER, sites.shape)
    return (1.1 * (sites + noise)).astype(dtype)
