"""What is to be searched: a potential, a way to start, a number of atoms."""

import equinox as eqx

from ..inits import AbstractInit
from ..potentials import AbstractPotential

# Energies this close to the reference, in natural energies, are the same minimum.
TOLERANCE = 0.01


class Task(eqx.Module):
    """One search problem.

    Arguments:
        name: by which it is reported.
        potential: the energy surface.
        init: distribution of starts.
        n: number of atoms.
        symbols: chemical symbol of each atom, for structure files; None in reduced units.
        reference: lowest known energy in the potential's unit, or None.

    Raises:
        ValueError: if `n` is not positive or the symbols are not one per atom.
    """

    name: str = eqx.field(static=True)
    potential: AbstractPotential
    init: AbstractInit
    n: int = eqx.field(static=True)
    symbols: tuple[str, ...] | None = eqx.field(static=True, default=None)
    reference: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: {self.n} atoms given; a task needs at least 1.")
        if self.symbols is not None and len(self.symbols) != self.n:
            raise ValueError(
                f"symbols: {len(self.symbols)} given for {self.n} atoms; give one each."
            )

    @property
    def unit(self) -> float:
        """The natural energy, in the potential's unit."""
        return float(self.potential.scale.energy)

    @property
    def window(self) -> float:
        """The tolerance, in the potential's unit of energy."""
        return TOLERANCE * self.unit
