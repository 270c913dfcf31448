"""Structures for other programs, through ASE."""

import importlib.util
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..inits import Harmonic
from ..potentials import REDUCED, AbstractPotential, Gupta, Observation, Units
from ..spaces import AbstractSpace, Free, Periodic
from ..tasks import Task, lennard_jones, metal, silicon
from ..tasks.metals import sets
from .atomic import write_atomically

if TYPE_CHECKING:
    from ase import Atoms

# ASE's dummy element. Not "Ar": a program that takes reduced lengths for Angstrom then
# has no element to attach wrong bonds, radii or masses to.
DUMMY = "X"


def to_atoms(
    potential: AbstractPotential,
    positions: Float[Array, "n d"] | Float[np.ndarray, "n d"],
    *,
    symbols: Sequence[str] | None = None,
    energy: float | None = None,
    info: Mapping[str, Any] | None = None,
) -> "Atoms":
    """Return a structure as ASE's Atoms, with energy and forces attached.

    Arguments:
        potential: gives the forces, the cell if its space has one, and the energy if it
            is not given.
        positions: in the potential's unit of length; two coordinates gain a zero third.
        symbols: chemical elements, in the order of the atoms. None: the dummy element X.
            A note `units` in `info` is the potential's own (`potential.units`).
        energy: the structure's energy, if known to more digits.
        info: further notes on the structure.

    Raises:
        ValueError: if positions are not finite, have neither two nor three coordinates,
            or do not match `symbols`; or if the space is neither free nor periodic.
        ImportError: without ase.
    """
    _require_ase()
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    n, dimension = positions.shape
    if dimension not in (2, 3):
        raise ValueError(
            f"positions: {dimension} coordinates per atom; only structures with 2 or 3 can "
            "be written."
        )
    if not np.all(np.isfinite(np.asarray(positions))):
        raise ValueError("positions: not finite; leave such structures out.")
    if symbols is not None and len(symbols) != n:
        raise ValueError(f"symbols: {len(symbols)} for {n} atoms; give one each.")
    cell, periodic = _cell(potential.space)
    seen = _observed(potential, jnp.asarray(positions))
    atoms = Atoms(
        [DUMMY] * n if symbols is None else list(symbols),
        positions=_three(positions),
        cell=cell,
        pbc=periodic,
        info={"units": _said(potential.units), **(info or {})},
    )
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=float(seen.energy if energy is None else energy),
        forces=-_three(seen.gradient),
    )
    return atoms


def _said(units: Units) -> str:
    if not (units.length and units.energy):
        return "those of the potential, which names none"
    length, energy = units
    reduced = "reduced: " if units == REDUCED else ""
    forces = f"forces in {energy}/{length}"
    return f"{reduced}lengths in {length}, energies in {energy}, {forces}"


@eqx.filter_jit
def _observed(potential: AbstractPotential, x: Float[Array, "n d"]) -> Observation:
    return potential.observe(x)


def from_atoms(
    atoms: "Atoms",
    potential: AbstractPotential | None = None,
    *,
    name: str | None = None,
) -> tuple[Task, Float[np.ndarray, "n d"]]:
    """Return ASE's Atoms as a task and positions, atoms in the order that they have.

    Without a potential, the elements choose: the dummy element X is Lennard-Jones in
    reduced units; Ag, Au, Pd, Pt and pairs of them are Gupta metals in free space; silicon
    in a cell is Stillinger-Weber. The task's reference is the lowest known energy of the
    composition, where one is known.

    Arguments:
        atoms: the structure; constraints and calculator are left aside.
        potential: the energy surface, if it is another one. It must fit the structure.
        name: by which the task is reported; its formula, or `lj13`, if not given.

    Raises:
        ValueError: if there are fewer than two atoms, positions are not finite, space is
            periodic in some directions only, or no potential for the elements and the
            cell is known.
    """
    n, positions = len(atoms), np.array(atoms.positions, np.float64)
    if n < 2:
        raise ValueError(f"atoms: {n} given; a structure to optimize has at least 2.")
    if not np.all(np.isfinite(positions)):
        raise ValueError(
            f"atoms: atom {int(np.argwhere(~np.isfinite(positions))[0, 0])} has no finite "
            "position; correct the file."
        )
    symbols = tuple(atoms.get_chemical_symbols())
    known = None if set(symbols) == {DUMMY} else symbols
    if potential is not None:
        shown = name or atoms.get_chemical_formula()
        task = Task(shown, potential, Harmonic(), n, known)
        return task, positions[:, : potential.space.dimension]
    periodic = list(atoms.pbc)
    if any(periodic) and not all(periodic):
        raise ValueError(
            f"atoms: periodic along {sum(periodic)} of three directions only; the "
            "potentials that come along know free clusters and crystals. "
            "Give a potential of your own."
        )
    task = _task(symbols, np.asarray(atoms.cell), all(periodic))
    return task if name is None else replace(task, name=name), positions


