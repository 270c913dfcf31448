"""Potentials, optimizers and structures cross over to ASE and back."""

from pathlib import Path
from typing import Any

import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.optimize import BFGS

from l2h import rollout, tasks, weights
from l2h.interop.ase import (
    Calculator,
    LearnedOptimizer,
    calculator_potential,
    elements,
    energy_apart,
    evaluate,
    from_atoms,
    natural_energy,
    natural_length,
    to_atoms,
)
from l2h.optimizers import LBFGS, Adam, quench
from l2h.potentials import LennardJones, StillingerWeber
from l2h.spaces import Free

ALLOY = "AuAgAu3Ag2"


def cluster(symbols: str, seed: int = 0) -> Atoms:
    """Return a random cluster without overlaps, in the elements' own distances."""
    n = len(Atoms(symbols))
    task = tasks.lennard_jones(n)
    x = task.init(jax.random.key(seed), task.potential, n, jnp.float64)
    length = natural_length(Atoms(symbols).get_chemical_symbols())
    return Atoms(symbols, positions=length / 1.12 * np.asarray(x))


def copper(seed: int = 0) -> Atoms:
    atoms = cluster("Cu13", seed)
    atoms.calc = EMT()
    return atoms


# --- structures


def test_metals_come_back_in_the_order_of_the_atoms() -> None:
    atoms = cluster(ALLOY)
    task, positions = from_atoms(atoms)
    assert task.name == "Ag3Au4"
    assert task.symbols == tuple(atoms.get_chemical_symbols()) == elements(task.potential)
    back = to_atoms(task.potential, positions, symbols=task.symbols)
    np.testing.assert_array_equal(back.positions, atoms.positions)
    assert back.get_chemical_formula("reduce") == atoms.get_chemical_formula("reduce")
    # Exchanging two atoms of different elements, and their names, changes nothing.
    order = [1, 0, 2, 3, 4, 5, 6]
    other, exchanged = from_atoms(atoms[order])
    here, there = (
        float(t.potential(jnp.asarray(x)))
        for t, x in ((task, positions), (other, exchanged))
    )
    assert abs(here - there) < 1e-12 * abs(here)


def test_known_compositions_bring_their_reference() -> None:
    assert from_atoms(cluster("Au38"))[0].reference == tasks.get("Au38").reference
    assert from_atoms(cluster("X13"))[0].reference == tasks.get("lj13").reference


@pytest.mark.parametrize(
    ("atoms", "word"),
    [
        (Atoms(), "atoms: 0 given"),
        (Atoms("Au", [[0, 0, 0]]), "at least 2"),
        (Atoms("Au2", [[0, 0, 0], [0, 0, np.nan]]), "atom 1 has no finite"),
        (Atoms("Xe2", [[0, 0, 0], [0, 0, 4]]), "no potential comes along"),
        (Atoms("Au2", [[0, 0, 0], [0, 0, 3]], cell=[9] * 3, pbc=True), "periodic cell"),
        (Atoms("Si2", [[0, 0, 0], [0, 0, 3]], cell=[9] * 3, pbc=[1, 1, 0]), "two of three"),
    ],
)
def test_structures_without_potential_are_refused_in_words(atoms: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word.replace("two", "2")):
        from_atoms(atoms)


# --- our potentials as calculators


@pytest.mark.parametrize("symbols", ["X7", ALLOY])
def test_calculator_is_the_potential(symbols: str) -> None:
    atoms = cluster(symbols)
    task, positions = from_atoms(atoms)
    atoms.calc = Calculator(task.potential)
    energy, gradient = task.potential.energy_and_gradient(jnp.asarray(positions))
    assert abs(atoms.get_potential_energy() - energy) <= 1e-12 * abs(energy)
    np.testing.assert_allclose(atoms.get_forces(), -gradient, atol=1e-12)
    np.testing.assert_allclose(atoms.get_potential_energies().sum(), energy, rtol=1e-12)
    shifted = atoms.copy()
    shifted.rattle(0.1)
    energies, forces = evaluate(task.potential, [atoms, shifted])
    np.testing.assert_allclose(energies[0], energy, rtol=1e-12)
    np.testing.assert_allclose(forces[0], -gradient, atol=1e-12)
    shifted.calc = Calculator(task.potential)
    np.testing.assert_allclose(energies[1], shifted.get_potential_energy(), rtol=1e-12)


