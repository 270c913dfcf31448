"""Learned optimizers on a calculator of ASE, beside ASE's own, at equal force calls.

python -m benchmarks.calculators --starts 50

Every method has the same number of force calls for each of the same starts, and begins from
fresh ones as soon as it has converged; what counts is the lowest energy that it met. None
of the trained weights has ever seen a metal.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.optimize import BFGS, FIRE
from ase.optimize.basin import BasinHopping

from l2h import tasks
from l2h._registry import listed
from l2h.cli.launch import command
from l2h.interop.ase import LearnedOptimizer, natural_length

# Weights, and steps of an attempt, by number of atoms.
LEARNED = {13: ("lj13", 50), 38: ("lj38", 150), 55: ("gupta", 250)}
FMAX = 0.02
# Energies this close to the lowest that any method met count as found (eV).
WINDOW = 0.02


class Spent(Exception):
    """The force calls granted are used up."""


class Counted(EMT):
    """EMT that keeps the lowest energy, and stops after so many calls."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.left, self.lowest = budget, np.inf

    def calculate(self, *arguments: Any, **options: Any) -> None:
        if self.left == 0:
            raise Spent
        self.left -= 1
        super().calculate(*arguments, **options)
        self.lowest = min(self.lowest, self.results["energy"])


def clusters(element: str, n: int, seed: int) -> Iterator[Atoms]:
    """Yield random clusters without overlaps, without end."""
    task = tasks.get(f"lj{n}")
    draw = jax.jit(lambda k: task.init(k, task.potential, n, np.float64))
    length = natural_length([element])
    for k in range(10**6):
        key = jax.random.fold_in(jax.random.key(seed), k)
        yield Atoms([element] * n, length * np.asarray(draw(key)))


def learned(atoms: Atoms) -> None:
    name, steps = LEARNED[len(atoms)]
    separated = (
        len(atoms) * Atoms(atoms.symbols[:1], calculator=EMT()).get_potential_energy()
    )
    LearnedOptimizer(atoms, name, logfile=None, steps=steps, separated=separated).run(
        fmax=FMAX, steps=10_000
    )


METHODS: dict[str, Callable[[Atoms], Any]] = {
    "learned": learned,
    "BFGS": lambda atoms: BFGS(atoms, logfile=None).run(fmax=FMAX, steps=10_000),
    "FIRE": lambda atoms: FIRE(atoms, logfile=None).run(fmax=FMAX, steps=10_000),
    "BasinHopping": lambda atoms: BasinHopping(
        atoms,
        temperature=0.8 * 3.5 / 8.61,
        dr=0.4 * natural_length(list(atoms.symbols[:1])),
        fmax=FMAX,
        logfile=None,
        optimizer_logfile=None,
        trajectory=None,
        local_minima_trajectory=None,
    ).run(10_000),
}


def lowest(method: str, element: str, n: int, seed: int, budget: int) -> float:
    """Return the lowest energy that a method meets within its force calls."""
    calc = Counted(budget)
    np.random.seed(seed)  # which ASE's basin hopping draws from
    try:
        for atoms in clusters(element, n, seed):
            atoms.calc = calc
            METHODS[method](atoms)
    except Spent:
        pass
    return calc.lowest


def main(
    *, starts: int = 50, budget: int = 600, elements: str = "Cu,Au", sizes: str = "13,38,55"
) -> None:
    """Compare learned optimizers with ASE's own on EMT clusters.

    Args:
        starts: Number of starts.
        budget: Force calls for each start.
        elements: Joined by commas.
        sizes: Numbers of atoms, joined by commas.
    """
    jax.config.update("jax_enable_x64", True)
    print("cluster  method        mean lowest   std. error  lowest      found")
    metals = listed("elements", elements)
    numbers = [int(n) for n in listed("sizes", sizes)]
    for element in metals:
        for n in numbers:
            rows = {
                name: np.array(
                    [lowest(name, element, n, seed, budget) for seed in range(starts)]
                )
                for name in METHODS
            }
            best = min(row.min() for row in rows.values())
            for name, row in rows.items():
                found = int(np.sum(row < best + WINDOW))
                print(
                    f"{element}{n:<6d} {name:12} {row.mean():12.3f} "
                    f"{row.std(ddof=1) / starts**0.5:12.3f} {row.min():8.3f} "
                    f"{found:6d} of {starts}",
                    flush=True,
                )


if __name__ == "__main__":
    command(main, kept="nothing is kept", loads=False)
