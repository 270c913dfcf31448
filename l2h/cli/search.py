"""Find the structures of lowest energy.

l2h search lj38
l2h search Au55 --minutes 5 --out au55
l2h search Ag19Au19 --evaluations 200000 --seed 1
l2h search start.xyz --potential emt --minutes 10

An interrupted search goes on when --resume is added to the same command.
"""

import itertools
import json as json_module
import math
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from .launch import INTERRUPTED, prepare
from .problems import problem, remembered

# Without any limit, a search ends when the lowest known energy is found, or after these.
MINUTES = 2.0


def main(
    what: Annotated[str, tyro.conf.Positional],
    /,
    *,
    potential: str | None = None,
    evaluations: int | None = None,
    minutes: float | None = None,
    until: str | None = None,
    seed: int = 0,
    arms: str | None = None,
    devices: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Find the structures of lowest energy of atoms.

    The exit code is 0 if structures were found, 1 if none was or the energy that --until
    names was not reached, 2 for wrong input, 130 after Ctrl-C, whose files are complete.

    Args:
        what: A task (lj38, si64; l2h tasks lists them), a formula (Au38, Ag19Au19), or a
            structure file, of which elements, number of atoms and cell count.
        potential: Other than that of the elements: emt (of ASE), or FILE.py:NAME or
            MODULE:NAME, something callable that returns a calculator of ASE or a potential.
        evaluations: Stop after so many evaluations of energy and gradient.
        minutes: Stop after this time, counted from the end of the first attempts, so that
            compilation before it takes nothing away.
        until: Stop once this energy is found; "reference" is the lowest known one. Without
            any limit: the lowest known one, but two minutes at the most.
        seed: Determines everything random.
        arms: Ways to search, joined by commas; the best bet for these atoms by default.
        devices: Devices that share the work: all accelerators by default. Without one, so
            many processor cores, each with programs of its own to compile; one by default.
        out: Where to write; a new folder under runs/ by default.
        resume: Go on with the search in --out.
        json: Print the summary as JSON, and nothing else.
    """
    # Of a processor, one: most of a short search is compilation, which is for each device.
    shared = prepare(devices, cores=1)
    from .._registry import listed

    task = problem(what, potential)
    target = _target(until, task)
    chosen = None if arms is None else listed("arms", arms)
    if evaluations is None and minutes is None and target is None:
        target, minutes = ("reference" if task.reference is not None else None), MINUTES
    folder = _folder(out, task.name, seed, resume)
    limits = [f"{evaluations:,} evaluations"] if evaluations is not None else []
    limits += [f"{minutes:g} minutes"] if minutes is not None else []
    if target is not None:
        sought = task.reference if target == "reference" else target
        limits.append(f"until {sought:.6f} is found")
    _say(f"{task.name}: {task.n} atoms; {', '.join(limits)}; folder {folder}")
    _say("compiling; time is counted from the end of the first attempts")

    from ..engine import retrace, search
    from ..report.search import table, write_search

    result = search(
        task,
        evaluations=evaluations,
        minutes=minutes,
        until=target,
        seed=seed,
        arms=chosen,
        devices=shared,
        folder=folder,
        on_progress=Ticker(evaluations, minutes),
    )
    settings = {**result.settings, "problem": remembered(task, what, potential)}
    settings["command"] = shlex.join(["l2h", "search", *sys.argv[1:]])
    result = replace(result, settings=settings, trajectory=_retraced(retrace, result))
    folder.mkdir(parents=True, exist_ok=True)
    paths = write_search(folder, result, settings["command"])
    if json:
        summary = result.summary()
        print(json_module.dumps({**summary, "folder": str(folder)}))
    else:
        print(f"\n{table(result)}\n{result.status}\n")
        print("\n".join(map(str, paths)))
    sys.stdout.flush()
    sys.exit(_code(result, target))


class Ticker:
    """Tells people where a search stands: one line that changes on a terminal, a line
    every few seconds elsewhere.

    Arguments:
        evaluations, minutes: limits of the search, from which time left is told.
    """

    def __init__(self, evaluations: int | None, minutes: float | None) -> None:
        self.evaluations, self.minutes = evaluations, minutes
        self.live = sys.stderr.isatty()
        self.pause = 0.2 if self.live else 5.0
        self.last = -math.inf

    def __call__(self, progress: Any) -> None:
        """Show progress, unless it was shown a moment ago."""
        if progress.seconds - self.last < self.pause:
            return
        self.last = progress.seconds
        text = self.line(progress)
        if self.live:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def line(self, progress: Any) -> str:
        """Return where the search stands, in words."""
        rate = progress.evaluations / max(progress.seconds, 1e-9)
        best = f"best {progress.best:.6f}" if math.isfinite(progress.best) else "none yet"
        minima = "1 minimum" if progress.minima == 1 else f"{progress.minima:,} minima"
        text = f"{progress.evaluations:,} evaluations, {best}, {minima}, {rate:,.0f}/s"
        left = [math.inf]
        if self.evaluations is not None and rate > 0:
            left.append((self.evaluations - progress.evaluations) / rate)
        if self.minutes is not None:
            left.append(60 * self.minutes - progress.searching)
        if math.isfinite(min(left)):
            seconds = max(0, round(min(left)))
            text += f", {seconds // 60}:{seconds % 60:02d} left at most"
        return text


def _retraced(retrace: Any, result: Any) -> Any:
    """Return the way to the minimum; a second Ctrl-C goes without it."""
    try:
        return retrace(result)
    except KeyboardInterrupt:
        return None


def _target(until: str | None, task: Any) -> Any:
    if until is None or until == "reference":
        return until
    try:
        energy = float(until)
    except ValueError:
        energy = math.nan
    if not math.isfinite(energy):
        raise ValueError(f"until: {until!r} given; give an energy, or the word reference.")
    return energy


def _folder(out: Path | None, name: str, seed: int, resume: bool) -> Path:
    if resume:
        if out is None or not out.is_dir():
            raise ValueError(
                f"resume: {out} is no folder; give --out, the folder of a search to go on "
                "with."
            )
        return out
    if out is None:
        base = f"search-{name}-seed{seed}"
        names = itertools.chain([base], (f"{base}-{k}" for k in itertools.count(2)))
        return next(p for p in (Path("runs") / n for n in names) if not p.exists())
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"out: {out} is not empty; choose another folder, or go on with what is there "
            "by --resume."
        )
    return out


def _code(result: Any, target: Any) -> int:
    if "interrupted" in result.status:
        return INTERRUPTED
    if result.lowest is None:
        return 1
    if target is None:
        return 0
    sought = result.task.reference if target == "reference" else target
    return 0 if result.lowest <= sought + result.window else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
