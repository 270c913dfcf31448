"""What a person sees while a program runs."""

import math
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .meter import PLAIN_INTERVAL

Item = TypeVar("Item")

# Tasks of a family whose validations are shown one by one, at most.
SHOWN = 3


class Progress:
    """A live bar on a terminal, plain lines elsewhere.

    Arguments:
        total: number of items.
        done: number of items finished before.
        label: what they are.
    """

    def __init__(self, total: int, done: int = 0, label: str = "training") -> None:
        self.total, self.done, self.label = total, done, label
        self.note = self._line
        self._last = -math.inf

    def follow(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass rows of metrics through, showing each."""
        if sys.stdout.isatty():
            yield from self._live(rows)
        else:
            yield from self._plain(rows)

    def _live(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as Bar,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
        )
        with Bar(*columns) as bar:
            task = bar.add_task(
                self.label, total=self.total, completed=self.done, status="compiling"
            )
            self.note = lambda text: bar.update(task, status=text)
            for row in rows:
                bar.update(task, completed=row["update"], status=describe(row))
                if "validation/success" in row:
                    bar.console.print(f"update {row['update']}: {describe(row)}")
                yield row
        self.note = self._line

    def _plain(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        print(
            f"{self.label}: {self.done} of {self.total} updates done, compiling", flush=True
        )
        for row in rows:
            text = f"update {row['update']}/{self.total}: {describe(row)}"
            self._line(text, always="validation/success" in row)
            yield row

    def _line(self, text: str, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._last > PLAIN_INTERVAL:
            self._last = now
            print(text, flush=True)


def trained(config: Any, folder: Path, label: str, devices: int = 1) -> Any:
    """Train in a folder, or go on with what is there, and show how far it is.

    Arguments:
        config: settings of the run.
        folder: of the run; begun if it does not exist.
        label: what is trained, in words.
        devices: local devices that share the work; does not change results.

    Returns:
        The optimizer that did best on validation starts.

    Raises:
        ValueError: if the folder holds another run.
    """
    from ..training import RunFolder, train

    run = RunFolder.at(folder, config)
    progress = Progress(config.updates, len(run.rows()), label)
    for _ in progress.follow(train(config, run, devices=devices, note=progress.note)):
        pass
    return run.best_optimizer(config)


def describe(row: dict[str, Any]) -> str:
    """Return one line about one row of metrics."""
    parts = [f"loss {row['loss']:.2f}"]
    if row["nonfinite"] > 0:
        parts.append(f"{row['nonfinite']:.1%} non-finite")
    if "validation/success" in row:
        success = row["validation/success"]
        parts.append("validation" if success is None else f"validation: {success:.0%} hit")
        ending = "/evaluations_per_hit"
        costs = {
            name.removeprefix("validation/").removesuffix(ending): cost
            for name, cost in row.items()
            if name.endswith(ending)
        }
        for name, cost in costs.items() if len(costs) <= SHOWN else ():
            steps = row[f"validation/{name}/steps"]
            if cost is not None:
                parts.append(f"{name} {cost:,.0f} evaluations per hit at {steps} steps")
            else:
                low = row[f"validation/{name}/energy"]
                parts.append(f"{name} no hit, mean lowest energy {low:.2f}")
        parts.append("the best so far" if row["validation/kept"] else "not kept")
    return ", ".join(parts)
