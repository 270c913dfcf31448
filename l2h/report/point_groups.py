"""Point groups of the minima of free clusters."""

import numpy as np
from jaxtyping import Float

from ..engine import SearchResult
from ..symmetry import point_group

# Of the smallest distance of two atoms: minima that were polished in double precision are a
# thousand times more regular, thermal structures are not.
TOLERANCE = 1e-3
SHOWN = 150
"""Minima on the page, and with a group; files hold all."""


def point_groups(result: SearchResult, shown: int = SHOWN) -> list[str]:
    """Return the point groups of a free cluster's minima; nothing for other structures.

    Arguments:
        result: of a search.
        shown: how many of the lowest minima are looked at; groups of others are empty.
    """
    space = result.task.potential.space
    if not space.invariant or space.dimension != 3 or hasattr(space, "cell"):
        return []
    names = result.task.symbols
    kinds = None
    if names is not None:
        kinds = np.unique(list(names), return_inverse=True)[1]
    found = [_named(x, kinds) for x in result.positions[:shown]]
    return found + [""] * (len(result.energies) - len(found))


def _named(x: Float[np.ndarray, "n 3"], kinds: np.ndarray | None) -> str:
    name = point_group(x, species=kinds, tolerance=TOLERANCE)
    return {"D*h": "D\N{INFINITY}h", "C*v": "C\N{INFINITY}v"}.get(name, name)
