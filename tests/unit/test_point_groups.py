"""Point groups of clusters, against shapes that are known by name."""

import numpy as np
import pytest
from ase.build import molecule
from ase.cluster import Decahedron, Icosahedron, Octahedron
from searches import quenched

from l2h.report.point_groups import point_group

pytest.importorskip("pymsym")


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
    assert point_group(x, atoms.get_chemical_symbols()) == group
    noise = np.random.default_rng(1).normal(size=x.shape) * 0.1 * scale
    assert point_group(x + noise, atoms.get_chemical_symbols()) == "C1"


def test_elements_count() -> None:
    atoms = Octahedron("Au", 4, 1)
    symbols = ["Ag", *["Au"] * 37]
    assert point_group(atoms.positions, symbols) not in ("Oh", "C1")


def test_minima_of_the_table() -> None:
    assert point_group(quenched("lj13", starts=64).positions[0]) == "Ih"
