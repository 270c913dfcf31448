"""The command `l2h tune`: goes on, keeps settings apart, is mistyped."""

import json

import pytest

from l2h.cli.main import main
from l2h.training import tuning
from l2h.training.tuning import FOUND

ROW = {
    "name": "rate 0.01",
    "validation_mean": -9.0,
    "held_out_mean": -8.9,
    "held_out_error": 0.1,
    "held_out_polished_mean": -9.1,
    "held_out_lowest": -9.10385,
    "nonfinite": 0,
}


def tune(*arguments):
    """Run the command in this process; return its exit code."""
    try:
        main(["tune", *map(str, arguments)])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Put a stored answer in the place of tuning; return what was asked."""
    calls = []

    def entry(grid, task, *, note, **settings):
        calls.append((task.name, set(grid), settings))
        note("one of its parts")
        return {"best": ROW, "others": [], "settling": [(125, -8.9)]}

    monkeypatch.setattr(tuning, "tuning_entry", entry)
    monkeypatch.delenv("L2H_TRACEBACK", raising=False)
    return calls


def test_what_is_done_is_not_done_again(asked, tmp_path, capsys, monkeypatch):
    small = ("--optimizers", "adam,fire", "--steps", 9, "--starts", 4, "--updates", 0)
    where = ("--folder", tmp_path / "tuned", "--seed", 3)
    assert tune("lj5", *small, *where) == 0
    settings = {"steps": 9, "starts": 4, "updates": 0, "seed": 3}
    grids = {kind: set(grid) for kind, grid in tuning.grids().items()}
    assert asked == [("lj5", grids[kind], settings) for kind in ("adam", "fire")]
    path = tmp_path / "tuned" / "baselines.json"
    tuned = json.loads(path.read_text())["tuned"]
    assert set(tuned["lj5"]) == {"adam", "fire"}
    assert tuned["lj5"]["adam"]["settings"] == settings
    assert tuned["lj5"]["adam"]["best"] == ROW
    del asked[:]
    assert tune("lj5,lj6", *small, *where) == 0
    assert [name for name, *_ in asked] == ["lj6", "lj6"]
    shown = capsys.readouterr().out
    assert shown.count("lj5, adam") >= 2 and "-8.900 +- 0.100" in shown
    # Without a folder of its own, it writes to where names of methods are looked up.
    monkeypatch.chdir(tmp_path)
    assert tune("lj5", *small) == 0 and FOUND.exists()
    # Other settings must not be mixed into the same file.
    before = path.read_bytes()
    assert tune("lj5", *small[:2], *where) == 2 and path.read_bytes() == before
    assert "choose another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gold13"], "gold13"),
        (["lj5,lj5"], "lj5"),
        (["lj5", "--optimizers", "adam, sgd"], "optimizers: sgd unknown"),
        (["lj5", "--optimizers", "adam, adam"], "names one twice"),
        (["lj5", "--optimizers", "adam,"], "lacks a name"),
        (["lj5", "--starts", "1"], "starts: 1"),
        (["lj5", "--steps", "0"], "steps: 0"),
        (["lj5", "--updates", "-1"], "updates: -1"),
    ],
)
def test_mistakes_are_answered_before_anything_is_written(
    asked, arguments, words, tmp_path, capsys
):
    assert tune(*arguments, "--folder", tmp_path / "runs") == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert not (tmp_path / "runs").exists() and asked == []


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '{"tuned": {"lj5": {"ad', '{"tuned": {"lj5": {"adam": {}}}}']
)
def test_damaged_files_are_named_and_kept(asked, text, tmp_path, capsys):
    path = tmp_path / "baselines.json"
    path.write_text(text)
    assert tune("lj5", "--folder", tmp_path) == 2
    assert f"folder: {path} is damaged" in capsys.readouterr().err
    assert path.read_text() == text and asked == []
