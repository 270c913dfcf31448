"""Any calculator of ASE as a potential, called back from compiled programs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from jaxtyping import Array, Bool, Float

from ..potentials import METAL, Callback
from ..spaces import AbstractSpace, AbstractWrapper, Free, Pairs, Periodic
from .natural import natural_energy, natural_length

# Learned optimizers look at neighbours up to 2.15 natural lengths.
REACH = 2.2


class Pinned(AbstractWrapper):
    """A space in which some atoms stay where they are: centring puts them back.

    Arguments:
        inner: where the atoms live.
        held: which atoms stay.
        places: where these are; the positions of the others do not matter.
    """

    inner: AbstractSpace
    held: Bool[Array, " n"]
    places: Float[Array, "n 3"]
    dimension: int = eqx.field(static=True, default=3)
    invariant: bool = eqx.field(static=True, default=False)

    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        return self.inner.pairs(positions)

    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return jnp.where(self.held[:, None], self.places.astype(positions.dtype), positions)


def calculator_potential(
    atoms: Atoms,
    *,
    length: float | None = None,
    energy: float | None = None,
    separated: float | None = None,
) -> Callback:
    """Return the energy surface of a calculator of ASE, relative to separated atoms.

    See `Callback` for what that means: structures go one by one, calls are counted, and
    where the calculator raises, returns what is not finite, or loses atoms, the observation
    is invalid, which no optimizer keeps. Atoms that `FixAtoms` holds stay.

    Arguments:
        atoms: elements, cell, constraints and calculator; positions do not matter, except
            for those of fixed atoms.
        length: natural length in the calculator's unit; that of the elements by default.
        energy: natural energy, likewise: cohesive energy per atom of the solid over 8.61.
        separated: energy of the separated atoms, which becomes zero. By default, the
            calculator is asked for each element alone.

    Raises:
        ValueError: if there is no calculator, a natural unit is not positive or not known,
            the calculator cannot tell the energy of a single atom, space is periodic in
            some directions only, or there are other constraints than `FixAtoms`.
    """
    if atoms.calc is None:
        raise ValueError("atoms: no calculator is attached; set atoms.calc first.")
    symbols = atoms.get_chemical_symbols()
    length = natural_length(symbols) if length is None else length
    energy = natural_energy(symbols) if energy is None else energy
    space = pinned(space_of(atoms, length), atoms)
    return Callback(
        function=_function(atoms, energy_apart(atoms) if separated is None else separated),
        length=length,
        energy=energy,
        space=space,
        separated=0.0,
        units=METAL,
    )


def _function(
    atoms: Atoms, separated: float
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    template, calc, lock = atoms.copy(), atoms.calc, threading.Lock()

    def evaluate(positions: np.ndarray) -> tuple[float, np.ndarray]:
        if not np.all(np.isfinite(positions)):  # few calculators expect it
            raise ValueError("positions are not finite")
        with lock:  # calculators know one structure at a time
            # A copy for every call: what a calculator does to it is forgotten.
            current = template.copy()
            current.set_positions(positions)
            current.calc = calc
            return current.get_potential_energy() - separated, -current.get_forces()

    return evaluate


def space_of(atoms: Atoms, length: float) -> AbstractSpace:
    """Return the space of the atoms: pairs in a cell count up to 2.2 natural lengths.

    Arguments:
        atoms: their cell.
        length: natural length.

    Raises:
        ValueError: if it is periodic in some directions only.
    """
    if any(atoms.pbc) and not all(atoms.pbc):
        raise ValueError(
            f"atoms: periodic along {sum(atoms.pbc)} of three directions; make it periodic "
            "along all of them, with vacuum where there is none, or along none."
        )
    return Periodic(np.asarray(atoms.cell), REACH * length) if all(atoms.pbc) else Free()


def pinned(space: AbstractSpace, atoms: Atoms) -> AbstractSpace:
    """Return the space in which fixed atoms stay; the same if there are none.

    Arguments:
        space: where the atoms live.
        atoms: with positions and constraints.

    Raises:
        ValueError: if there are other constraints than `FixAtoms`.
    """
    if not atoms.constraints:
        return space
    held = np.zeros(len(atoms), bool)
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms):
            raise ValueError(
                f"atoms: {type(constraint).__name__} constrains them; only FixAtoms can be "
                "kept here."
            )
        held[constraint.get_indices()] = True
    return Pinned(inner=space, held=jnp.asarray(held), places=jnp.asarray(atoms.positions))


def energy_apart(atoms: Atoms) -> float:
    """Return the energy of the atoms far from each other, by their calculator.

    It is asked once for each element, for a single free atom.

    Arguments:
        atoms: elements and calculator.

    Raises:
        ValueError: if it fails, or its energy is not finite.
    """
    symbols = atoms.get_chemical_symbols()
    alone: dict[str, float] = {}
    for symbol in sorted(set(symbols)):
        single = Atoms(symbol)
        single.calc = atoms.calc
        alone[symbol] = first_energy(
            single,
            f"separated: for a single {symbol} atom,",
            "give the energy of the separated atoms",
        )
    return sum(alone[symbol] for symbol in symbols)


def first_energy(atoms: Atoms, what: str, remedy: str) -> float:
    """Return the energy that a calculator never asked before tells.

    Arguments:
        atoms: and their calculator.
        what, remedy: first and last words of errors, between which it is said what the
            calculator does.

    Raises:
        ValueError: if it fails, or its energy is not finite.
    """
    calculator = f"{what} {type(atoms.calc).__name__}"
    with foreign(calculator, remedy):
        energy = float(atoms.get_potential_energy())
    if not np.isfinite(energy):
        raise ValueError(f"{calculator} returns {energy}; {remedy}.")
    return energy


@contextmanager
def foreign(what: str, remedy: str) -> Iterator[None]:
    """Run a foreign program, and say in words what it raises, which may be anything.

    Arguments:
        what, remedy: first and last words of the error.

    Raises:
        ValueError: if anything is raised within.
    """
    try:
        yield
    except Exception as error:
        words = f"{type(error).__name__}: {error}".rstrip(".")
        raise ValueError(f"{what} raises {words}; {remedy}.") from error
