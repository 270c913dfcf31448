"""The picture of a run shows what the run gave, whatever that is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2h import tasks
from l2h.potentials import METAL
from l2h.report import training_figure, write_figure

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
    "tolerance": 0.01,
    "units": METAL,
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
    write_figure(path, training_figure(**(RUN | change)))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["report.png"]


def lines(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.get_lines()}


def test_learning_shows_losses_and_counts_those_that_are_not_finite() -> None:
    learning, _, _ = training_figure(**RUN).axes
    shown = lines(learning)
    assert shown["while training"].get_xydata().tolist() == [[1, 3.0], [3, 1.0], [5, 0.5]]
    assert shown["on starts kept apart"].get_xydata()[0].tolist() == [2, 1.5]
    assert shown["not finite (2 of 5)"].get_xdata().tolist() == [2, 4]
    assert learning.get_xlabel() and "natural units" in learning.get_ylabel()
    low, high = learning.get_ylim()
    assert low < 0.5 and 1.5 < high


def test_descent_shows_medians_and_the_minimum() -> None:
    _, descent, _ = training_figure(**RUN).axes
    shown = lines(descent)
    assert set(shown) == {"learned", "Adam", "global minimum"}
    # Of two starts, or of the one that is finite.
    np.testing.assert_array_equal(shown["learned"].get_ydata(), [1e9, -0.5, -2.0, -3.0])
    np.testing.assert_array_equal(shown["Adam"].get_ydata(), [1e9, 3, 1, 0])
    assert set(shown["global minimum"].get_ydata()) == {-3.0}
    assert descent.get_ylabel() == "energy (eV)"
    # Where it is decided, not at the start's 1e9.
    assert -4 < descent.get_ylim()[0] < -3 and descent.get_ylim()[1] < 20


def test_ends_are_counted_as_hits_or_lowest() -> None:
    *_, final = training_figure(**RUN).axes
    texts = {text.get_text() for text in final.get_legend().get_texts()}
    assert "learned: 2 of 3 hit (66.7%), 1 not finite" in texts
    assert "Adam: 1 of 3 hit (33.3%)" in texts
    assert "global minimum −3.0000" in texts
    # Every finite end lies in some bar.
    heights = [p.get_height() for p in final.patches if hasattr(p, "get_height")]
    assert sum(heights) == 2 + 3
    *_, final = training_figure(**(RUN | {"reference": None})).axes
    texts = {text.get_text() for text in final.get_legend().get_texts()}
    assert "Adam: lowest of 3 is −3.0000" in texts
    assert final.get_xlabel() == "final energy, quenched (eV)"


def test_the_lowest_structure_stands_beside_the_histogram() -> None:
    task = tasks.get("lj5")
    x = np.random.default_rng(0).normal(size=(5, 3))
    *_, picture = training_figure(**RUN, structure=(task, x)).axes
    # A ball and its gleam for each atom, and nothing like an axis.
    assert len(picture.patches) == 2 * 5 and not picture.axison
    assert picture.get_title() == "The lowest structure"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"losses": [1.0]}, "losses: 1 for 5 updates"),
        ({"traces": {"Adam": ([1, 2], [[1.0]])}}, r"traces\['Adam'\]: 1 energies for 2"),
    ],
)
def test_lengths_must_agree(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        training_figure(**(RUN | change))
