"""What is to be searched, as people write it: a task, a formula, or a file."""

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .launch import run_file

if TYPE_CHECKING:
    from ase import Atoms

    from ..tasks import Task

POTENTIAL = (
    "emt (ASE's, for Al, Cu, Ag, Au, Ni, Pd, Pt), or FILE.py:NAME or MODULE:NAME, "
    "something callable without arguments that returns a calculator of ASE or a potential"
)
BUILT_IN = (None, "emt")
"""Potentials that come along."""


def problem(what: str, potential: str | None = None) -> "Task":
    """Return the task that a user means.

    Arguments:
        what: the name of a task; a formula such as Ag19Au19, metals in any order; or a
            structure file, of which elements, cell and number of atoms count.
        potential: as in `POTENTIAL`; what the elements have by default.

    Raises:
        ValueError: if it is none of these, or no potential fits.
    """
    from ..tasks import get

    if _is_file(what):
        return posed(structure(what), potential)
    atoms = formula(what)
    if potential is None:
        try:
            return get(what)
        except ValueError:
            # A formula in another order, or one that gets a better reason.
            if atoms is None or re.fullmatch(r"[A-Z][a-z]?\d+", what):
                raise
    if atoms is None:
        raise ValueError(
            f"task: {what!r} is neither a file nor a formula, such as Cu13; another "
            "potential needs one of these."
        )
    return posed(atoms, potential)


def posed(atoms: "Atoms", potential: str | None) -> "Task":
    """Return the task of these atoms; their positions do not matter.

    Arguments:
        atoms: elements, number and cell.
        potential: as in `POTENTIAL`; what the elements have by default.
    """
    from ..interop.ase import calculator_potential
    from ..io import from_atoms
    from ..potentials import AbstractPotential

    if atoms.constraints:
        raise ValueError(
            "atoms: the file fixes some of them; a search moves all. Remove the "
            "constraints, or relax it with l2h relax, which keeps them."
        )
    if potential is None:
        return from_atoms(atoms)[0]
    made = surface(potential)
    if not isinstance(made, AbstractPotential):
        held = atoms.copy()
        held.calc = made
        made = calculator_potential(held)
    return from_atoms(atoms, made)[0]


def structure(path: str) -> "Atoms":
    """Return the last structure of a file that ASE reads.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    from ase import Atoms
    from ase.io import read

    if not Path(path).is_file():
        raise ValueError(f"file: there is no {path}; give a structure file or a task.")
    try:
        atoms = read(path, index=-1)
    except Exception as error:  # parsers of many formats raise anything
        raise ValueError(
            f"file: {path} cannot be read as a structure ({type(error).__name__}: "
            f"{error}); give a file that ASE opens, such as start.xyz."
        ) from error
    assert isinstance(atoms, Atoms)
    return atoms


def formula(text: str) -> "Atoms | None":
    """Return atoms of this composition, at the origin of free space; None if it is none."""
    from ase import Atoms
    from ase.formula import Formula

    if not re.fullmatch(r"([A-Z][a-z]?\d*)+", text):
        return None
    try:
        counts = Formula(text).count()
        return Atoms([name for name, count in counts.items() for _ in range(count)])
    except (ValueError, KeyError):
        return None


def surface(name: str) -> Any:
    """Return a calculator of ASE or a potential.

    Arguments:
        name: as in `POTENTIAL`.

    Raises:
        ValueError: if it is neither, or cannot be imported.
    """
    from ..interop.host import foreign
    from ..potentials import AbstractPotential

    if name == "emt":
        from ase.calculators.emt import EMT

        return EMT()
    # From the right: a path may have a drive.
    module, _, attribute = name.rpartition(":")
    own = module.endswith(".py")
    if not (attribute and (own or re.fullmatch(r"\w+(\.\w+)*", module))):
        raise ValueError(f"potential: {name!r} is unknown; give {POTENTIAL}.")
    try:
        if own:
            found = run_file(Path(module), "--potential")
        else:
            found = importlib.import_module(module)
    except ImportError as error:
        here = f"; for the file here, say {module}.py:{attribute}"
        hint = here if Path(f"{module}.py").is_file() else ""
        raise ValueError(
            f"potential: {module} cannot be imported ({error}){hint}."
        ) from error
    if not callable(maker := getattr(found, attribute, None)):
        raise ValueError(
            f"potential: {module} has nothing callable called {attribute}; give "
            f"{POTENTIAL}."
        )
    with foreign(f"potential: {name}", f"give {POTENTIAL}"):
        made = maker()
    if not (isinstance(made, AbstractPotential) or hasattr(made, "get_potential_energy")):
        raise ValueError(
            f"potential: {name} returns a {type(made).__name__}; give {POTENTIAL}."
        )
    return made


def remembered(task: "Task", what: str, potential: str | None) -> dict[str, Any]:
    """Return what brings the task back, as plain Python.

    Arguments:
        task, what, potential: as in `problem`.
    """
    if potential is None and not _is_file(what):
        return {"task": what}
    space: Any = task.potential.space
    cell = getattr(space, "cell", None)
    return {
        "symbols": list(task.symbols) if task.symbols else ["X"] * task.n,
        "cell": None if cell is None else [[float(c) for c in row] for row in cell],
        "potential": potential,
    }


def recalled(content: dict[str, Any], potential: str | None = None) -> "Task":
    """Return the task of a search from its file's content, which runs no code.

    Arguments:
        content: of `search.json`.
        potential: that the search had, as a user gives it once more; needed unless it
            comes along. Files count by name, wherever they are now.

    Raises:
        ValueError: if its task is unknown here, or the potential is another.
    """
    from ase import Atoms

    known = content["settings"].get("problem", {"task": content["task"]})
    stored = known.get("potential")
    if stored not in BUILT_IN and potential is None:
        raise ValueError(
            f"potential: the search had {stored}, and what a file names is never run; if "
            f"you trust it, add --potential {stored}."
        )
    if potential is not None and Path(potential).name != Path(f"{stored}").name:
        raise ValueError(
            f"potential: {potential} given, but the search had "
            f"{stored or 'that of its task'}; give the same."
        )
    if "task" in known:
        return problem(known["task"])
    cell = known["cell"]
    atoms = Atoms(known["symbols"], cell=cell, pbc=cell is not None)
    return posed(atoms, stored if potential is None else potential)


def _is_file(what: str) -> bool:
    return Path(what).is_file() or "/" in what or "." in what
