"""The search command with the real engine: found, interrupted, resumed."""

import json
import signal
import time
from pathlib import Path

import pytest
from commands import begun, run

from l2h import tasks
from l2h.io import read_metadata


@pytest.mark.slow
def test_a_small_cluster_is_found(tmp_path: Path) -> None:
    options = ("--evaluations", 1500, "--json", "--out", tmp_path / "a")
    done = run("search", "lj7", *options)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["hit"] and summary["evaluations"] >= summary["evaluations_to_hit"] > 0
    assert abs(summary["lowest_energy"] - tasks.get("lj7").reference) < 1e-5
    assert (tmp_path / "a" / "report.html").stat().st_size > 10_000


def found_in(books: Path) -> int:
    """Return how many minima a search has entered so far."""
    return read_metadata(books)["sizes"][0] if books.exists() else 0


@pytest.mark.slow
def test_interrupted_and_resumed_searches_lose_nothing(tmp_path: Path) -> None:
    out = tmp_path / "b"
    # Arms that compile fast.
    ways = ("--arms", "random,onward", "--out", out)
    with begun("search", "lj8", "--minutes", 5, *ways) as process:
        while process.poll() is None and not found_in(out / "search.l2h"):
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        done = process.done()
    assert done.returncode == 130, done.stderr
    first = json.loads((out / "search.json").read_text())
    budget = first["evaluations"] + 200
    options = ("--evaluations", budget, "--resume", "--json")
    done = run("search", "lj8", *ways, *options)
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)
    assert second["evaluations"] >= budget
    assert second["lowest_energy"] <= first["lowest_energy"] + 1e-9
    assert sum(row["hits"] for row in second["minima"]) >= sum(
        row["hits"] for row in first["minima"]
    )
