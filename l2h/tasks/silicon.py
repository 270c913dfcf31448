"""Silicon in periodic cells."""

import csv
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from ..inits import Harmonic
from ..potentials import StillingerWeber
from .base import Task


@cache
def minima() -> dict[str, tuple[float, float]]:
    """Return, by preset, the edge of the cubic cell of eight atoms (Angstrom) and the
    energy per atom of perfect diamond in it (eV); see l2h/data/README.md."""
    text = resources.files("l2h.data").joinpath("silicon_minima.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {r["preset"]: (float(r["edge"]), float(r["energy_per_atom"])) for r in rows}


def silicon(
    cell: Any,
    n: int,
    preset: str = "full",
    *,
    name: str | None = None,
    reference: float | None = None,
) -> Task:
    """Return `n` silicon atoms in a periodic cell.

    Arguments:
        cell: concrete lattice vectors in rows, 3 x 3 (Angstrom).
        n: number of atoms.
        preset: parameters, as in `StillingerWeber.silicon`.
        name: by which it is reported; `"si<n>-custom"` if not given.
        reference: lowest known energy (eV), if any.

    Raises:
        ValueError: if `cell` is none, `n` is not positive or `preset` is unknown.
    """
    return Task(
        name=f"si{n}-custom" if name is None else name,
        potential=StillingerWeber.silicon(cell, preset),
        init=Harmonic(),
        n=n,
        symbols=("Si",) * n,
        reference=reference,
    )


def diamond(n: int, preset: str = "full") -> Task:
    """Return silicon in the cubic cell that holds a whole diamond crystal of `n` atoms.

    Arguments:
        n: 8 k^3; the cell has k times the edge of the conventional one.
        preset: parameters, as in `StillingerWeber.silicon`.

    Raises:
        ValueError: if `n` is no such number, or `preset` is unknown.
    """
    suffix = "" if preset == "full" else f"-{preset}"
    k = round((n / 8) ** (1 / 3))
    if k < 1 or n != 8 * k**3:
        lower = int((n / 8) ** (1 / 3) + 1e-9)
        near = [f"si{8 * m**3}{suffix}" for m in (lower, lower + 1) if m > 0]
        raise ValueError(
            f"si{n}{suffix}: no cubic cell of diamond holds {n} atoms; the next that do "
            f"are {' and '.join(near)}. For other cells use tasks.silicon(cell, n)."
        )
    if preset not in minima():
        raise ValueError(
            f"preset: {preset!r} is unknown; choose from {', '.join(minima())}."
        )
    edge, energy = minima()[preset]
    return silicon(
        k * edge * np.eye(3), n, preset, name=f"si{n}{suffix}", reference=n * energy
    )
