"""Any calculator of ASE as a potential, called back from compiled programs."""

import logging
import threading
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from jaxtyping import Array, Float

from .._leaves import as_array, require_positive
from ..potentials import AbstractPotential, Observation, Scale
from ..spaces import AbstractSpace, Free, Periodic
from .natural import natural_energy, natural_length

LOG = logging.getLogger(__name__)
# Learned optimizers look at neighbours up to 2.15 natural lengths.
REACH = 2.2


class Host:
    """Calls a calculator, one structure at a time; counts calls and failures.

    Arguments:
        atoms: elements, cell, constraints and calculator.
    """

    def __init__(self, atoms: Atoms) -> None:
        if atoms.calc is None:
            raise ValueError("atoms: no calculator is attached; set atoms.calc first.")
        self.template, self.calc = atoms.copy(), atoms.calc
        self.calls, self.failures, self.complaint = 0, 0, ""
        self._lock = threading.Lock()

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return energy, gradient and the positions as constraints leave them.

        Energy and gradient are not a number where the calculator fails.
        """
        with self._lock:  # calculators know one structure at a time
            self.calls += 1
            # A copy for every call: what a calculator does to it is forgotten.
            atoms = self.template.copy()
            atoms.set_positions(np.asarray(positions, np.float64))
            place = atoms.positions.copy()
            lost = np.array(np.nan), np.full(place.shape, np.nan), place
            if not np.all(np.isfinite(place)):
                return lost
            atoms.calc = self.calc
            try:
                energy = float(atoms.get_potential_energy())
                forces = np.asarray(atoms.get_forces(), np.float64)
                if forces.shape != place.shape or len(atoms) != len(place):
                    raise ValueError(
                        f"{len(place)} atoms given, forces for {len(forces)} returned"
                    )
            except Exception as error:  # whatever a foreign program raises
                self.failures += 1
                self.complaint = f"{type(error).__name__}: {error}"
                if self.failures == 1:
                    LOG.warning(
                        "%s failed (%s); such structures count as evaluated and are never "
                        "kept.",
                        type(self.calc).__name__,
                        self.complaint,
                    )
                return lost
            return np.array(energy), -forces, place


class CalculatorPotential(AbstractPotential):
    """The energy surface of a calculator of ASE, relative to its separated atoms.

    Programs call back to Python for every evaluation: nothing is compiled, batches go one
    by one, and derivatives beyond forces do not exist. Where the calculator raises, returns
    what is not finite, or changes the number of atoms, the observation is invalid, which
    no optimizer keeps. Constraints of the atoms hold.

    Arguments:
        atoms: elements, cell, constraints and calculator; positions do not matter, except
            for those of constrained atoms.
        length: natural length in the calculator's unit; that of the elements by default.
        energy: natural energy, likewise: cohesive energy per atom of the solid over 8.61.
        separated: energy of the separated atoms, which becomes zero. By default, the
            calculator is asked for each element alone.

    Raises:
        ValueError: if there is no calculator, a natural unit is not positive or not known,
            the calculator cannot tell the energy of a single atom, or space is periodic in
            some directions only.
    """

    length: Float[Array, ""] = eqx.field(converter=as_array)
    energy: Float[Array, ""] = eqx.field(converter=as_array)
    apart: Float[Array, ""] = eqx.field(converter=as_array)
    """Energy of the separated atoms, by the calculator."""
    space: AbstractSpace
    host: Host = eqx.field(static=True)

    def __init__(
        self,
        atoms: Atoms,
        *,
        length: float | None = None,
        energy: float | None = None,
        separated: float | None = None,
    ) -> None:
        symbols = atoms.get_chemical_symbols()
        self.host = Host(atoms)
        self.length = jnp.asarray(natural_length(symbols) if length is None else length)
        self.energy = jnp.asarray(natural_energy(symbols) if energy is None else energy)
        require_positive(length=self.length, energy=self.energy)
        self.space = space_of(atoms, float(self.length))
        if separated is None:
            separated = energy_apart(atoms)
        self.apart = jnp.asarray(float(separated))

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    @property
    def separated(self) -> float:
        return 0.0

    def __call__(self, positions: Float[Array, "n 3"]) -> Float[Array, ""]:
        return _energy(self.host, positions) - self.apart.astype(positions.dtype)

    def observe(self, positions: Float[Array, "n 3"]) -> Observation:
        energy, gradient, place = _call(self.host, positions)
        energy = energy - self.apart.astype(positions.dtype)
        n = positions.shape[0]
        # A black box has no atomic shares but equal ones.
        shares = jnp.broadcast_to(energy / n, (n,))
        return Observation(place, energy, gradient, shares)


def space_of(atoms: Atoms, length: float) -> AbstractSpace:
    """Return the space of the atoms: pairs in a cell count up to 2.2 natural lengths.

    Arguments:
        atoms: cell and constraints.
        length: natural length.

    Raises:
        ValueError: if it is periodic in some directions only.
    """
    if not any(atoms.pbc):
        # Structures with constraints must stay where they are.
        return Free(3, invariant=not atoms.constraints)
    if not all(atoms.pbc):
        raise ValueError(
            f"atoms: periodic along {sum(atoms.pbc)} of three directions; make it periodic "
            "along all of them, with vacuum where there is none, or along none."
        )
    return Periodic(np.asarray(atoms.cell), REACH * length)


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
        try:
            alone[symbol] = float(single.get_potential_energy())
            problem = f"returns {alone[symbol]}"
        except Exception as error:  # whatever a foreign program raises
            alone[symbol], problem = np.nan, f"raises {type(error).__name__}: {error}"
        if not np.isfinite(alone[symbol]):
            raise ValueError(
                f"separated: {type(atoms.calc).__name__} {problem} for a single {symbol} "
                "atom; give the energy of the separated atoms."
            )
    return sum(alone[symbol] for symbol in symbols)


def _call(
    host: Host, positions: Float[Array, "n 3"]
) -> tuple[Float[Array, ""], Float[Array, "n 3"], Float[Array, "n 3"]]:
    dtype, shape = positions.dtype, positions.shape

    def ask(x: Any) -> tuple[np.ndarray, ...]:
        return tuple(value.astype(dtype) for value in host(np.asarray(x)))

    vector = jax.ShapeDtypeStruct(shape, dtype)
    scalar = jax.ShapeDtypeStruct((), dtype)
    return jax.pure_callback(
        ask, (scalar, vector, vector), positions, vmap_method="sequential"
    )


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _energy(host: Host, positions: Float[Array, "n 3"]) -> Float[Array, ""]:
    return _call(host, positions)[0]


@_energy.defjvp
def _energy_jvp(host: Host, primals: Any, tangents: Any) -> Any:
    energy, gradient, _ = _call(host, *primals)
    return energy, jnp.sum(gradient * tangents[0])
