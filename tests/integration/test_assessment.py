"""The examination of a family: its own tasks, and those that it keeps apart."""

import json

import numpy as np
import pytest

from l2h.report import table, write_results
from l2h.tasks.families import FAMILIES, Family
from l2h.training import TrainingConfig, assess, assessment

ROWS = [
    {"update": 1, "loss": 3.0, "loss/lj5": 3.0},
    {
        "update": 2,
        "loss": 2.0,
        "loss/lj5": 2.0,
        "validation/success": 0.5,
        "validation/lj5/energy": -8.0,
    },
]


@pytest.fixture
def assessments(monkeypatch):
    monkeypatch.setitem(FAMILIES, "small", Family(("lj5",), ("lj4",)))
    monkeypatch.setattr(assessment, "STARTS", 10)
    monkeypatch.setattr(assessment, "FRACTIONS", (0.5, 1.0))
    config = TrainingConfig.for_tasks(("lj5",), hidden=(4,), shortest=5, longest=60)
    return assess(config, config.untrained(), 1000)


def test_held_out_tasks_are_examined_and_named_as_such(assessments, tmp_path):
    assert [(a.task.name, a.trained) for a in assessments] == [
        ("lj5", True),
        ("lj4", False),
    ]
    for a in assessments:
        assert a.learned.runs == a.adam.runs == 10 and a.learned.steps == 60
        assert a.economical.steps in (30, 60)
        # Adam moves about 60 times 0.01: none of its rates is enough, but it descends.
        assert np.all(np.isfinite(a.adam.polished))
    shown = table(assessments)
    assert "lj4: never trained on" in shown and "lj5: never trained on" not in shown
    paths = write_results(tmp_path, assessments, ROWS)
    assert {path.name for path in paths} == {
        "evaluation.json",
        "lowest-lj5.extxyz",
        "lowest-lj4.extxyz",
        "report-lj5.png",
        "report-lj4.png",
    }
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert [written[name]["trained"] for name in ("lj5", "lj4")] == [True, False]
    assert written["lj5"]["adam"]["name"].startswith("rate 0.0")