def test_stress_is_that_of_finite_differences_in_a_sheared_cell() -> None:
    atoms = bulk("Si", cubic=True)
    atoms.set_cell(
        atoms.cell.array @ [[1.05, 0.03, 0], [0, 0.98, 0.02], [0.01, 0, 1]],
        scale_atoms=True,
    )
    atoms.rattle(0.05, seed=1)
    atoms.calc = Calculator(StillingerWeber.silicon(bulk("Si", cubic=True).cell.array))
    stress = atoms.get_stress()
    expected = calculate_numerical_stress(atoms, eps=1e-5)
    assert np.max(np.abs(expected)) > 0.01
    np.testing.assert_allclose(stress, expected, atol=1e-7)


def test_calculator_keeps_results_until_atoms_move() -> None:
    atoms, calls = cluster("X5"), []
    atoms.calc = Calculator(LennardJones())
    calculate = atoms.calc.calculate
    atoms.calc.calculate = lambda *a, **k: (calls.append(1), calculate(*a, **k))[1]
    atoms.get_forces(), atoms.get_potential_energy(), atoms.get_potential_energies()
    assert len(calls) == 1
    atoms.positions[0] += 0.1
    atoms.get_potential_energy()
    assert len(calls) == 2


def test_calculator_refuses_other_atoms() -> None:
    atoms = cluster(ALLOY)
    calc = Calculator(from_atoms(atoms)[0].potential)
    other = atoms[::-1]
    other.calc = calc
    with pytest.raises(ValueError, match="order of its own"):
        other.get_potential_energy()
    atoms.calc = calc
    with pytest.raises(ValueError, match="stress"):
        calc.calculate(atoms, ["stress"])
    atoms.pbc, atoms.cell = True, [20] * 3
    with pytest.raises(ValueError, match="pbc"):
        atoms.get_potential_energy()
    with pytest.raises(ValueError, match="coordinates an atom"):
        Calculator(LennardJones(space=Free(2)))


# --- its calculators as potentials


def test_potential_of_a_calculator_has_its_numbers() -> None:
    atoms = copper()
    potential = calculator_potential(atoms)
    x = jnp.asarray(atoms.positions)
    seen = jax.jit(lambda y: potential.observe(y))(x)
    # EMT counts from the crystal; here separated atoms are zero.
    single = Atoms("Cu", calculator=EMT()).get_potential_energy()
    expected = atoms.get_potential_energy() - 13 * single
    np.testing.assert_allclose(seen.energy, expected, rtol=1e-12)
    np.testing.assert_allclose(-seen.gradient, atoms.get_forces(), atol=1e-12)
    np.testing.assert_allclose(jax.grad(potential)(x), seen.gradient, atol=1e-12)
    batch = jax.vmap(lambda y: potential.observe(y).energy)(jnp.stack([x, 1.1 * x]))
    np.testing.assert_allclose(batch[0], expected, rtol=1e-12)


def test_every_call_counts_and_a_search_finds_what_ase_finds() -> None:
    atoms = copper()
    potential = calculator_potential(atoms)
    done = quench(potential, jnp.asarray(atoms.positions), tolerance=1e-4)
    assert bool(done.converged)
    assert potential.calls.made == int(done.evaluations)
    BFGS(atoms, logfile=None).run(fmax=1e-3)
    theirs = atoms.get_potential_energy() - energy_apart(atoms)
    again = quench(potential, jnp.asarray(atoms.positions), tolerance=1e-4)
    assert abs(float(again.energy) - theirs) < 1e-3


