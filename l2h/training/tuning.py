"""Hyper-parameters of baselines: a grid, and numbers learned by meta-training."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..domains import Domain
from ..evaluation import Method, Trials, evaluate
from ..meta import NormalizedES, Objective, Trainer, ravel, unravel
from ..optimizers import AbstractOptimizer, Adam, BasinHopping, Fire
from ..tasks import Task

# Appendix C of the paper: learned hyper-parameters take this many outer steps of Adam.
OUTER_STEPS, OUTER_RATE = 100, 1e-2
# Where `l2h tune` keeps what it finds, unless told otherwise.
FOUND = Path("runs") / "tune" / "baselines.json"
# By how much runs of the doubled length may still gain, in natural energies.
SETTLED = 0.05


def grids() -> dict[str, dict[str, AbstractOptimizer]]:
    """Return the values that are tried, by kind of optimizer (appendix C of the paper)."""
    rates, lengths = (0.01, 0.005, 0.001), (0.2, 0.4, 0.6, 0.8)
    return {
        "adam": {f"rate {r}": Adam(r) for r in rates},
        # The largest time step at its usual ratio to the first: 0.4 itself makes
        # Lennard-Jones clusters evaporate.
        "fire": {f"dt {r}": Fire.original(dt=r, dtmax=4 * r) for r in rates},
        "fire-ase": {f"dt {r}": Fire.ase(dt=r, dtmax=10 * r) for r in rates},
        "bh-paper": {f"step {s}": BasinHopping.paper(s) for s in lengths},
        "bh-plain": {f"step {s}": BasinHopping.plain(s) for s in lengths},
    }


def candidates(kind: str, task: str) -> dict[str, AbstractOptimizer]:
    """Return the grid of a kind and, if the library has what tuning on the task found
    better, that as well."""
    grid, found = grids()[kind], _entry(stored(), kind, task)
    if found is not None and found["best"]["name"] not in grid:
        grid["tuned"] = tuned(kind, task)
    return grid


def learn(
    optimizer: AbstractOptimizer,
    task: Task,
    steps: int,
    *,
    seed: int,
    updates: int = OUTER_STEPS,
    pairs: int = 8,
    starts_per_task: int = 4,
    dtype: Any = jnp.float32,
    note: Callable[[str], None] = lambda _: None,
) -> AbstractOptimizer:
    """Return the optimizer with its declared hyper-parameters meta-trained on a task.

    Arguments:
        optimizer: where to begin.
        task: what is searched.
        steps: length of every rollout; its lowest energy is the loss.
        seed: of noise and training starts.
        updates: outer steps.
        pairs, starts_per_task: antithetic pairs, and starts that they share.
        dtype: precision of rollouts.
        note: told what happens, for progress.

    Reference: Learn2Hop, appendix C.1; the estimator is `NormalizedES`.
    """
    trainer = Trainer(
        NormalizedES(pairs=pairs, sigma=0.1, learning_rate=OUTER_RATE),
        Objective(final=0.0, best=1.0, shortest=float(steps), longest=float(steps)),
        (task,),
        starts_per_task=starts_per_task,
        chunk=max(1, 32 // starts_per_task),
        precision=jnp.dtype(dtype).name,
        updates=float(updates),
    )
    state = trainer.strategy.init(optimizer, seed)
    for update in range(updates):
        state, info = trainer(state)
        note(f"outer step {update + 1} of {updates}: loss {float(info['loss']):.3f}")
    return state.optimizer


@dataclass(frozen=True)
class Candidate:
    """One choice of hyper-parameters, and how it did."""

    name: str
    optimizer: AbstractOptimizer
    validation: Trials
    """On validation starts, by which the best is chosen."""
    held_out: Trials
    """On starts that no choice has seen."""

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are reported, as plain Python."""
        shown = self.held_out.summary()
        runs = self.held_out.found[np.isfinite(self.held_out.found)]
        return {
            "name": self.name,
            "hyperparameters": np.asarray(ravel(self.optimizer), np.float64).tolist(),
            "validation_mean": mean(self.validation),
            "held_out_mean": mean(self.held_out),
            "held_out_error": float(np.std(runs, ddof=1) / np.sqrt(len(runs))),
            "held_out_polished_mean": shown["mean"],
            "held_out_lowest": shown["lowest"],
            "nonfinite": shown["nonfinite"],
        }


def mean(trials: Trials) -> float:
    """Return the mean of the lowest energies seen; infinite if a run saw none."""
    return float(np.mean(trials.found))


