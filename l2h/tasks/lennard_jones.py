"""Lennard-Jones clusters of any size."""

import csv
from functools import cache
from importlib import resources

from ..inits import Harmonic
from ..potentials import LennardJones
from .base import Task


@cache
def minima() -> dict[int, float]:
    """Return the lowest known energies by number of atoms (l2h/data/README.md)."""
    text = resources.files("l2h.data").joinpath("lennard_jones_minima.csv").read_text()
    return {int(r["n"]): float(r["energy"]) for r in csv.DictReader(text.splitlines())}


def lennard_jones(n: int, *, paper: bool = False) -> Task:
    """Return the cluster of `n` atoms in reduced units (d0 = 1, epsilon = 1).

    Arguments:
        n: number of atoms.
        paper: whether it starts as in Learn2Hop: denser, atoms of larger clusters still
            overlapping, which hot descents turn to their advantage (docs/baselines.md).

    Raises:
        ValueError: for fewer than two atoms.
    """
    if n < 2:
        raise ValueError(
            f"lj{n}: a cluster of {n} atoms has nothing to optimize; take at least 2."
        )
    return Task(
        name=f"lj{n}-paper" if paper else f"lj{n}",
        potential=LennardJones(),
        init=Harmonic.paper() if paper else Harmonic(),
        n=n,
        reference=minima().get(n),
    )
