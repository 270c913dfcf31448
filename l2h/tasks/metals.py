"""Clusters of noble metals and of alloys of two."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from ..inits import Harmonic
from ..potentials import Gupta
from ..potentials._constants import tables
from .base import Task


@cache
def minima() -> dict[str, float]:
    """Return the lowest energies found so far by cluster, in eV: upper bounds, not
    proven minima (l2h/data/README.md)."""
    text = resources.files("l2h.data").joinpath("gupta_minima.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {row["cluster"]: float(row["energy_eV"]) for row in rows}


def sets() -> tuple[str, ...]:
    """Return the names of the published parameter sets: metals, then alloys."""
    # Tables as printed, misprints included, are no metals.
    known = [name for name in tables("gupta") if not name.endswith("-printed")]
    return tuple(sorted(known, key=lambda name: ("-" in name, name)))


def metal(counts: Mapping[str, int]) -> Task:
    """Return the cluster of this composition.

    Arguments:
        counts: number of atoms of each metal; for two metals in the order of their
            parameter set ("Ag-Au", "Ag-Pt", "Pd-Au" or "Pd-Pt").

    Raises:
        ValueError: for metals without parameters, in the wrong order or without atoms, or
            fewer than two atoms.
    """
    name = "".join(f"{metal}{count}" for metal, count in counts.items())
    kind = "-".join(counts)
    if kind not in sets():
        turned = dict([*counts.items()][::-1])
        if "-".join(turned) in sets():
            proper = "".join(f"{metal}{count}" for metal, count in turned.items())
            raise ValueError(f"{name}: write it as {proper}.")
        raise ValueError(
            f"{name}: no parameters for {kind or 'nothing'}; choose from "
            f"{', '.join(sets())}."
        )
    if min(counts.values()) < 1:
        raise ValueError(
            f"{name}: every count must be at least 1; leave out a metal without atoms."
        )
    n = sum(counts.values())
    if n < 2:
        raise ValueError(
            f"{name}: a cluster of {n} atom has nothing to optimize; take at least 2."
        )
    return Task(
        name=name,
        potential=Gupta.named(kind, np.repeat(np.arange(len(counts)), [*counts.values()])),
        init=Harmonic(),
        n=n,
        symbols=tuple(metal for metal, count in counts.items() for _ in range(count)),
        reference=minima().get(name),
    )
