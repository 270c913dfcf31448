"""Tables of lowest energies, from coordinates that do not come from this library."""

import csv
import importlib.resources
import importlib.util
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.optimizers import Quench, quench
from l2h.potentials import AbstractPotential, Gupta, LennardJones

from . import structures
from .base import Context, Row, Skip, check, close, large, missing

TABLE, GUPTA = "lennard_jones_minima.csv", "gupta_minima.csv"
# Six decimals are quoted.
TOLERANCE = 1e-6
# The sizes that are also built, so that programs are shared.
QUICK = (7, 13, 38)
# Sizes are filled up to multiples of this, so that five programs serve all of them.
BLOCK = 30
LANDMARKS = (13, 19, 31, 38, 55, 75, 98, 104)


@eqx.filter_jit
def relax(potential: AbstractPotential, positions: jax.Array) -> Quench:
    """Relax a structure in double precision."""
    return quench(potential, positions, tolerance=1e-9, limit=5000)


def relaxed(potential: AbstractPotential, positions: np.ndarray) -> float:
    """Return the energy of the nearest minimum; NaN if there is none within reach."""
    found = relax(potential, jnp.asarray(positions))
    return float(found.energy) if bool(found.converged) else float("nan")


def crowd(positions: np.ndarray) -> np.ndarray:
    """Return a cluster with atoms added far away, up to a multiple of BLOCK.

    They are at least 195 pair lengths from everything: together they lower the energy by
    less than 2e-10, and no coordinate loses digits that matter.
    """
    reach = (-1, 0, 1)
    sites = [np.array(s) for s in itertools.product(reach, repeat=3) if any(s)]
    sites += [2 * s for s in sites if np.abs(s).sum() == 1]
    extra = -len(positions) % BLOCK
    far = 200.0 * np.array(sites[:extra], float).reshape(-1, 3)
    return np.concatenate([positions - positions.mean(axis=0), far])


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table that the library ships."""
    path = importlib.resources.files("l2h") / "data" / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def table() -> dict[int, float]:
    """Return the library's table of Lennard-Jones minima."""
    return {int(row["n"]): float(row["energy"]) for row in rows(TABLE)}


def coordinates() -> dict[int, np.ndarray] | None:
    """Return the Cambridge minima that PyXtal ships, pair minimum at one; None where it
    is not installed. Its file is read without importing the package."""
    if missing("pyxtal"):
        return None
    spec = importlib.util.find_spec("pyxtal")
    assert spec is not None and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "database" / "clusters.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    # Given in units of sigma.
    unit = 2 ** (-1 / 6)
    return {int(e["name"]): unit * np.array(e["position"]["data"]) for e in entries}


@check("minima")
def built(context: Context) -> Iterator[Row]:
    known = table()
    shapes = {
        "pentagonal bipyramid": structures.bipyramid(),
        "icosahedron": structures.icosahedron(1),
        "truncated octahedron": structures.truncated_octahedron(),
    }
    if not context.quick:
        shapes["octahedron"] = structures.octahedron()
        shapes["Mackay icosahedron"] = structures.icosahedron(2)
        shapes["third Mackay icosahedron"] = structures.icosahedron(3)
    for name, positions in shapes.items():
        n = len(positions)
        energy = relaxed(LennardJones(), positions)
        yield close(f"LJ{n}: {name}", known[n], energy, TOLERANCE, "built, relaxed")


@check("minima")
def cambridge(context: Context) -> Iterator[Row | Skip]:
    known, independent = table(), coordinates()
    if independent is None:
        yield Skip("Lennard-Jones table against coordinates", "pyxtal is not installed")
        return
    source = "Cambridge Cluster Database by way of PyXtal"
    sizes = QUICK if context.quick else range(3, 151)
    worst, at = 0.0, 0
    for n in sizes:
        start = independent[n] if context.quick else crowd(independent[n])
        energy = relaxed(LennardJones(), start)
        row = close(
            f"LJ{n}: table against coordinates", known[n], energy, TOLERANCE, source
        )
        if n in LANDMARKS or not row.passed:
            yield row
        error = abs(row.measured - row.expected)
        if not error <= worst:
            worst, at = error, n
    name = f"LJ table, {len(sizes)} sizes: largest deviation (N = {at})"
    yield close(name, worst, 0.0, TOLERANCE, source)
    yield large("LJ table: sizes with coordinates", len(independent), 148, source)


@check("minima")
def gupta(context: Context) -> Iterator[Row | Skip]:
    try:
        known = {row["cluster"]: float(row["energy_eV"]) for row in rows(GUPTA)}
    except FileNotFoundError:
        yield Skip("Gupta minima", f"l2h ships no {GUPTA}")
        return
    shapes = {13: structures.icosahedron(1), 38: structures.truncated_octahedron()}
    # One program serves the four metals.
    for n, positions in shapes.items():
        for metal in ("Au", "Ag", "Pd", "Pt"):
            if f"{metal}{n}" not in known:
                continue
            potential = Gupta.named(metal, n)
            start = 0.97 * float(potential.scale.length) * positions
            energy, expected = relaxed(potential, start), known[f"{metal}{n}"]
            name = f"{metal}{n}: table, eV"
            yield close(name, expected, energy, TOLERANCE, "built, relaxed")
    # Nobody could build it: found by a search.
    path = importlib.resources.files("l2h") / "data" / "gupta_au55.xyz"
    x = np.loadtxt(path.read_text().splitlines(), skiprows=2, usecols=(1, 2, 3))
    energy = relaxed(Gupta.named("Au", len(x)), x)
    yield close("Au55: table, eV", known["Au55"], energy, TOLERANCE, "shipped, relaxed")