class Broken(AseCalculator):
    """Fails once, after some calls, in one way or another."""

    implemented_properties = ("energy", "forces")

    def __init__(self, how: str, good: int) -> None:
        super().__init__()
        self.how, self.left = how, good

    def calculate(self, atoms: Any = None, *args: Any) -> None:
        self.atoms, n = atoms.copy(), len(atoms)
        self.results = {"energy": -1.0, "forces": 0.1 * atoms.positions}
        self.left -= 1
        if self.left != -1:
            return
        if self.how == "raises":
            raise RuntimeError("no convergence")
        if self.how == "nan":
            self.results["energy"] = np.nan
        if self.how == "grows":
            atoms.append("Cu")
            self.results["forces"] = np.zeros((n + 1, 3))


@pytest.mark.parametrize("how", ["raises", "nan", "grows"])
def test_failing_calculators_give_invalid_observations(how: str) -> None:
    atoms = copper()
    atoms.calc = Broken(how, good=2)
    potential = calculator_potential(atoms, separated=0.0)
    start = jnp.asarray(atoms.positions)
    result = rollout(LBFGS(), potential, start, 5, key=jax.random.key(0))
    assert not bool(result.state.valid)
    assert float(result.best_energy) == -1.0
    assert int(result.state.evaluations) == 6
    assert len(atoms) == 13
    assert potential.calls.failed == 1 and potential.calls.last_error


def test_calculators_that_cannot_be_used_are_refused_in_words() -> None:
    atoms = copper()
    for how, words in (
        ("raises", "raises RuntimeError: no convergence"),
        ("nan", "returns"),
    ):
        alone = f"^separated: for a single Cu atom, Broken {words}.*; give the energy of"
        with pytest.raises(ValueError, match=alone):
            calculator_potential(Atoms(atoms, calculator=Broken(how, good=0)))
    with pytest.raises(ValueError, match="cohesive"):
        calculator_potential(Atoms("He2", [[0, 0, 0], [0, 0, 3]], calculator=EMT()))
    atoms.pbc = [True, True, False]
    with pytest.raises(ValueError, match="2 of three"):
        calculator_potential(atoms, separated=0.0)
    with pytest.raises(ValueError, match="calculator"):
        calculator_potential(cluster("Cu3"))


# --- learned optimizers on any calculator


@pytest.mark.parametrize("element", ["Cu", "Au"])
def test_learned_optimizer_goes_below_the_next_minimum(element: str) -> None:
    lower = []
    for seed in range(3):
        atoms = cluster(f"{element}13", seed)
        atoms.calc = EMT()
        other = atoms.copy()
        other.calc = EMT()
        optimizer = LearnedOptimizer(atoms, "lj13", logfile=None, steps=100)
        assert optimizer.run(fmax=0.01, steps=300)
        assert optimizer.nsteps > 100
        assert np.max(np.linalg.norm(atoms.get_forces(), axis=1)) < 0.01
        np.testing.assert_allclose(
            atoms.positions.mean(0), other.positions.mean(0), atol=1e-9
        )
        BFGS(other, logfile=None).run(fmax=0.01, steps=300)
        lower.append(atoms.get_potential_energy() - other.get_potential_energy())
    assert np.mean(lower) < 0


def test_fixed_atoms_stay_and_others_move() -> None:
    atoms = copper()
    atoms.set_constraint(FixAtoms([0, 3]))
    start = atoms.get_positions()
    LearnedOptimizer(atoms, "lj13", logfile=None, steps=20).run(steps=30)
    moved = np.linalg.norm(atoms.positions - start, axis=1)
    assert np.all(moved[[0, 3]] == 0)
    assert np.all(np.delete(moved, [0, 3]) > 0)
    potential = calculator_potential(atoms)
    # An optimizer that would move them, as it looks at more than forces.
    result = rollout(
        weights.load("lj13"), potential, jnp.asarray(start), 5, key=jax.random.key(0)
    )
    seen = result.state.observation.positions
    np.testing.assert_array_equal(seen[0], start[0])
    assert np.all(seen[1] != start[1])


