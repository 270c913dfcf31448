"""Train growth: which sites fill first, from which cores, and when to give up.

python -m pipelines.learned_growth --folder runs/growth
python -m pipelines.learned_growth --folder runs/try --tasks lj13,lj19 --updates 2 --quick

Objective: evaluations per hit of the attempts that a search makes (`engine.CostOfHit`).
The same command again goes on where it was interrupted, to the bit. What has been trained
is `growth.l2h` in the folder; `l2h.weights.load` reads it, and

    trained = l2h.weights.load("runs/growth/growth.l2h")
    l2h.search("lj75", until="reference", arms=[Arm.growing("mine", trained)])

searches with it.
"""

import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from l2h.cli.launch import command


def padded_task(name: str) -> Any:
    """Return a task in an array with room for more atoms, as searches have it: sizes in one
    multiple of eight are then alike, and share a program."""
    from l2h import tasks
    from l2h.engine.room import Room
    from l2h.tasks import Task

    task = tasks.get(name)
    room = Room.of(task.potential, task.n)
    return Task(name, room.potential, task.init, room.rows, reference=task.reference)


def _toml(**settings: Any) -> str:
    # JSON and TOML agree on strings, numbers and arrays of them.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def main(
    *,
    folder: Path,
    tasks: str = "lj34,lj37,lj38,lj50,lj53,lj55,lj75,lj76",
    updates: int = 40,
    pairs: int = 8,
    batches: int = 1,
    attempts: int = 32,
    sigma: float = 0.2,
    rate: float = 0.1,
    hidden: int = 8,
    chunk: int = 1,
    seed: int = 0,
    minutes: float | None = None,
    quick: bool = False,
) -> None:
    """Train growth on some sizes.

    Args:
        folder: Of the run; one that exists goes on.
        tasks: Names joined by commas.
        updates: Length of the schedule.
        pairs: Antithetic pairs of an update.
        batches: Batches of attempts for each task and update, shared by all members.
        attempts: Of a batch.
        sigma: Standard deviation of perturbations.
        rate: Of Adam, at first; three tenths of it at last.
        hidden: Units of the network.
        chunk: Members evaluated at once.
        seed: Determines everything random.
        minutes: Stop after this time; the schedule does not change.
        quick: A short form to try things out: 2 pairs, 16 attempts.
    """
    jax.config.update("jax_enable_x64", True)
    from l2h.engine import CostOfHit
    from l2h.inits import Growth
    from l2h.io import load, read_metadata, save
    from l2h.meta import NormalizedES, Trainer, TrainState, cosine
    from l2h.weights import GROWTH

    if quick:
        pairs, attempts = 2, 16
    begun = time.monotonic()
    config = _toml(
        tasks=tasks.split(","),
        updates=updates,
        pairs=pairs,
        batches=batches,
        attempts=attempts,
        sigma=sigma,
        rate=rate,
        hidden=[hidden],
        chunk=chunk,
        seed=seed,
    )
    trainer = Trainer(
        NormalizedES(pairs, sigma, cosine(rate, 0.3 * rate, updates)),
        CostOfHit(attempts=attempts),
        [padded_task(name) for name in tasks.split(",")],
        starts_per_task=batches,
        chunk=chunk,
        updates=float(updates),
    )
    first = Growth.create(jax.random.key(seed), hidden=(hidden,))
    state = TrainState.begin(trainer.strategy.init(first, seed))
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, metrics = folder / "checkpoint.l2h", folder / "metrics.jsonl"
    if checkpoint.exists():
        if read_metadata(checkpoint).get("config") != config:
            raise ValueError(
                f"folder: {folder} holds a run with other settings; choose another."
            )
        state, _ = load(checkpoint, state)
        rows = metrics.read_text().splitlines()[: int(state.meta.update)]
        metrics.write_text("".join(row + "\n" for row in rows))
    while (number := int(state.meta.update)) < updates:
        if minutes is not None and time.monotonic() - begun > 60 * minutes:
            break
        meta, info = trainer(state.meta)
        state = state.advance(meta, 0.9)
        row = {name: float(value) for name, value in info.items()}
        with metrics.open("a") as file:
            file.write(json.dumps({"update": number + 1, **row}) + "\n")
        save(checkpoint, state, {"kind": "checkpoint", "config": config})
        card = {"kind": GROWTH, "config": config, "metrics": {"update": number + 1, **row}}
        save(folder / "growth.l2h", state.candidate, card)
        constants = {
            name: round(float(getattr(state.candidate.starts, name)), 3)
            for name in ("noise", "calm", "small", "radius", "tolerance")
        }
        print(
            f"update {number + 1} of {updates}, {time.monotonic() - begun:.0f} s: "
            f"loss {row['loss']:.3f}, {constants}",
            flush=True,
        )
    weights = np.asarray(jax.nn.softmax(state.candidate.starts.logits))
    print(dict(zip(state.candidate.starts.groups.names, weights.round(3), strict=True)))


if __name__ == "__main__":
    command(main, kept="the run is kept, the same command goes on")
