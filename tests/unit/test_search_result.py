"""A search's result says in words what it found, and its file loses nothing."""

import json
from dataclasses import replace
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from searches import quenched

from l2h import tasks
from l2h.engine import SearchResult
from l2h.engine.result import read
from l2h.report.found import gathered

RESULT = quenched("lj13", starts=64)


def test_real_minima_say_that_the_known_one_was_found() -> None:
    assert RESULT.hit
    assert RESULT.verdict.startswith("the lowest structure is the known global minimum")
    assert RESULT.evaluations_to_hit == RESULT.first_evaluation[0]
    assert not RESULT.discovery


def part(result: SearchResult, first: int) -> SearchResult:
    """Return the result without its lowest minima."""
    names = ("energies", "positions", "hits", "first_evaluation")
    return replace(result, **{name: getattr(result, name)[first:] for name in names})


def test_other_outcomes_are_said_as_well() -> None:
    missed = part(RESULT, 1)
    assert missed.hit is False
    assert "was not found" in missed.verdict and "search longer" in missed.verdict
    assert missed.evaluations_to_hit is None
    late = replace(missed, first_evaluation=missed.first_evaluation * 0, evaluations=1000)
    assert "last 100 % of the evaluations" in late.verdict
    task = tasks.get("lj13")
    unknown = replace(RESULT, task=replace(task, reference=None))
    assert unknown.hit is None and "no global minimum is known" in unknown.verdict
    for count in (1, 2, 3):
        rare = replace(unknown, hits=np.full_like(unknown.hits, count))
        assert rare.verdict.endswith("search longer") is (count < 3)
    below = replace(RESULT, task=replace(task, reference=task.reference + 1))
    assert below.discovery and below.verdict.startswith("WARNING")
    assert below.hit is False
    nothing = part(RESULT, len(RESULT.energies))
    assert nothing.verdict == "no structure was found" and nothing.lowest is None


def test_ends_of_attempts_are_minima_with_their_hits_and_costs() -> None:
    a, b, c = RESULT.positions[:3]
    # Two isomers of the same energy are not each other's hits; a reflection is one.
    ends = np.stack([a, b, a, c, -a])
    energies = np.array([-40.0, -40.0, np.inf, -41.0, -40.0])
    found = gathered(RESULT.task, energies, ends, np.array([10, 20, 30, 40, 50]))
    np.testing.assert_array_equal(found.energies, [-41, -40, -40])
    np.testing.assert_array_equal(found.positions, [c, a, b])
    np.testing.assert_array_equal(found.hits, [1, 2, 1])
    np.testing.assert_array_equal(found.first_evaluation, [100, 10, 30])
    assert found.evaluations == 150
    np.testing.assert_array_equal(found.progress, [[10, -40], [100, -41], [150, -41]])
    none = gathered(RESULT.task, np.full(5, np.inf), ends, np.full(5, 7))
    assert none.lowest is None and none.evaluations == 35 and none.progress.shape == (0, 2)


def test_files_lose_nothing(tmp_path: Path) -> None:
    path = RESULT.save(tmp_path / "new")
    back = SearchResult.load(path.parent, RESULT.task)
    for name in ("energies", "positions", "hits", "first_evaluation", "progress"):
        np.testing.assert_array_equal(getattr(back, name), getattr(RESULT, name))
    assert back.summary() == RESULT.summary()
    needed = {"task", "seed", "evaluations", "lowest_energy", "reference", "hit"}
    assert needed | {"evaluations_to_hit", "minima"} <= set(read(path.parent))


def test_foreign_files_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no search.json"):
        read(tmp_path)
    RESULT.save(tmp_path)
    with pytest.raises(ValueError, match="not lj14"):
        SearchResult.load(tmp_path, tasks.get("lj14"))
    file = tmp_path / "search.json"
    content = json.loads(file.read_text())
    for change, word in (
        ({"version": 99}, "version 99"),
        ({"format": "x"}, "not the file"),
    ):
        file.write_text(json.dumps({**content, **change}))
        with pytest.raises(ValueError, match=word):
            read(tmp_path)
    file.write_text(file.read_text()[:50])
    with pytest.raises(ValueError, match="damaged"):
        read(tmp_path)


def test_rows_must_agree_and_be_sorted() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):  # in tests; in use, a ValueError
        replace(RESULT, hits=RESULT.hits[:1])
    with pytest.raises(ValueError, match="lowest first"):
        replace(RESULT, energies=RESULT.energies[::-1])


def test_minima_open_in_ase() -> None:
    frames = RESULT.to_ase()
    assert len(frames) == len(RESULT.energies)
    assert frames[0].get_potential_energy() == RESULT.energies[0]
    assert frames[0].info["hits"] == RESULT.hits[0]