@pytest.mark.parametrize("stop", [7, 25])
def test_restart_goes_on_as_if_nothing_had_happened(tmp_path: Path, stop: int) -> None:
    def run(atoms: Atoms, steps: int, **files: Any) -> LearnedOptimizer:
        optimizer = LearnedOptimizer(atoms, "lj13", logfile=None, steps=20, **files)
        optimizer.run(fmax=1e-6, steps=steps)
        return optimizer

    whole, first, second = copper(), copper(), copper(seed=1)
    run(whole, 40)
    restart = tmp_path / "restart.json"
    run(first, stop, restart=restart)
    optimizer = run(second, 40 - stop, restart=restart)
    assert not optimizer.learning
    np.testing.assert_allclose(second.positions, whole.positions, atol=1e-9)
    with pytest.raises(ValueError, match="13 atoms, not 7"):
        LearnedOptimizer(_emt(cluster("Cu7")), "lj13", restart=restart)


def test_trajectory_and_log_are_those_of_ase(tmp_path: Path) -> None:
    atoms, log = copper(), tmp_path / "log"
    trajectory = tmp_path / "way.traj"
    optimizer = LearnedOptimizer(atoms, "lj13", steps=3, trajectory=trajectory, logfile=log)
    optimizer.run(steps=6)
    frames: Any = ase.io.read(trajectory, index=":")
    assert len(frames) == 7
    assert "LearnedOptimizer" in log.read_text()
    energies = [frame.get_potential_energy() for frame in frames]
    assert abs(optimizer.best_energy - min(energies[:-1])) < 1e-9
    # After three steps of the network it goes back to the lowest of them.
    assert energies[4] == min(energies[:4]) < energies[3]


def test_learned_optimizer_ends_its_walk_where_the_calculator_fails() -> None:
    atoms = copper()
    atoms.calc = Broken("nan", good=3)
    optimizer = LearnedOptimizer(atoms, "lj13", logfile=None, steps=20, separated=0.0)
    optimizer.run(steps=5)
    assert not optimizer.learning
    assert np.all(np.isfinite(atoms.positions))
    atoms.calc = Broken("nan", good=0)
    with pytest.raises(ValueError, match="start"):
        LearnedOptimizer(atoms, "lj13", logfile=None, separated=0.0).run(steps=1)


def test_optimizers_drive_atoms_and_nothing_else_does() -> None:
    with pytest.raises(ValueError, match="weights: a Growth given"):
        LearnedOptimizer(copper(), weights.GROWTH, logfile=None)
    optimizer = LearnedOptimizer(copper(), Adam(0.01), logfile=None, steps=3)
    optimizer.run(steps=5)
    assert not optimizer.learning and optimizer.nsteps == 5


def test_weights_that_were_trained_on_something_else_say_so() -> None:
    with pytest.warns(UserWarning, match="lj38 was trained on 38 atoms, and there are 13"):
        LearnedOptimizer(copper(), "lj38", logfile=None)
    crystal = _emt(cluster("Cu13"))
    crystal.set_cell([12.0] * 3)
    crystal.pbc = True
    with pytest.warns(UserWarning, match="free clusters, and the atoms are in a periodic"):
        LearnedOptimizer(crystal, "lj13", logfile=None)
    # Half as many and twice as many are near enough; so are weights without a card.
    LearnedOptimizer(_emt(cluster("Cu7")), "lj13", logfile=None)
    LearnedOptimizer(copper(), weights.load("lj38"), logfile=None)


def _emt(atoms: Atoms) -> Atoms:
    atoms.calc = EMT()
    return atoms


def test_natural_units_are_those_of_the_gupta_tables() -> None:
    """Two sources of the same physics: crystals in tables, and fitted potentials."""
    for metal in ("Ag", "Au", "Pd", "Pt"):
        scale = tasks.metal({metal: 2}).potential.scale
        assert abs(natural_length([metal]) / float(scale.length) - 1) < 0.02
        assert abs(natural_energy([metal]) / float(scale.energy) - 1) < 0.08
