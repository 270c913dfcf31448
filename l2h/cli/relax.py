"""Relax a structure from a file.

l2h relax start.xyz
l2h relax start.xyz --weights lj38 --potential emt --out lower.extxyz
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from .launch import prepare
from .problems import structure, surface

if TYPE_CHECKING:
    from ase import Atoms


def main(
    file: Annotated[str, tyro.conf.Positional],
    /,
    *,
    potential: str | None = None,
    weights: str | None = None,
    steps: int = 250,
    fmax: float = 0.01,
    limit: int = 2000,
    out: Path | None = None,
    trajectory: Path | None = None,
) -> None:
    """Relax a structure: to the nearest minimum, or with --weights to a lower one.

    Atoms that the file fixes stay where they are. The exit code is 0 if forces are below
    --fmax, 1 if not.

    Args:
        file: A structure that ASE reads; of several, the last.
        potential: Other than that of the elements: emt (of ASE), or FILE.py:NAME or
            MODULE:NAME, something callable that returns a calculator of ASE or a potential.
        weights: A trained optimizer that first looks for lower energies: a bundled name, or
            a run's best.l2h.
        steps: Of the trained optimizer.
        fmax: Largest force at the end, in eV/Angstrom or reduced units.
        limit: Largest number of further steps.
        out: Where to write; the name of the file with -relaxed by default.
        trajectory: Where to keep the way, for ase gui.
    """
    prepare()
    from ase.io import write
    from ase.optimize import BFGS

    from ..interop.ase import Calculator, LearnedOptimizer, from_atoms
    from ..interop.host import first_energy
    from ..potentials import AbstractPotential

    if not fmax > 0 or limit < 1:
        raise ValueError(f"fmax, limit: {fmax}, {limit} given; both must be positive.")
    atoms = structure(file)
    made = from_atoms(atoms)[0].potential if potential is None else surface(potential)
    symbols = atoms.get_chemical_symbols() if potential is None else None
    natural: dict[str, Any] = {}
    if isinstance(made, AbstractPotential):
        unit = made.scale
        # Energies of potentials are relative to separated atoms.
        natural = {"length": float(unit.length), "energy": float(unit.energy)}
        natural["separated"] = 0.0
        made = Calculator(made, symbols)
    atoms.calc = made
    remedy = "give --potential, one that knows these atoms, or separate those that coincide"
    first = first_energy(atoms, "potential:", remedy)
    path = Path(file)
    target = out or path.with_name(f"{path.stem}-relaxed.extxyz")
    _require_writable(target, atoms)
    if weights is None:
        optimizer = BFGS(atoms, logfile=None, trajectory=trajectory)
    else:
        optimizer = LearnedOptimizer(
            atoms, weights, logfile=None, trajectory=trajectory, steps=steps, **natural
        )
        limit += steps
    done = optimizer.run(fmax=fmax, steps=limit)
    write(target, atoms)
    print(
        f"{atoms.get_chemical_formula()}: energy {first:.6f} at first, "
        f"{atoms.get_potential_energy():.6f} after {optimizer.nsteps:,} steps"
    )
    if not done:
        print(f"forces are not yet below {fmax}; raise --limit")
    print(target)
    sys.stdout.flush()
    sys.exit(0 if done else 1)


def _require_writable(target: Path, atoms: "Atoms") -> None:
    """Raise ValueError if what comes out cannot be written there; before the work."""
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise ValueError(
            f"out: {target} cannot be written; give a file in a folder of yours."
        )
    from ase.io import write

    with tempfile.TemporaryDirectory() as folder:
        try:
            write(Path(folder) / target.name, atoms)
        except Exception as error:  # writers of many formats raise anything
            raise ValueError(
                f"out: {target} cannot be written as a structure ({type(error).__name__}: "
                f"{error}); give the name of another format, such as lower.extxyz."
            ) from error
