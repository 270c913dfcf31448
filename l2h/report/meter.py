"""How far a long computation is, for work that reports in fractions."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Without a terminal, a line is printed at most this often, in seconds.
PLAIN_INTERVAL = 10.0


@contextmanager
def meter(total: float | int, label: str) -> Iterator[Callable[[float, str], None]]:
    """Show a live bar on a terminal, plain lines elsewhere.

    Arguments:
        total: amount of work.
        label: what it is.

    Returns:
        A context, whose value is to be called with the work done and what goes on now.
    """
    if sys.stdout.isatty():
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
        )
        with Progress(*columns) as bar:
            task = bar.add_task(label, total=total, status="")

            def show(done: float | int, status: str) -> None:
                bar.update(task, completed=done, status=status)

            yield show
        return
    last = -PLAIN_INTERVAL

    def line(done: float | int, status: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL:
            last = now
            print(f"{label}: {done / total:.1%}, {status}", flush=True)

    yield line
