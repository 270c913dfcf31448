"""Run the checks: `python -m checks [--quick | --full] [--only GROUP]`, or
`nox -s verify`."""

import argparse
import dataclasses
import json
import math
import platform
import sys
import time
from pathlib import Path

import jax

from l2h._platform import kinds
from l2h.cli.launch import answered

from . import (  # noqa: F401  (importing a group enters its checks)
    consistency,
    errata,
    forces,
    meta,
    minima,
    parity,
    search,
    weights,
)
from .base import REGISTRY, Context, Row, Skip

ORDER = ("errata", "forces", "consistency", "minima", "parity", "search", "meta", "weights")
WIDTHS = (68, 16, 16, 9, 4)
REPORT = Path(__file__).with_name("report.json")


def number(value: float) -> str:
    """Format a number with the digits it needs."""
    if value == 0 or 1e-2 <= abs(value) < 1e6:
        return f"{value:.9g}"
    return f"{value:.3e}"


def plain(value: object) -> bool:
    """Return whether JSON can hold a value."""
    return not isinstance(value, float) or math.isfinite(value)


def line(row: Row | Skip) -> str:
    """Format one line of the table."""
    if isinstance(row, Skip):
        return f"{row.name:<{WIDTHS[0]}}   skipped: {row.reason}"
    goal = number(row.expected)
    cells = (
        row.name,
        number(row.measured),
        f">= {goal}" if row.relation == ">=" else goal,
        f"{row.tolerance:.2g}{' rel' if row.relative else ''}" if row.tolerance else "-",
        "pass" if row.passed else "FAIL",
    )
    name, *numbers, verdict = (f"{c:<{w}}" for c, w in zip(cells, WIDTHS, strict=True))
    return " | ".join((name, *numbers, verdict, row.source))


def run(group: str, context: Context, spent: dict[str, float]) -> list[Row | Skip]:
    """Run one group, printing as it goes; a check that raises is a failure.

    Arguments:
        group: its name.
        context: how to run.
        spent: receives the seconds that each check took.
    """
    results: list[Row | Skip] = []

    def record(result: Row | Skip) -> None:
        result = dataclasses.replace(result, group=group, device=context.device.platform)
        results.append(result)
        print(line(result), flush=True)

    for function in REGISTRY[group]:
        count, name, began = len(results), function.__name__, time.perf_counter()
        try:
            for result in function(context):
                record(result)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")
            record(Row(name, float("nan"), 0.0, 0.0, reason, False))
        if len(results) == count:
            record(Row(name, float("nan"), 0.0, 0.0, "reported nothing", False))
        spent[f"{group}.{name}, {context.device.platform}"] = time.perf_counter() - began
    return results


def main() -> int:
    """Parse arguments, run, print, write the report; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m checks", description=__doc__)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="under two minutes")
    extent.add_argument(
        "--full", action="store_true", help="with searches for clusters up to 150 atoms"
    )
    parser.add_argument("--only", choices=ORDER, help="run one group")
    arguments = parser.parse_args()

    start, seen = time.perf_counter(), kinds()
    print(f"jax {jax.__version__}, Python {platform.python_version()}, devices: ", end="")
    print(", ".join(f"{d.platform} ({d.device_kind})" for d in seen))
    if len(seen) == 1:
        print("No GPU or other accelerator: all checks run on the processor only.")
    results: list[Row | Skip] = []
    spent: dict[str, float] = {}
    for device in seen:
        with jax.default_device(device):
            for group in (arguments.only,) if arguments.only else ORDER:
                began = time.perf_counter()
                print(f"\n== {group} on {device.platform}")
                titles = ("check", "measured", "expected", "tolerance", "pass")
                heads = (f"{t:<{w}}" for t, w in zip(titles, WIDTHS, strict=True))
                print(" | ".join((*heads, "source")))
                results += run(
                    group, Context(arguments.quick, device, arguments.full), spent
                )
                print(f"   {time.perf_counter() - began:.1f} s")

    rows = [r for r in results if isinstance(r, Row)]
    skipped = [r for r in results if isinstance(r, Skip)]
    failed = [r for r in rows if not r.passed]
    seconds = time.perf_counter() - start
    content = {
        "jax": jax.__version__,
        "python": platform.python_version(),
        "devices": [f"{d.platform}: {d.device_kind}" for d in seen],
        "quick": arguments.quick,
        "seconds": round(seconds, 1),
        "seconds_by_check": {k: round(v, 2) for k, v in spent.items()},
        "rows": [
            # Strict JSON knows neither NaN nor infinity.
            {k: v if plain(v) else None for k, v in dataclasses.asdict(r).items()}
            for r in rows
        ],
        "skipped": [dataclasses.asdict(r) for r in skipped],
    }
    REPORT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    print(f"\n{len(rows) - len(failed)} passed, {len(failed)} failed, ", end="")
    print(f"{len(skipped)} skipped, {seconds:.0f} s")
    for row in failed:
        print(f"FAILED  {row.group}, {row.device}: {row.name} ({row.source})")
    for skip in skipped:
        print(f"skipped {skip.group}, {skip.device}: {skip.name} ({skip.reason})")
    print(f"report: {REPORT}")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    answered(lambda: sys.exit(main()), "nothing is kept")
