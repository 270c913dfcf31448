"""Train what attempts of a search are made of, by what a hit costs there.

python -m pipelines.attempts --folder runs/growth
python -m pipelines.attempts --folder runs/walk --walk silicon@20 --tasks si64-symmetric
python -m pipelines.attempts --folder runs/try --tasks lj13 --updates 2 --quick

Without a walk, growth is trained: which sites fill first, from which cores, and when to
give up. With one, a network is, whose steps come before probation, quench and repair. What
is lowered is the cost of a hit (`engine.CostOfHit`). The same command again goes on where
it was interrupted, to the bit. The folder's `growth.l2h` or `walk.l2h` is what was trained:

    growth = l2h.weights.load("runs/growth/growth.l2h")
    l2h.search("lj75", until="reference", arms=[Arm.growing("mine", growth)])
"""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from l2h.cli.launch import command, prepare

# Sizes that growth is trained on.
TASKS = "lj31,lj37,lj38,lj45,lj50,lj55,lj59,lj64,lj75,lj76"
# Weight of the past in the average of the parameters that is kept.
AVERAGE = 0.9
# Perturbations and first rates, by what is trained.
GROWTH_RATES, WALK_RATES = (0.2, 0.1), (0.05, 0.01)


class Part(NamedTuple):
    """What is trained."""

    name: str
    """Of its file."""
    kind: str
    """What its card calls it."""
    first: Any
    """Before training."""
    arm: Callable[[Any, Any], Any]
    """By which attempts are made, of it and a task."""
    config: str
    """All settings, as TOML."""
    evaluations: int
    """That it has cost before."""


def main(
    *,
    folder: Path,
    tasks: str = TASKS,
    walk: str = "",
    updates: int = 40,
    pairs: int = 8,
    attempts: int = 32,
    sigma: float | None = None,
    rate: float | None = None,
    hidden: int = 8,
    seed: int = 0,
    minutes: float | None = None,
    quick: bool = False,
) -> None:
    """Train growth, or a walk, on some tasks; at least one update.

    Args:
        folder: Of the run; one that exists goes on.
        tasks: Names joined by commas; after @, a walk's steps on this one.
        walk: Weights to begin with, by name or path, and after @ the steps of an attempt;
            growth is trained without.
        updates: Length of the schedule.
        pairs: Antithetic pairs of an update.
        attempts: Of each member on each task, in an update.
        sigma: Standard deviation of perturbations; 0.2 for growth, 0.05 for a walk.
        rate: Of Adam, at first; three tenths of it at last. 0.1 for growth, 0.01 for a
            walk.
        hidden: Units of the network that growth has.
        seed: Determines everything random.
        minutes: Stop after the update that ends later than this; the schedule stays.
        quick: A short form to try things out: 1 pair, 16 attempts.
    """
    prepare()
    from l2h._registry import listed
    from l2h.engine import CostOfHit
    from l2h.io import load, lock, read_metadata, save, write_atomically
    from l2h.meta import NormalizedES, TrainState, cosine
    from l2h.tasks import get

    if quick:
        pairs, attempts = 1, 16
    begun = time.monotonic()
    usual = WALK_RATES if walk else GROWTH_RATES
    sigma = usual[0] if sigma is None else sigma
    rate = usual[1] if rate is None else rate
    settings = {"updates": updates, "pairs": pairs, "sigma": sigma, "seed": seed}
    named = [each.partition("@") for each in listed("tasks", tasks)]
    problems = [get(name) for name, _, _ in named]
    if walk:
        taken = [steps for _, _, steps in named]
        part = _walk(walk, [p.name for p in problems], taken, attempts, rate, settings)
    else:
        if walked := [f"{name}@{steps}" for name, at, steps in named if at]:
            raise ValueError(
                f"tasks: {', '.join(walked)} given, but growth takes no steps; leave out @ "
                "and what follows, or name a walk."
            )
        names = [task.name for task in problems]
        part = _growth(names, hidden, attempts, rate, settings)
    strategy = NormalizedES(pairs, sigma, cosine(rate, 0.3 * rate, updates))
    objective = CostOfHit(problems, seed, arm=part.arm, attempts=attempts)
    state = TrainState.begin(strategy.init(part.first, seed))
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, metrics = folder / "checkpoint.l2h", folder / "metrics.jsonl"
    rows: list[dict[str, float]] = []
    with lock(folder):
        if checkpoint.exists():
            if read_metadata(checkpoint).get("config") != part.config:
                raise ValueError(
                    f"folder: {folder} holds a run with other settings; choose another."
                )
            state, _ = load(checkpoint, state)
            # Rows that the checkpoint does not know are made again.
            lines = metrics.read_text().splitlines()[: int(state.meta.update)]
            rows = [json.loads(line) for line in lines]
        while (number := int(state.meta.update)) < updates:
            meta, info = objective.update(strategy, state.meta)
            state = state.advance(meta, AVERAGE)
            before = rows[-1]["evaluations"] if rows else part.evaluations
            spent = info["evaluations"] + before
            rows.append({"update": number + 1, **info, "evaluations": spent})
            write_atomically(metrics, "".join(json.dumps(row) + "\n" for row in rows))
            card = {"kind": part.kind, "config": part.config, "metrics": rows[-1]}
            save(folder / f"{part.name}.l2h", state.candidate, card)
            save(checkpoint, state, {"kind": "checkpoint", "config": part.config})
            took = time.monotonic() - begun
            print(f"update {number + 1} of {updates}, {took:.0f} s", end=", ")
            print(f"loss {info['loss']:.3f}, {info['hits']} hits", flush=True)
            if part.name == "growth":
                print(" ", _shown(state.candidate), flush=True)
            if minutes is not None and took > 60 * minutes:
                break


