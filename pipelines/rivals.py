"""Other people's searches, and our engine, behind one signature, every evaluation
counted."""

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Basin hopping after Wales and Doye, in natural lengths and energies.
TEMPERATURE, STEP = 0.8, 0.36
# FIRE from jax-md has no end of its own. With its own time steps, up to 0.4, clusters
# evaporate; with these, 300 steps cost least a hit on 13 atoms.
FIRE_STEPS, FIRST_STEP, LARGEST_STEP = 300, 0.01, 0.05
# Evaluations that suffice for one attempt of ours.
LEAST = 500


class Found(NamedTuple):
    """What one search has found, and what it took until its first hit or its end."""

    energy: float
    positions: np.ndarray
    evaluations: int


Search = Callable[[np.ndarray, int, int], Found]
"""From start, budget and number of the start to what was found."""


class Finished(Exception):
    """A search has hit, or its budget is spent."""


class Counter:
    """Energy and gradient of a task, every call counted; raises `Finished` in time.

    A hit is an energy within the task's tolerance of its reference, or below.
    """

    def __init__(self, task: Any, evaluate: Callable[[Any], Any] | None = None) -> None:
        import jax

        potential = task.potential
        self._evaluate = evaluate or jax.jit(lambda x: potential.energy_and_gradient(x))
        self.target = task.reference + task.window
        self.begin(np.zeros((task.n, 3)), 0)

    def begin(self, start: np.ndarray, budget: int) -> None:
        """Start to count anew."""
        self.budget, self.calls = budget, 0
        self.lowest, self.best = np.inf, start

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Return energy and gradient."""
        if self.calls >= self.budget:
            raise Finished
        self.calls += 1
        energy, gradient = self._evaluate(positions)
        if float(energy) < self.lowest:
            self.lowest, self.best = float(energy), np.array(positions)
        if float(energy) <= self.target:
            raise Finished
        return float(energy), np.asarray(gradient)


def counted(counter: Counter, search: Callable[[np.ndarray, int], Any]) -> Search:
    """Return a search that ends when the counter says so."""

    def run(start: np.ndarray, budget: int, number: int) -> Found:
        counter.begin(start, budget)
        np.random.seed(number)
        with contextlib.suppress(Finished):
            search(start, number)
        return Found(counter.lowest, counter.best, counter.calls)

    return run


def scipy_basinhopping(task: Any, seed: int) -> Search:
    """SciPy's basin hopping with L-BFGS-B."""
    from scipy.optimize import basinhopping

    counter = Counter(task)

    def flat(x: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = counter(x.reshape(-1, 3))
        return energy, gradient.ravel()

    def search(start: np.ndarray, number: int) -> None:
        basinhopping(
            flat,
            start.ravel(),
            niter=10**9,
            T=TEMPERATURE,
            stepsize=STEP,
            minimizer_kwargs={"method": "L-BFGS-B", "jac": True},
            rng=number,
        )

    return counted(counter, search)


def ase_basinhopping(task: Any, seed: int) -> Search:
    """ASE's basin hopping with its L-BFGS."""
    from ase import Atoms
    from ase.calculators.calculator import Calculator, all_changes
    from ase.optimize import LBFGS
    from ase.optimize.basin import BasinHopping

    counter = Counter(task)

    class Ours(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(
            self,
            atoms: Any = None,
            properties: Any = ("energy",),
            system_changes: Any = all_changes,
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            energy, gradient = counter(self.atoms.positions)
            self.results = {"energy": energy, "forces": -gradient}

    def search(start: np.ndarray, number: int) -> None:
        atoms = Atoms("X" * len(start), positions=start)
        atoms.set_masses(np.ones(len(start)))  # of the dummy element: none
        atoms.calc = Ours()
        hopping = BasinHopping(
            atoms,
            temperature=TEMPERATURE,
            optimizer=LBFGS,
            fmax=0.05,
            dr=STEP,
            logfile=None,
            trajectory=None,
            optimizer_logfile=None,
            local_minima_trajectory=None,
        )
        hopping.run(10**9)

    return counted(counter, search)


def pele_basinhopping(task: Any, seed: int) -> Search:
    """Pele's basin hopping with its own compiled potential, minimizer and defaults."""
    from pele.systems import LJCluster

    with contextlib.redirect_stdout(io.StringIO()):  # it talks
        system = LJCluster(task.n)
    length = 2 ** (1 / 6)  # its sigma is one, our nearest distance

    def run(start: np.ndarray, budget: int, number: int) -> Found:
        np.random.seed(number)
        hopping = system.get_basinhopping(
            coords=length * start.ravel(),
            add_minimum=lambda energy, coords: None,
            outstream=None,
        )
        # It counts by itself, and may go beyond the budget by a quench.
        target = task.reference + task.window
        while hopping.result.energy > target and hopping.result.nfev < budget:
            hopping.run(1)
        best = np.reshape(hopping.result.coords, (-1, 3)) / length
        return Found(float(hopping.result.energy), best, int(hopping.result.nfev))

    return run


def jax_md_fire(task: Any, seed: int) -> Search:
    """jax-md's FIRE with its own potential, quenched as ours are, from start to start."""
    import jax
    import jax.numpy as jnp
    from jax_md import energy, minimize, space

    from l2h.domains import Domain
    from l2h.evaluation.harness import QUENCHED
    from l2h.optimizers import quench

    displacement, shift = space.free()
    # Its potential fades out at a cutoff; none of these clusters is that large.
    law = energy.lennard_jones_pair(
        displacement, sigma=2 ** (-1 / 6), r_onset=1e6, r_cutoff=2e6
    )
    init, apply = minimize.fire_descent(
        law, shift, dt_start=FIRST_STEP, dt_max=LARGEST_STEP
    )
    target = task.reference + task.window

    @jax.jit
    def descend(start: Any) -> Any:
        end = jax.lax.fori_loop(0, FIRE_STEPS, lambda _, s: apply(s), init(start))
        relaxed = quench(
            task.potential, end.position, tolerance=QUENCHED[end.position.dtype.name]
        )
        return law(end.position), relaxed.energy, relaxed.positions, relaxed.evaluations

    def run(start: np.ndarray, budget: int, number: int) -> Found:
        calls, attempt, x = 0, 0, jnp.asarray(start)
        best = Found(np.inf, start, 0)
        while calls < budget:
            ended, found, positions, quenching = descend(x)
            calls += FIRE_STEPS + 2  # its start, its steps, the energy at the end
            if float(ended) > target:
                calls += int(quenching)
            if float(found) < best.energy:
                best = Found(float(found), np.asarray(positions), 0)
            if best.energy <= target:
                break
            attempt += 1
            drawn = task.draw(seed, Domain.TEST, [number], jnp.float64, attempt)
            x = drawn.positions[0]
        return best._replace(evaluations=calls)

    return run


def anneal_cluster_search(task: Any, seed: int) -> Search:
    """Anneal's compiled cluster search with its recommended settings.

    It asks for energies and for gradients; both at one structure count once. An error does
    not end it: once it has hit, it is told nothing any more, until its budget is spent.
    """
    from anneal import cluster_search  # pyright: ignore[reportMissingImports]

    counter = Counter(task)
    length = 2 ** (1 / 6)  # its sigma is one, our nearest distance

    def run(start: np.ndarray, budget: int, number: int) -> Found:
        counter.begin(start, budget)
        seen: dict[bytes, tuple[float, np.ndarray]] = {}
        over = False

        def both(x: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal over
            if over:
                raise Finished
            name = np.asarray(x).tobytes()
            if name not in seen:
                over = True  # unless the counter lets it go on
                energy, gradient = counter(np.reshape(x, (-1, 3)) / length)
                over = False
                seen.clear()
                seen[name] = energy, gradient.ravel() / length
            return seen[name]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # it tells of our ending it
            cluster_search(
                lambda x: both(x)[0],
                lambda x: both(x)[1],
                task.n,
                budget,
                number,
                start=length * start.ravel(),
            )
        return Found(counter.lowest, counter.best, counter.calls)

    return run


def engine(arms: list[str] | None) -> Callable[[Any, int], Search]:
    """Our own search engine, which draws its own starts: everything that it evaluates
    before its first hit counts, also cores, abandoned attempts and polishing.

    Arguments:
        arms: what it tries; what suits the task if None.
    """

    def prepared(task: Any, seed: int) -> Search:
        import l2h

        def run(start: np.ndarray, budget: int, number: int) -> Found:
            found = l2h.search(
                task,
                evaluations=max(budget, LEAST),
                until="reference",
                seed=seed * 100_003 + number,
                arms=arms,
                devices=1,
            )
            hit = found.evaluations_to_hit
            spent = found.evaluations if hit is None else hit
            lowest = np.inf if found.lowest is None else found.lowest
            return Found(lowest, found.positions[0] if len(found.hits) else start, spent)

        return run

    return prepared


RIVALS: dict[str, Callable[[Any, int], Search]] = {
    "search": engine(None),
    "grown": engine(["grown"]),
    "symmetric": engine(["symmetric"]),
    "pele": pele_basinhopping,
    "ASE BasinHopping": ase_basinhopping,
    "SciPy basinhopping": scipy_basinhopping,
    "jax-md FIRE": jax_md_fire,
    "anneal": anneal_cluster_search,
}


def run(name: str, task: Any, starts: int, budget: int, seed: int) -> Any:
    """Return the trials of somebody else's search, from the starts that ours begin with.

    Arguments:
        name: a key of `RIVALS`.
        task: a Lennard-Jones cluster with a reference.
        starts: number of starts.
        budget: evaluations granted to each.
        seed: of the starts.

    Raises:
        ImportError: if it is not installed.
    """
    from l2h.domains import Domain
    from l2h.evaluation import Trials

    search = RIVALS[name](task, seed)
    drawn = task.draw(seed, Domain.TEST, range(starts), np.float64)
    positions = np.asarray(drawn.positions)
    search(positions[0], 2, 10**6)  # compiles, loads, fills caches
    begun = time.process_time()
    found = [search(start, budget, number) for number, start in enumerate(positions)]
    seconds = time.process_time() - begun
    return Trials.counted(
        task,
        name,
        budget,
        energies=np.array([f.energy for f in found]),
        positions=np.stack([f.positions for f in found]),
        evaluations=np.array([f.evaluations for f in found]),
        seconds=seconds,
    )
