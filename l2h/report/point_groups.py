"""Point groups of free clusters, by libmsym."""

import importlib.util
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# libmsym's own default, relative to the size of the structure: minima that were polished in
# double precision are a thousand times more regular, thermal structures are not.
TOLERANCE = 1e-3


def available() -> bool:
    """Whether pymsym is installed (the extra `page`)."""
    return importlib.util.find_spec("pymsym") is not None


def point_group(
    positions: Float[np.ndarray, "n 3"], symbols: Sequence[str] | None = None
) -> str:
    """Return the Schoenflies symbol of a free cluster, within a relative 1e-3.

    Arguments:
        positions: a relaxed structure, in any unit.
        symbols: one element an atom; None if all are alike.

    Returns:
        The symbol, such as "Ih"; "C1" where no symmetry is found within the tolerance.

    Reference: libmsym, Johansson and Veryazov 2017, doi:10.1186/s13321-017-0193-3.
    """
    import pymsym  # pyright: ignore[reportMissingImports]

    # In Angstrom at least roughly: its tolerances know no reduced units.
    names = list(symbols) if symbols is not None else ["Ar"] * len(positions)
    spread = np.sqrt(np.mean(np.sum((positions - positions.mean(0)) ** 2, axis=1)))
    x = (positions - positions.mean(0)) * (3 * len(positions) ** (1 / 3) / spread)
    atoms = [
        pymsym.Element(name=name, coordinates=[float(c) for c in row])
        for name, row in zip(names, x, strict=True)
    ]
    try:
        with pymsym.Context(elements=atoms, basis_functions=[]) as context:
            found = str(context.find_symmetry())
    except pymsym.Error:  # so it says that there is no axis
        return "C1"
    return {"D0h": "Dinfh", "C0v": "Cinfv"}.get(found, found)