def _growth(
    tasks: list[str], hidden: int, attempts: int, rate: float, settings: dict[str, Any]
) -> Part:
    """Return growth before training."""
    from l2h.domains import Domain
    from l2h.engine.cost_of_hit import growing
    from l2h.inits import Growth
    from l2h.weights import GROWTH

    first = Growth.create(Domain.WEIGHTS.key(settings["seed"]), hidden=(hidden,))
    told = {"tasks": tasks, "attempts": attempts, "rate": rate, "hidden": [hidden]}
    # JSON and TOML agree on strings, numbers and arrays of them.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in (told | settings).items()]
    return Part("growth", GROWTH, first, growing, "".join(lines), 0)


def _walk(
    walk: str,
    tasks: list[str],
    taken: list[str],
    attempts: int,
    rate: float,
    settings: dict[str, Any],
) -> Part:
    """Return a network to be trained further, as the walk of attempts."""
    from l2h import weights
    from l2h.engine import Arm
    from l2h.training import pieces

    name, _, usual = walk.partition("@")
    steps = {task: _steps(own or usual) for task, own in zip(tasks, taken, strict=True)}
    # How large the network is, its own settings say.
    config = dataclasses.replace(
        weights.settings(name),
        tasks=tuple(tasks),
        warm_start=name,
        strategy="normalized-es",
        starts_per_task=attempts,
        learning_rate=rate,
        final_learning_rate=0.3 * rate,
        final_sigma=None,
        shortest=min(steps.values()),
        longest=max(steps.values()),
        average=AVERAGE,
        **settings,
    )
    first = pieces.prepared(config, weights.load(name))

    def arm(network: Any, task: Any) -> Arm:
        return Arm("trained", task.init, network, steps[task.name])

    spent = weights.training_evaluations(name)
    return Part("walk", "weights", first, arm, config.to_toml(), spent)


def _steps(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ValueError(
            f"walk: {text!r} steps given; write how many after @, as in silicon@20."
        )
    return int(text)


def _shown(growth: Any) -> str:
    """Return the constants of growth, and how likely each group is."""
    names = ("noise", "calm", "small", "radius", "tolerance")
    numbers = {name: float(getattr(growth.starts, name)) for name in names}
    numbers["allowance"] = float(growth.allowance)
    likely = jax.nn.softmax(growth.starts.logits)
    numbers |= dict(zip(growth.starts.groups.names, likely.tolist(), strict=True))
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())


if __name__ == "__main__":
    command(main, kept="the run is kept, the same command goes on")
