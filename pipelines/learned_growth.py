"""Train growth: which sites fill first, from which cores, and when to give up.

python -m pipelines.learned_growth --folder runs/growth
python -m pipelines.learned_growth --folder runs/try --tasks lj13 --updates 2 --quick

What is lowered is the cost of a hit (`engine.CostOfHit`). The same command again goes on
where it was interrupted, to the bit. What was trained is `growth.l2h` in the folder:

    growth = l2h.weights.load("runs/growth/growth.l2h")
    l2h.search("lj75", until="reference", arms=[Arm.growing("mine", growth)])
"""

import json
import time
from pathlib import Path
from typing import Any

import jax

from l2h.cli.launch import command, prepare

TASKS = "lj34,lj37,lj38,lj50,lj53,lj55,lj75,lj76"
# Weight of the past in the average of the parameters that is kept.
AVERAGE = 0.9


def _toml(**settings: Any) -> str:
    # JSON and TOML agree on strings, numbers and arrays of them.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def main(
    *,
    folder: Path,
    tasks: str = TASKS,
    updates: int = 40,
    pairs: int = 8,
    attempts: int = 32,
    sigma: float = 0.2,
    rate: float = 0.1,
    hidden: int = 8,
    seed: int = 0,
    minutes: float | None = None,
    quick: bool = False,
) -> None:
    """Train growth on some sizes; at least one update.

    Args:
        folder: Of the run; one that exists goes on.
        tasks: Names joined by commas.
        updates: Length of the schedule.
        pairs: Antithetic pairs of an update.
        attempts: Of each member on each task, in an update.
        sigma: Standard deviation of perturbations.
        rate: Of Adam, at first; three tenths of it at last.
        hidden: Units of the network.
        seed: Determines everything random.
        minutes: Stop after the update that ends later than this; the schedule stays.
        quick: A short form to try things out: 1 pair, 16 attempts.
    """
    prepare()
    from l2h import tasks as known
    from l2h._registry import listed
    from l2h.domains import Domain
    from l2h.engine import CostOfHit
    from l2h.inits import Growth
    from l2h.io import load, lock, read_metadata, save, write_atomically
    from l2h.meta import NormalizedES, TrainState, cosine
    from l2h.weights import GROWTH

    if quick:
        pairs, attempts = 1, 16
    begun = time.monotonic()
    names = listed("tasks", tasks)
    config = _toml(
        tasks=names,
        updates=updates,
        pairs=pairs,
        attempts=attempts,
        sigma=sigma,
        rate=rate,
        hidden=[hidden],
        seed=seed,
    )
    strategy = NormalizedES(pairs, sigma, cosine(rate, 0.3 * rate, updates))
    objective = CostOfHit([known.get(name) for name in names], seed, attempts=attempts)
    first = Growth.create(Domain.WEIGHTS.key(seed), hidden=(hidden,))
    state = TrainState.begin(strategy.init(first, seed))
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, metrics = folder / "checkpoint.l2h", folder / "metrics.jsonl"
    rows: list[dict[str, float]] = []
    with lock(folder):
        if checkpoint.exists():
            if read_metadata(checkpoint).get("config") != config:
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
            spent = info["evaluations"] + (rows[-1]["evaluations"] if rows else 0)
            rows.append({"update": number + 1, **info, "evaluations": spent})
            write_atomically(metrics, "".join(json.dumps(row) + "\n" for row in rows))
            card = {"kind": GROWTH, "config": config, "metrics": rows[-1]}
            save(folder / "growth.l2h", state.candidate, card)
            save(checkpoint, state, {"kind": "checkpoint", "config": config})
            took, growth = time.monotonic() - begun, _shown(state.candidate)
            print(f"update {number + 1} of {updates}, {took:.0f} s", growth)
            print(f"  loss {info['loss']:.3f}, {info['hits']} hits", flush=True)
            if minutes is not None and took > 60 * minutes:
                break


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
