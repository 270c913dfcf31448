"""The examination of a family: its own tasks, and those that it keeps apart."""

import json
import time

import numpy as np
import pytest

from l2h.evaluation import Interval, KnownSearch, known, strongest
from l2h.report import announcement, table, verdict, write_results
from l2h.tasks import get
from l2h.tasks.families import FAMILIES, Family
from l2h.training import TrainingConfig, assess, assessment, pieces

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


CONFIG = TrainingConfig.for_tasks(("lj5",), hidden=(4,), shortest=5, longest=60)


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, "small", Family(("lj5",), ("lj4",)))
        patch.setattr(assessment, "STARTS", 10)
        patch.setattr(assessment, "FRACTIONS", (0.5, 1.0))
        yield


@pytest.fixture(scope="module")
def assessments(small):
    return assess(CONFIG, pieces.optimizer(CONFIG), 1000)


def test_held_out_tasks_are_examined_and_named_as_such(assessments, tmp_path, monkeypatch):
    monkeypatch.setattr("l2h.report.page.viewer_code", lambda: None)
    assert [(a.task.name, a.trained) for a in assessments] == [
        ("lj5", True),
        ("lj4", False),
    ]
    for a in assessments:
        for who in (a.learned, a.adam):
            assert who.full.starts == 10 and who.full.steps == 60
            # Learned and unlearned choose from the same horizons.
            assert who.economical.steps in (30, 60)
            assert np.all(np.isfinite(who.full.energies))
        assert a.adam.full.method.startswith("Adam, rate 0.0")
        np.testing.assert_array_equal(a.adam.full.seen[:, 0], a.learned.full.seen[:, 0])
    shown = table(assessments)
    assert "lj4: never trained on" in shown and "lj5: never trained on" not in shown
    paths = write_results(tmp_path, assessments, ROWS)
    assert {path.name for path in paths} == {
        "evaluation.json",
        "lowest-lj5.extxyz",
        "lowest-lj4.extxyz",
        "report-lj5.png",
        "report-lj4.png",
        "report-lj5.html",
        "report-lj4.html",
    }
    page = (tmp_path / "report-lj5.html").read_text()
    # What is said there is what was found.
    a = assessments[0].learned.full
    count = int(np.sum(np.abs(a.energies - a.task.reference) < 1e-4))
    assert f"is the known global minimum, found {count} times" in page
    assert "10 starts that it had never seen" in page and "D3h" in page
    # A run has no search.json, which l2h report would ask for.
    assert "l2h train --resume DIR" in page and "l2h report" not in page
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert [written[name]["trained"] for name in ("lj5", "lj4")] == [True, False]
    assert written["lj5"]["adam"]["optimizer"].startswith("Adam, rate 0.0")
    assert written["lj5"]["adam_economical"]["steps"] in (30, 60)


def test_words_say_what_was_found(assessments):
    config = CONFIG
    words = verdict(config, assessments)
    assert words.count("\n") == 1 and "lj5: the learned optimizer found" in words
    assert "of 10 starts" in words and "-9.1039" in words
    missing = verdict(config, assessments[:1])
    assert "lj4: not examined, as the time was over" in missing
    assert "lj5 (5 atoms)" in announcement(config)


def test_training_pays_against_the_strongest_unlearned_search(assessments, monkeypatch):
    a = assessments[0]
    cost = a.learned.economical.per_hit.value
    assert np.isfinite(cost) and a.opponent is None and a.pays_after is None
    rivals = [
        KnownSearch("lj5", "weak", Interval(9 * cost, 0.0, 0.0), "nowhere"),
        KnownSearch("lj5", "strong", Interval(cost + 10, 0.0, 0.0), "nowhere"),
        KnownSearch("lj6", "other", Interval(1.0, 0.0, 0.0), "nowhere"),
    ]
    monkeypatch.setattr(known, "known_searches", lambda: rivals)
    assert a.opponent.method == "strong"
    assert a.pays_after == pytest.approx(1000 / 10)
    assert "strong, the strongest unlearned search" in table([a])
    rivals[1] = KnownSearch("lj5", "strong", Interval(cost - 10, 0.0, 0.0), "nowhere")
    assert a.pays_after == np.inf and "never pay" in table([a])


def test_known_searches_are_of_tasks_and_in_their_intervals():
    for search in known.known_searches():
        assert get(search.task).name == search.task and search.source
        if np.isfinite(search.cost.low):
            assert search.cost.low <= search.cost.value <= search.cost.high
    assert strongest("lj13").method == "bh-strong" and strongest("lj5") is None


def test_examination_ends_at_its_deadline(small):
    begun, said, fresh = time.monotonic(), [], pieces.optimizer(CONFIG)
    nothing = assess(CONFIG, fresh, 0, deadline=begun - 1.0, note=lambda *x: said.append(x))
    assert nothing == [] and said == []

    class Late(Exception):
        pass

    def interrupt(done, what):
        said.append((done, what))
        if len(said) == 20:
            raise Late

    with pytest.raises(Late):
        assess(CONFIG, fresh, 0, note=interrupt)
    parts = [done for done, _ in said]
    assert parts == sorted(parts) and 0 < parts[-1] < 1