def tune(
    grid: Mapping[str, AbstractOptimizer],
    task: Task,
    steps: int,
    *,
    seed: int,
    starts: int = 150,
    updates: int = OUTER_STEPS,
    dtype: Any = jnp.float32,
    note: Callable[[str], None] = lambda _: None,
) -> list[Candidate]:
    """Try every value of a grid and what is learned from each; the best comes first.

    The order is that of mean energies on validation starts, which held-out starts, used
    for the reported numbers, do not influence.

    Arguments:
        grid: optimizers by name.
        task: what is searched.
        steps: granted to each run.
        seed: of all starts and noise.
        starts: validation starts, and as many held-out ones.
        updates: outer steps of learning; zero to try the grid only.
        dtype: precision of the search.
        note: told what happens, for progress.

    Raises:
        ValueError: if the grid is empty.
    """
    if not grid:
        raise ValueError("grid: empty; give at least one optimizer.")
    tried = dict(grid)
    for name, optimizer in grid.items() if updates else ():
        tried[f"{name}, learned"] = learn(
            optimizer,
            task,
            steps,
            seed=seed,
            updates=updates,
            dtype=dtype,
            note=lambda text, name=name: note(f"{name}: {text}"),
        )

    def run(name: str, optimizer: AbstractOptimizer, domain: Domain) -> Trials:
        return evaluate(
            Method(name, optimizer),
            task,
            range(starts),
            budget=steps + 1,
            seed=seed,
            domain=domain,
            dtype=dtype,
        )

    found = []
    for name, optimizer in tried.items():
        note(f"{name}: {starts} validation and {starts} held-out starts")
        both = (run(name, optimizer, d) for d in (Domain.VALIDATION, Domain.TEST))
        found.append(Candidate(name, optimizer, *both))
    return sorted(found, key=lambda candidate: mean(candidate.validation))


def settling(
    optimizer: AbstractOptimizer,
    task: Task,
    *,
    seed: int,
    starts: int = 150,
    first: int = 125,
    last: int = 16000,
    dtype: Any = jnp.float32,
) -> list[tuple[int, float]]:
    """Return the mean lowest energy after ever more steps, each number twice the last,
    until doubling gains less than `SETTLED` natural energies or `last` is reached."""
    ladder: list[tuple[int, float]] = []
    steps = first
    while steps <= last:
        trials = evaluate(
            Method("settling", optimizer),
            task,
            range(starts),
            budget=steps + 1,
            seed=seed,
            dtype=dtype,
        )
        ladder.append((steps, mean(trials)))
        if len(ladder) > 1 and ladder[-2][1] - ladder[-1][1] < SETTLED * task.unit:
            break
        steps *= 2
    return ladder


def parts(grid: int, updates: int) -> int:
    """Return how many times tuning tells what happens, for progress.

    Arguments:
        grid: number of values that are tried.
        updates: outer steps of learning from each.
    """
    return grid * (updates + 1 + (updates > 0))


def tuning_entry(
    grid: Mapping[str, AbstractOptimizer],
    task: Task,
    steps: int,
    *,
    seed: int,
    starts: int,
    updates: int,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Tune as `tune` does; return plain numbers as they are stored: the best, the others,
    and how the best settles with the number of steps."""
    found = tune(grid, task, steps, seed=seed, starts=starts, updates=updates, note=note)
    ladder = settling(found[0].optimizer, task, seed=seed, starts=starts)
    summaries = [candidate.summary() for candidate in found]
    return {"best": summaries[0], "others": summaries[1:], "settling": ladder}


@cache
def stored() -> dict[str, Any]:
    """Return the tuned hyper-parameters that come with the library
    (l2h/data/baselines.json, a file that `l2h tune` has written)."""
    return json.loads(resources.files("l2h.data").joinpath("baselines.json").read_text())


def tuned(kind: str, task: str) -> AbstractOptimizer:
    """Return an optimizer with the stored hyper-parameters for a task: those that come with
    the library or, where it has none, those that `l2h tune` has left in `FOUND`.

    Arguments:
        kind: a key of `grids`, such as "adam".
        task: name of the task.

    Raises:
        ValueError: if that was never tuned, listing what was; or if the file is damaged.
    """
    own = left(FOUND)
    found = _entry(stored(), kind, task) or _entry(own, kind, task)
    if found is None:
        files = (stored()["tuned"], own["tuned"])
        known = [
            f"{k} on {t}" for file in files for t, kinds in file.items() for k in kinds
        ]
        raise ValueError(
            f"tuned: no hyper-parameters of {kind} on {task} are stored; there are "
            f"{', '.join(known)}. Make them with l2h tune {task} --optimizers {kind}, "
            f"which leaves them in {FOUND}."
        )
    template = next(iter(grids()[kind].values()))
    params = jnp.asarray(found["best"]["hyperparameters"], ravel(template).dtype)
    return unravel(template, params)


def left(path: Path) -> dict[str, Any]:
    """Return what `l2h tune` has left in a file; nothing where there is none.

    Raises:
        ValueError: if the file is damaged, or something else.
    """
    if not path.exists():
        return {"tuned": {}}
    try:
        found = json.loads(path.read_text())
        entries = [e for kinds in found["tuned"].values() for e in kinds.values()]
        whole = all("best" in entry for entry in entries)
    except (ValueError, LookupError, TypeError, AttributeError):  # any other JSON
        whole = False
    if not whole:
        raise ValueError(
            f"folder: {path} is damaged, or not what l2h tune wrote; move it away, or "
            "choose another folder."
        )
    return found


def _entry(file: Mapping[str, Any], kind: str, task: str) -> dict[str, Any] | None:
    return file["tuned"].get(task, {}).get(kind)


@cache
def paper() -> dict[tuple[str, str], float]:
    """Return the paper's means over 150 starts (table 6), by task and optimizer."""
    text = resources.files("l2h.data").joinpath("paper_means.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {(row["task"], row["optimizer"]): float(row["mean"]) for row in rows}