def _task(symbols: tuple[str, ...], cell: np.ndarray, periodic: bool) -> Task:
    """Return the task of these elements, in this order, with the potential known."""
    elements = sorted(set(symbols))
    if periodic:
        if elements == ["Si"]:
            return silicon(cell, len(symbols))
        raise ValueError(
            f"atoms: {'-'.join(elements)} in a periodic cell, for which no potential comes "
            "along; free clusters have pbc = False. Or give a potential of your own."
        )
    if elements == [DUMMY]:
        return lennard_jones(len(symbols))
    kinds = {frozenset(kind.split("-")): kind for kind in sets()}
    kind = kinds.get(frozenset(elements))
    if kind is None:
        raise ValueError(
            f"atoms: no potential comes along for free clusters of {'-'.join(elements)}; "
            f"known are {', '.join(sets())}, and X for Lennard-Jones in reduced units. "
            "Give a potential of your own, such as any calculator of ASE."
        )
    metals = kind.split("-")
    ordered = metal({m: symbols.count(m) for m in metals})
    # The tables know species by index, in any order of atoms: none has to be renumbered.
    species = np.array([metals.index(symbol) for symbol in symbols])
    return replace(ordered, potential=Gupta.named(kind, species), symbols=symbols)


def elements(potential: AbstractPotential) -> tuple[str, ...] | None:
    """Return the element of each atom where the potential's own numbers tell.

    Arguments:
        potential: a Gupta potential with published tables, or any other.

    Returns:
        One symbol an atom; None where the potential is of no particular element.
    """
    if not isinstance(potential, Gupta):
        return None
    for kind in sets():
        metals = kind.split("-")
        if len(metals) == len(potential.A):
            species = np.asarray(potential.species)
            named = Gupta.named(kind, species)
            if all(
                np.allclose(getattr(named, field), getattr(potential, field), rtol=1e-6)
                for field in ("A", "xi", "p", "q", "r0")
            ):
                return tuple(metals[k] for k in species)
    return None


def write_extxyz(
    path: str | os.PathLike[str],
    potential: AbstractPotential,
    positions: Sequence[Any] | Float[Array, "k n d"] | Float[np.ndarray, "k n d"],
    *,
    symbols: Sequence[str] | None = None,
    energies: Sequence[float] | Float[Array, " k"] | Float[np.ndarray, " k"] | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write structures as extended XYZ, which ASE, OVITO and others open.

    Energies and forces come along. Coordinates have eight decimals, so energies that are
    computed anew from a file differ in about the eighth digit.

    Arguments:
        path: where; an existing file is replaced, atomically.
        potential: as in `to_atoms`.
        positions: one `"n d"` array a structure, in the order in which they are written.
        symbols: as in `to_atoms`, the same for all structures.
        energies: one a structure, if known to more digits than the potential gives.
        info: as in `to_atoms`, the same for all structures.

    Raises:
        ValueError: as in `to_atoms`; or if `energies` are not as many as structures.
        OSError: if the file cannot be written.
        ImportError: without ase.
    """
    _require_ase()
    from ase.io import write

    if energies is not None and len(energies) != len(positions):
        raise ValueError(
            f"energies: {len(energies)} for {len(positions)} structures; give one each."
        )
    frames = [
        to_atoms(
            potential,
            structure,
            symbols=symbols,
            energy=None if energies is None else float(energies[index]),
            info=info,
        )
        for index, structure in enumerate(positions)
    ]
    text = io.StringIO()
    write(text, frames, format="extxyz")
    write_atomically(path, text.getvalue())


def _require_ase() -> None:
    if importlib.util.find_spec("ase") is None:
        raise ImportError(
            "ase: structures for other programs need it, and it is not installed; "
            "python -m pip install 'l2h[run]' brings it along."
        )


def _cell(
    space: AbstractSpace,
) -> tuple[Float[np.ndarray, "3 3"] | None, list[bool]]:
    """Return lattice vectors in rows, and along which of them there are images."""
    if isinstance(space, Free):
        return None, [False] * 3
    if not isinstance(space, Periodic):
        raise ValueError(
            f"potential: ASE knows no {type(space).__name__} space; only structures in "
            "Free and Periodic ones can be written."
        )
    cell = np.eye(3)
    cell[: space.dimension, : space.dimension] = space.cell
    return cell, [axis < space.dimension for axis in range(3)]


def _three(vectors: Any) -> Float[np.ndarray, "n 3"]:
    array = np.asarray(vectors, np.float64)
    missing = np.zeros((len(array), 3 - array.shape[1]))
    return np.concatenate([array, missing], axis=1)
