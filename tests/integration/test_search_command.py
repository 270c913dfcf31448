"""The search command with the real engine: found, interrupted, resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from l2h import tasks


def begin(*arguments: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-m", "l2h", "search", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.slow
def test_a_small_cluster_is_found(tmp_path: Path) -> None:
    process = begin("lj7", "--evaluations", 1500, "--json", "--out", tmp_path / "a")
    printed, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    summary = json.loads(printed)
    assert summary["hit"] and summary["evaluations"] >= summary["evaluations_to_hit"] > 0
    assert abs(summary["lowest_energy"] - tasks.get("lj7").reference) < 1e-5
    assert (tmp_path / "a" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_interrupted_and_resumed_searches_lose_nothing(tmp_path: Path) -> None:
    out = tmp_path / "b"
    process = begin("lj8", "--minutes", 5, "--out", out)
    while process.poll() is None and not (out / "search.l2h").exists():
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    first = json.loads((out / "search.json").read_text())
    budget = first["evaluations"] + 200
    process = begin("lj8", "--evaluations", budget, "--out", out, "--resume", "--json")
    printed, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    second = json.loads(printed)
    assert second["evaluations"] >= budget
    assert second["lowest_energy"] <= first["lowest_energy"] + 1e-9
    assert sum(row["hits"] for row in second["minima"]) >= sum(
        row["hits"] for row in first["minima"]
    )
