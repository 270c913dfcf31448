"""Our potentials as calculators of ASE."""

from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from jaxtyping import Array, Float

from ..io import elements
from ..potentials import AbstractPotential, potential_with
from ..spaces import AbstractSpace, AbstractWrapper, Free, Pairs, Periodic


class Calculator(AseCalculator):
    r"""A potential for ASE: energy, forces, atomic energies, and stress in cells.

    Always in double precision. The stress is the derivative of the energy in a homogeneous
    strain of cell and atoms,

    \[ \sigma_{ab} = \frac{1}{V} \frac{\partial E}{\partial \epsilon_{ab}} . \]

    A cell that differs from the potential's takes its place, so that ASE's filters may
    relax it. Results are kept until the atoms change, as usual in ASE.

    Arguments:
        potential: the energy surface, in three dimensions.
        symbols: the elements that it is for, one an atom, if it tells apart atoms or is in
            eV; found by themselves for the tables of Gupta potentials. Other elements, or
            another order, are refused then.

    Raises:
        ValueError: if the potential does not live in three dimensions; when it calculates,
            if elements or periodicity of the atoms do not fit the potential.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        potential: AbstractPotential,
        symbols: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if potential.space.dimension != 3 or not potential.space.invariant:
            raise ValueError(
                f"potential: {type(potential).__name__} has "
                f"{potential.space.dimension} coordinates an atom; ASE's atoms have 3."
            )
        super().__init__(**kwargs)
        known = elements(potential) if symbols is None else tuple(symbols)
        self.potential, self.symbols = potential, known

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results` with what is asked for, and what comes along for free."""
        super().calculate(atoms, list(properties), list(system_changes))
        assert self.atoms is not None
        potential = self._fitting(self.atoms)
        with jax.enable_x64(True):
            x = jnp.asarray(self.atoms.positions, jnp.float64)
            energy, gradient, shares = map(np.asarray, _observe(potential, x))
            self.results = {
                "energy": float(energy),
                "free_energy": float(energy),
                "energies": shares,
                "forces": -gradient,
            }
            if "stress" in properties:
                if not isinstance(potential.space, Periodic):
                    raise ValueError(
                        "stress: asked for, but the atoms are free; only cells have one."
                    )
                slope = np.asarray(_strain_slope(potential, x))
                tensor = (slope + slope.T) / (2 * self.atoms.get_volume())
                self.results["stress"] = full_3x3_to_voigt_6_stress(tensor)

    def _fitting(self, atoms: Atoms) -> AbstractPotential:
        """Return the potential in the cell of the atoms."""
        symbols = tuple(atoms.get_chemical_symbols())
        if self.symbols is not None and symbols != self.symbols:
            raise ValueError(
                f"atoms: {atoms.get_chemical_formula()} in this order, but the potential "
                f"is for {Atoms(self.symbols).get_chemical_formula()} in an order of its "
                "own; build one for these atoms with from_atoms(atoms)."
            )
        space = self.potential.space
        if isinstance(space, Free) and not any(atoms.pbc):
            return self.potential
        if not isinstance(space, Periodic) or not all(atoms.pbc):
            raise ValueError(
                f"atoms: periodic along {sum(atoms.pbc)} of three directions, but the "
                f"potential lives in {type(space).__name__}; set atoms.pbc to match."
            )
        cell = np.asarray(atoms.cell)
        if np.array_equal(cell, np.asarray(space.cell)):
            return self.potential
        with jax.enable_x64(True):
            other = Periodic(cell, space.cutoff)
        return potential_with(self.potential, other)


def evaluate(
    potential: AbstractPotential, frames: Sequence[Atoms]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k n 3"]]:
    """Return energies and forces of many structures at once, in double precision.

    Arguments:
        potential: in whose space all of them live, cell included.
        frames: with equally many atoms each.
    """
    with jax.enable_x64(True):
        x = jnp.asarray(np.stack([atoms.positions for atoms in frames]), jnp.float64)
        energies, gradients, _ = _observe_many(potential, x)
        return np.asarray(energies), -np.asarray(gradients)


def _seen(
    potential: AbstractPotential, x: Float[Array, "n 3"]
) -> tuple[Float[Array, ""], Float[Array, "n 3"], Float[Array, " n"]]:
    seen = potential.observe(x)
    return seen.energy, seen.gradient, seen.atomic_energies


_observe = eqx.filter_jit(_seen)
_observe_many = eqx.filter_jit(
    lambda potential, x: jax.vmap(lambda one: _seen(potential, one))(x)
)


class _Strained(AbstractWrapper):
    """A space whose pairs are stretched: differences `d` become `d (1 + strain)`."""

    inner: AbstractSpace
    strain: Float[Array, "3 3"]
    asked: list[bool] = eqx.field(static=True)
    dimension: int = eqx.field(static=True, default=3)
    invariant: bool = eqx.field(static=True, default=True)

    def pairs(self, positions: Float[Array, "n d"]) -> Pairs:
        self.asked.append(True)
        pairs = self.inner.pairs(positions)
        d = [jnp.where(pairs.mask, c, 1) for c in pairs.differences]
        moved = [d[b] + sum(d[a] * self.strain[a, b] for a in range(3)) for b in range(3)]
        squared = sum(jnp.square(c) for c in moved)
        return Pairs(
            tuple(moved), jnp.where(pairs.mask, squared, jnp.inf), pairs.mask, None
        )

    def centre(self, positions: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.inner.centre(positions)


@eqx.filter_jit
def _strain_slope(
    potential: AbstractPotential, x: Float[Array, "n 3"]
) -> Float[Array, "3 3"]:
    """Return the derivative of the energy in a strain of cell and atoms."""
    asked: list[bool] = []

    def strained(strain: Float[Array, "3 3"]) -> Float[Array, ""]:
        space = _Strained(inner=potential.space, strain=strain, asked=asked)
        return potential_with(potential, space)(x)

    slope = jax.grad(strained)(jnp.zeros((3, 3), x.dtype))
    if not asked:
        raise ValueError(
            f"stress: {type(potential).__name__} finds its pairs by other means than its "
            "space, so their strain is not known; use the dense potential."
        )
    return slope
