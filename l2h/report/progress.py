"""What a person sees while a program runs."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

# Without a terminal, a line is printed at most this often, in seconds.
PLAIN_INTERVAL = 10.0


class Progress:
    """A live bar on a terminal, plain lines elsewhere.

    Arguments:
        total: number of items.
        done: number of items finished before.
        label: what they are.
    """

    def __init__(self, total: int, done: int = 0, label: str = "training") -> None:
        self.total, self.done, self.label = total, done, label

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
            for row in rows:
                bar.update(task, completed=row["update"], status=describe(row))
                if "validation/success" in row:
                    bar.console.print(f"update {row['update']}: {describe(row)}")
                yield row

    def _plain(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        print(
            f"{self.label}: {self.done} of {self.total} updates done, compiling", flush=True
        )
        last = -PLAIN_INTERVAL
        for row in rows:
            now = time.monotonic()
            if "validation/success" in row or now - last > PLAIN_INTERVAL:
                last = now
                print(f"update {row['update']}/{self.total}: {describe(row)}", flush=True)
            yield row


def describe(row: dict[str, Any]) -> str:
    """Return one line about one row of metrics."""
    parts = [f"loss {row['loss']:.2f}"]
    if row["nonfinite"] > 0:
        parts.append(f"{row['nonfinite']:.1%} non-finite")
    if "validation/success" in row:
        parts.append(
            f"validation: {row['validation/success']:.0%} success, "
            f"mean energy {row['validation/energy']:.2f}"
        )
    return ", ".join(parts)
