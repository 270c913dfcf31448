"""Whether two clusters can be laid onto each other, atom by atom, by trying it."""

import numpy as np


def superimposable(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether some rotation, reflection and order of atoms lays one onto the other.

    A pair of atoms fixes where all go, up to a reflection: all pairs are tried that lie as
    far from the centre and from each other. Independent of any fingerprint.

    Arguments:
        a, b: clusters of equally many atoms, all alike, not all on one line.
        tolerance: largest distance of an atom from its image.
    """
    a, b = a - a.mean(0), b - b.mean(0)
    radii, others = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    if np.max(np.abs(np.sort(radii) - np.sort(others))) > tolerance:
        return False
    first = int(np.argmax(radii))
    second = int(np.argmax(np.linalg.norm(np.cross(a, a[first]), axis=1)))
    frame, apart = _frame(a[first], a[second]), np.linalg.norm(a[first] - a[second])
    for p in np.flatnonzero(np.abs(others - radii[first]) < tolerance):
        for q in np.flatnonzero(np.abs(others - radii[second]) < tolerance):
            if abs(np.linalg.norm(b[p] - b[q]) - apart) > 2 * tolerance or p == q:
                continue
            target = _frame(b[p], b[q])
            for sign in (1.0, -1.0):
                moved = a @ (target.T @ np.diag([1, 1, sign]) @ frame).T
                distances = np.linalg.norm(moved[:, None] - b, axis=-1)
                nearest = distances.argmin(1)
                if distances.min(1).max() < tolerance and len(set(nearest)) == len(a):
                    return True
    return False


def _frame(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return orthonormal rows: along a, across it in the plane of both, normal to it."""
    along = a / np.linalg.norm(a)
    across = b - along * (b @ along)
    across = across / np.linalg.norm(across)
    return np.stack([along, across, np.cross(along, across)])
