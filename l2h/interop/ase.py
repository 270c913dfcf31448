"""ASE in both directions: our potentials and optimizers for it, its calculators for us.

atoms.calc = Calculator(potential)                    # ours in ASE
LearnedOptimizer(atoms, "lj38").run(fmax=0.01)        # drives any calculator
task, positions = from_atoms(atoms)                   # a structure of ASE as a task
potential = calculator_potential(atoms)               # any calculator as a potential
"""

from ..io import elements as elements, from_atoms as from_atoms, to_atoms as to_atoms
from .calculator import Calculator as Calculator, evaluate as evaluate
from .host import (
    calculator_potential as calculator_potential,
    energy_apart as energy_apart,
)
from .learned_optimizer import LearnedOptimizer as LearnedOptimizer
from .natural import natural_energy as natural_energy, natural_length as natural_length
