"""Structures reach ASE with their energies, forces, units and cells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import ase
import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.calculators.emt import EMT

from l2h import tasks
from l2h.engine import SearchResult
from l2h.inits import Harmonic
from l2h.interop.ase import calculator_potential
from l2h.io import from_atoms, to_atoms, write_extxyz
from l2h.potentials import METAL, REDUCED, FunctionPotential, LennardJones, Units
from l2h.spaces import Free, Periodic
from l2h.tasks import Task

TRIANGLE = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
CALCULATED = calculator_potential(ase.Atoms("Cu3", 2.5 * TRIANGLE, calculator=EMT()))


def test_ase_reads_energy_forces_and_units_back(tmp_path: Path) -> None:
    potential = LennardJones()
    structures = [TRIANGLE, 1.05 * TRIANGLE]
    write_extxyz(tmp_path / "out.extxyz", potential, structures, info={"task": "lj3"})
    frames: Any = ase.io.read(tmp_path / "out.extxyz", index=":")
    assert len(frames) == 2
    for atoms, positions in zip(frames, structures, strict=True):
        energy, gradient = potential.energy_and_gradient(jnp.asarray(positions))
        np.testing.assert_allclose(atoms.positions, positions, atol=1e-8)
        np.testing.assert_allclose(atoms.get_potential_energy(), energy, rtol=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), -gradient, atol=2e-6)
        assert atoms.get_chemical_symbols() == ["X"] * 3
        assert atoms.info["units"].startswith("reduced")
        assert atoms.info["task"] == "lj3"
        assert not atoms.pbc.any()


def test_given_energies_are_kept_to_all_digits(tmp_path: Path) -> None:
    energy = -2.9999999999123456
    path = tmp_path / "out.extxyz"
    write_extxyz(path, LennardJones(), TRIANGLE[None], energies=[energy])
    atoms: Any = ase.io.read(path)
    assert abs(atoms.get_potential_energy() - energy) < 1e-13


@pytest.mark.parametrize(
    ("task", "units"),
    [
        (from_atoms(ase.Atoms("Ar3", TRIANGLE), LennardJones())[0], REDUCED),
        (replace(tasks.get("Au3"), symbols=None), METAL),
        (tasks.get("si8"), METAL),
        (Task("emt", CALCULATED, Harmonic(), 3), METAL),
        (Task("argon", LennardJones(3.82, 0.0104), Harmonic(), 3, ("Ar",) * 3), Units()),
        (tasks.get("rastrigin3"), Units()),
    ],
)
def test_units_are_those_of_the_potential(task: Task, units: Units) -> None:
    assert task.units == units
    x = task.init(jax.random.key(0), task.potential, task.n, jnp.float64)
    if task.potential.space.dimension == 3:
        atoms = to_atoms(task.potential, x, symbols=task.symbols)
        words = {REDUCED: "in d0", METAL: "Angstrom", Units(): "names none"}
        assert words[units] in atoms.info["units"]
    one = np.ones(1, int)
    found = SearchResult(task, np.ones(1), np.asarray(x)[None], one, one, evaluations=1)
    assert found.unit == units.energy
    labels = {REDUCED: "gap (ε)", METAL: "gap (eV)", Units(): "gap"}
    assert units.label("gap") == labels[units]
    lower = replace(found, task=replace(task, reference=0.5))
    assert f"lies 0.5000 {found.unit}".rstrip() + " above it" in lower.verdict


def test_cells_come_along() -> None:
    cell = np.array([[4.0, 0, 0], [0.5, 4, 0], [0, 0.3, 4]])
    atoms = to_atoms(LennardJones(space=Periodic(cell, 1.9)), TRIANGLE)
    np.testing.assert_allclose(atoms.cell.array, cell, rtol=1e-6)
    assert atoms.pbc.all()


def test_flat_structures_gain_a_third_coordinate() -> None:
    atoms = to_atoms(LennardJones(space=Free(2)), TRIANGLE[:, :2])
    np.testing.assert_array_equal(atoms.positions, TRIANGLE)
    assert atoms.get_forces().shape == (3, 3)


def test_input_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path, potential = tmp_path / "out.extxyz", LennardJones()
    line = FunctionPotential(lambda x: jnp.sum(x**2))
    with pytest.raises(ValueError, match="positions: 1 coordinates"):
        write_extxyz(path, line, np.zeros((1, 3, 1)))
    with pytest.raises(ValueError, match="positions: not finite"):
        write_extxyz(path, potential, [np.full((3, 3), np.nan)])
    with pytest.raises(ValueError, match="symbols: 2 for 3 atoms"):
        write_extxyz(path, potential, TRIANGLE[None], symbols=["Au", "Au"])
    with pytest.raises(ValueError, match="energies: 2 for 1 structures"):
        write_extxyz(path, potential, TRIANGLE[None], energies=[1.0, 2.0])
    assert not path.exists()


def test_single_precision_is_accepted() -> None:
    with jax.enable_x64(False):
        atoms = to_atoms(LennardJones(), jnp.asarray(TRIANGLE, jnp.float32))
    assert abs(atoms.get_potential_energy() + 3) < 1e-5


def test_without_ase_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'l2h\[run\]'"):
        to_atoms(LennardJones(), TRIANGLE)
    with pytest.raises(ImportError, match="ase: .*not installed"):
        write_extxyz(tmp_path / "out.extxyz", LennardJones(), TRIANGLE[None])
