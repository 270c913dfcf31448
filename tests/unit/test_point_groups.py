"""Point groups of clusters, against shapes that are known by name."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule
from ase.cluster import Decahedron, Icosahedron, Octahedron
from searches import quenched

from l2h import tasks
from l2h.engine import SearchResult
from l2h.report.point_groups import point_groups


def point_group(x, symbols=None):
    """Return the group that the page shows of a structure."""
    task = replace(tasks.get(f"lj{len(x)}"), symbols=symbols)
    one, none = np.zeros(1, int), np.zeros(1)
    (found,) = point_groups(SearchResult(task, none, x[None], one, one, evaluations=1))
    return found


@pytest.mark.parametrize(
    ("atoms", "group"),
    [
        (Icosahedron("Au", 2), "Ih"),
        (Icosahedron("Au", 3), "Ih"),
        (Octahedron("Au", 4, 1), "Oh"),  # 38 atoms
        (Decahedron("Au", 2, 2, 0), "D5h"),
        (molecule("CH4"), "Td"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_known_shapes(atoms, group, scale) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    x = scale * atoms.positions @ turn + 1.7
    assert point_group(x, tuple(atoms.get_chemical_symbols())) == group
    noise = np.random.default_rng(1).normal(size=x.shape) * 0.1 * scale
    assert point_group(x + noise, tuple(atoms.get_chemical_symbols())) == "C1"


def test_elements_count() -> None:
    atoms = Octahedron("Au", 4, 1)
    symbols = ("Ag", *["Au"] * 37)
    assert point_group(atoms.positions, symbols) not in ("Oh", "C1")


def test_minima_of_the_table() -> None:
    assert point_group(quenched("lj13", starts=64).positions[0]) == "Ih"


def test_rows_of_atoms_have_an_axis_without_end() -> None:
    x = np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]])
    assert point_group(x) == "D∞h"
    assert point_group(x, ("Au", "Au", "Ag")) == "C∞v"


def test_crystals_have_no_point_group() -> None:
    one, task = np.zeros(1, int), tasks.get("si8")
    result = SearchResult(task, np.zeros(1), np.zeros((1, 8, 3)), one, one, evaluations=1)
    assert point_groups(result) == []
