"""Other people's searches side by side with ours: same starts, same counting, one core.

nox -s peers -- lj13
nox -s peers -- lj38 --starts 20 --budget 1000000

Every energy-and-gradient evaluation counts, until the first hit or the end of the budget.
Peers run one start after the other, as they are made to; ours run a chunk of starts at
once, on the same single core. Seconds are those that the core has worked, so that other
programs on the machine do not count. What is not installed is named, and left out.
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

# The core on which everything runs; before JAX and BLAS start their threads.
if __name__ == "__main__" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import numpy as np
import tyro

from l2h.cli.launch import command

# Basin hopping after Wales and Doye, in natural lengths and energies.
TEMPERATURE, STEP = 0.8, 0.36
# FIRE from jax-md has no end of its own. With its own time steps, up to 0.4, clusters
# evaporate; with these, 300 steps cost least a hit on 13 atoms.
FIRE_STEPS, FIRST_STEP, LARGEST_STEP = 300, 0.01, 0.05


class Finished(Exception):
    """A search has hit, or its budget is spent."""


class Counter:
    """Energy and gradient of a task, every call counted; raises `Finished` in time."""

    def __init__(self, evaluate: Callable[[Any], Any], target: float) -> None:
        self._evaluate, self.target = evaluate, target
        self.begin(0)

    def begin(self, budget: int) -> None:
        """Start to count anew."""
        self.budget, self.calls, self.hit = budget, 0, False

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Return energy and gradient."""
        if self.calls >= self.budget:
            raise Finished
        self.calls += 1
        energy, gradient = self._evaluate(positions)
        if float(energy) <= self.target:
            self.hit = True
            raise Finished
        return float(energy), np.asarray(gradient)


Search = Callable[[np.ndarray, int, int], tuple[int, bool]]
"""From start, budget and seed to evaluations made and whether there was a hit."""


def counted(counter: Counter, search: Callable[[np.ndarray, int], Any]) -> Search:
    """Return a search that ends when the counter says so."""

    def run(start: np.ndarray, budget: int, seed: int) -> tuple[int, bool]:
        counter.begin(budget)
        np.random.seed(seed)
        try:
            search(start, seed)
        except Finished:
            pass
        return counter.calls, counter.hit

    return run


def scipy_basinhopping(task: Any, counter: Counter) -> Search:
    """SciPy's basin hopping with L-BFGS-B."""
    from scipy.optimize import basinhopping

    def flat(x: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = counter(x.reshape(-1, 3))
        return energy, gradient.ravel()

    def search(start: np.ndarray, seed: int) -> None:
        basinhopping(
            flat,
            start.ravel(),
            niter=10**9,
            T=TEMPERATURE,
            stepsize=STEP,
            minimizer_kwargs={"method": "L-BFGS-B", "jac": True},
            rng=seed,
        )

    return counted(counter, search)


def ase_basinhopping(task: Any, counter: Counter) -> Search:
    """ASE's basin hopping with its L-BFGS."""
    from ase import Atoms
    from ase.calculators.calculator import Calculator, all_changes
    from ase.optimize import LBFGS
    from ase.optimize.basin import BasinHopping

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

    def search(start: np.ndarray, seed: int) -> None:
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


def pele_basinhopping(task: Any, counter: Counter) -> Search:
    """Pele's basin hopping with its own compiled potential, minimizer and defaults."""
    from pele.systems import LJCluster

    with contextlib.redirect_stdout(io.StringIO()):  # it talks
        system = LJCluster(task.n)
    length = 2 ** (1 / 6)  # its sigma is one, our nearest distance

    def run(start: np.ndarray, budget: int, seed: int) -> tuple[int, bool]:
        np.random.seed(seed)
        hopping = system.get_basinhopping(
            coords=length * start.ravel(),
            add_minimum=lambda energy, coords: None,
            outstream=None,
        )
        # It counts by itself, and may go beyond the budget by a quench.
        while hopping.result.energy > counter.target and hopping.result.nfev < budget:
            hopping.run(1)
        return hopping.result.nfev, bool(hopping.result.energy <= counter.target)

    return run


def jax_md_fire(task: Any, counter: Counter) -> Search:
    """jax-md's FIRE with its own potential, from start to start."""
    import jax.numpy as jnp
    from jax_md import energy, minimize, space

    displacement, shift = space.free()
    # Its potential fades out at a cutoff; none of these clusters is that large.
    law = energy.lennard_jones_pair(
        displacement, sigma=2 ** (-1 / 6), r_onset=1e6, r_cutoff=2e6
    )
    init, apply = minimize.fire_descent(
        law, shift, dt_start=FIRST_STEP, dt_max=LARGEST_STEP
    )

    @jax.jit
    def descend(start: Any) -> Any:
        end = jax.lax.fori_loop(0, FIRE_STEPS, lambda _, s: apply(s), init(start))
        return law(end.position)

    @jax.jit
    def draw(seed: Any, number: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), number)
        return task.init(key, task.potential, task.n, jnp.float64)

    def run(start: np.ndarray, budget: int, seed: int) -> tuple[int, bool]:
        calls, number, x = 0, 0, start
        while calls < budget:
            found = float(descend(jnp.asarray(x)))
            calls += FIRE_STEPS + 2  # its start, its steps, the energy at the end
            if found <= counter.target:
                return calls, True
            number += 1
            x = draw(seed, number)
        return calls, False

    return run


PEERS: dict[str, Callable[[Any, Counter], Search]] = {
    "pele": pele_basinhopping,
    "ASE BasinHopping": ase_basinhopping,
    "SciPy basinhopping": scipy_basinhopping,
    "jax-md FIRE": jax_md_fire,
}


