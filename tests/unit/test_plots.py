"""The picture of a run is drawn whatever the run gave."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2h.report import training_report

RUN: dict[str, Any] = {
    "updates": np.arange(1, 6),
    "losses": np.array([3.0, np.nan, 1.0, np.inf, 0.5]),
    "validation": ([2, 4], [1.5, np.nan]),
    "traces": {
        "learned": (np.arange(4), np.array([[1e9, -1, -2, -3], [np.inf, 0, -2, np.nan]])),
        "Adam": (np.arange(4), np.array([[1e9, 3, 1, 0], [np.nan] * 4])),
    },
    "energies": {"learned": [-3.0, -3.0, np.nan], "Adam": np.array([-1.0, 0.5, -3.0])},
    "reference": -3.0,
    "title": "demo",
}
EMPTY = {"updates": [], "losses": [], "validation": None, "traces": {}, "energies": {}}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"reference": None},
        {"validation": None},
        {"losses": np.full(5, np.nan)},
        {"energies": {"learned": [np.nan], "Adam": []}, "reference": None},
        {"energies": {"learned": [-3.0], "Adam": [-3.0]}},
        EMPTY,
        {**EMPTY, "reference": None},
    ],
)
def test_writes_a_picture(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "report.png"
    training_report(path, **(RUN | change))
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000
    assert [p.name for p in tmp_path.iterdir()] == ["report.png"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"losses": [1.0]}, "losses: 1 for 5 updates"),
        ({"traces": {"Adam": ([1, 2], [[1.0]])}}, r"traces\['Adam'\]: 1 energies for 2"),
    ],
)
def test_lengths_must_agree(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        training_report(tmp_path / "report.png", **(RUN | change))
    assert not list(tmp_path.iterdir())