def row(
    name: str, spent: np.ndarray, hit: np.ndarray, seconds: float, evaluations: int
) -> dict[str, Any]:
    """Return the numbers of one contestant."""
    from l2h.evaluation import cost_per_hit

    second = seconds / evaluations
    cost = cost_per_hit(spent, hit)
    return {
        "name": name,
        "hits": int(hit.sum()),
        "runs": len(hit),
        "evaluations_per_hit": list(cost),
        "evaluations_per_second": 1 / second,
        "seconds_per_hit": [second * x for x in cost],
    }


def measure_peer(
    name: str, task: Any, counter: Counter, starts: np.ndarray, budget: int
) -> dict[str, Any]:
    """Run a peer from every start.

    Raises:
        ImportError: if it is not installed.
    """
    search = PEERS[name](task, counter)
    search(starts[0], 2, 10**6)  # compiles, loads, fills caches
    begun = time.process_time()
    results = [search(start, budget, seed) for seed, start in enumerate(starts)]
    seconds = time.process_time() - begun
    spent = np.array([calls for calls, _ in results])
    hit = np.array([found for _, found in results])
    return row(name, spent, hit, seconds, int(spent.sum()))


def measure_ours(
    name: str, task: Any, starts: int, budget: int, seed: int
) -> dict[str, Any]:
    """Run one of our optimizers from the same starts."""
    from l2h.evaluation import CHUNK, Record, Reference, Score, contest
    from pipelines.contestants import contestant

    ours = contestant(name)
    record = Record.join(
        [
            contest(
                ours,
                task,
                range(first, min(first + CHUNK, starts)),
                budget=budget,
                seed=seed,
                stop_at_hit=True,
                clock=time.process_time,
            )
            for first in range(0, starts, CHUNK)
        ]
    )
    score = Score(
        ours.name,
        task,
        record,
        Reference.choose(task, [record]),
        budget,
        ours.horizon(budget),
        stopped=True,
    )
    hit = np.isfinite(score.hit_at)
    spent = np.where(hit, score.hit_at, score.costs.sum(axis=1))
    made = int(record.search.sum() + record.quench.sum())
    return row(name, spent, hit, float(record.seconds), made)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as plain text."""
    from l2h.evaluation import Interval

    lines = [
        f"{'':20} {'hits':>9} {'evaluations per hit (95 %)':>34} "
        f"{'evaluations/s':>13} {'ms per hit (95 %)':>34}"
    ]
    for r in rows:
        hits = f"{r['hits']}/{r['runs']}"
        cost = f"{Interval(*r['evaluations_per_hit']):,.0f}"
        time = f"{Interval(*(1e3 * x for x in r['seconds_per_hit'])):,.4g}"
        lines.append(
            f"{r['name']:20} {hits:>9} {cost:>34} {r['evaluations_per_second']:13,.0f} "
            f"{time:>34}"
        )
    return "\n".join(lines)


def main(
    task: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    optimizers: str = "bh-plain,bh-strong",
    peers: str = ",".join(PEERS),
    starts: int = 50,
    budget: int = 20_000,
    seed: int = 0,
    output: Path | None = None,
) -> None:
    """Run peers and our optimizers from the same starts, on one core.

    Args:
        task: A Lennard-Jones cluster.
        optimizers: Ours, as in the evaluate command.
        peers: Theirs, joined by commas.
        starts: Number of starts.
        budget: Evaluations granted to each start.
        seed: Determines the starts.
        output: A JSON file for the numbers.
    """
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    from l2h import tasks as problems
    from l2h.domains import Domain
    from l2h.meta import draw_starts
    from l2h.potentials import LennardJones
    from pipelines.contestants import contestants

    problem = problems.get(task)
    if not isinstance(problem.potential, LennardJones) or problem.reference is None:
        raise ValueError(
            f"task: {task} given; peers know Lennard-Jones clusters up to 150."
        )
    if starts < 1:
        raise ValueError(f"starts: {starts} given; at least 1 is needed.")
    listed = [name.strip() for name in peers.split(",") if name.strip()]
    if unknown := sorted(set(listed) - set(PEERS)):
        raise ValueError(f"peers: {unknown[0]!r} is unknown; known are {', '.join(PEERS)}.")
    for ours in contestants(optimizers):
        ours.horizon(budget)
    counter = Counter(
        jax.jit(lambda x: problem.potential.energy_and_gradient(x)),
        problem.reference + problems.TOLERANCE,
    )
    drawn = draw_starts(problem, starts, Domain.TEST.key(seed), jnp.float64)
    rows, absent = [], []
    for name in listed:
        print(f"{name}: {starts} starts", flush=True)
        try:
            rows.append(measure_peer(name, problem, counter, np.asarray(drawn), budget))
        except ImportError as error:
            absent.append(f"absent: {name} ({error})")
    for name in optimizers.split(","):
        print(f"{name}: {starts} starts", flush=True)
        rows.append(measure_ours(name.strip(), problem, starts, budget, seed))
    print(f"\n{task}: {starts} starts, {budget:,} evaluations each, one core")
    print("\n".join([table(rows), *absent]))
    if output is not None:
        from l2h.io import write_atomically

        content = {"task": task, "budget": budget, "rows": rows, "absent": absent}
        text = json.dumps(content, indent=1).replace("Infinity", "null")
        write_atomically(output, text + "\n")


if __name__ == "__main__":
    command(main, kept="nothing is kept, as all are measured in one go")
