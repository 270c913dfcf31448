"""Competitions on disk: interrupted, resumed, on several devices, mistyped."""

import csv
import dataclasses
import json
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import Done, begun, run

from l2h import methods, tasks
from l2h.competition import Competition, compete, occupy
from l2h.optimizers import OPTIMIZERS, Adam
from l2h.potentials import LennardJones

COMPETITION = Competition(
    tasks=(tasks.get("lj5"),),
    methods=tuple(methods.several("adam:0.05,adam@20")),
    starts=55,
    budget=90,
)


class Interruption(Exception):
    """What a user's Ctrl-C raises, or nearly."""


def files(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    parts = sorted((folder / "parts").iterdir())
    return {
        part.name: {k: v for k, v in np.load(part).items() if k != "seconds"}
        for part in parts
    }


def same(a: Path, b: Path) -> None:
    one, other = files(a), files(b)
    assert list(one) == list(other)
    for name, columns in one.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(values, other[name][column], f"{name} {column}")


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    compete(COMPETITION, folder)
    return folder


@pytest.mark.parametrize("calls", [1, 70])
def test_interrupted_and_resumed_equals_straight(straight, tmp_path, calls):
    seen = []

    def interrupt(done: float, what: str) -> None:
        seen.append(done)
        if len(seen) == calls:
            raise Interruption

    with pytest.raises(Interruption):
        compete(COMPETITION, tmp_path, note=interrupt)
    kept = {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == (0 if calls == 1 else 1)
    fractions = []
    parts = compete(COMPETITION, tmp_path, note=lambda done, what: fractions.append(done))
    same(straight, tmp_path)
    # What was finished is not repeated, and counts as done from the beginning.
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert fractions[0] == len(kept) and fractions[-1] == 6.0
    assert fractions == sorted(fractions)
    results = COMPETITION.results(parts)[0]
    assert [trials.starts for trials in results] == [55, 55]
    assert compete(COMPETITION, tmp_path, note=pytest.fail).keys() == parts.keys()


def test_killed_between_parts_and_resumed_equals_straight(straight, tmp_path):
    folder, expected = tmp_path / "run", len(COMPETITION.units())
    arguments = ["lj5", "--optimizers", "adam:0.05,adam@20", "--starts", "55"]
    arguments += ["--budget", "90", "--folder", str(folder), "--devices", "1"]
    with begun("evaluate", *arguments) as process:
        while not list(folder.glob("parts/*.npz")):
            assert process.poll() is None, process.said()
            time.sleep(0.002)
        process.end()
    kept = {path: path.read_bytes() for path in folder.glob("parts/*.npz")}
    assert 1 <= len(kept) < expected
    compete(COMPETITION, folder)
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(list((folder / "parts").glob("*.npz"))) == expected
    same(straight, folder)


def test_number_of_devices_does_not_matter(straight, tmp_path):
    compete(COMPETITION, tmp_path, devices=2)
    same(straight, tmp_path)


def test_failure_on_one_device_ends_all(tmp_path):

    def fail(done: float, what: str) -> None:
        if done > 0.5:
            raise Interruption

    with pytest.raises(Interruption):
        compete(COMPETITION, tmp_path, devices=2, note=fail)
    assert len(list((tmp_path / "parts").iterdir())) < len(COMPETITION.units())


def test_more_starts_begin_with_the_same(straight, tmp_path):
    fewer = dataclasses.replace(COMPETITION, starts=3, methods=COMPETITION.methods[:1])
    compete(fewer, tmp_path)
    few, many = files(tmp_path)["00-00-0000.npz"], files(straight)["00-00-0000.npz"]
    np.testing.assert_array_equal(few["polished"], many["polished"][:3])


def test_other_settings_are_refused(straight, tmp_path):
    before = files(straight).keys()
    for change, words in (
        ({"budget": 91}, "budget"),
        ({"seed": 1}, "seed"),
        ({"methods": (methods.get("adam:0.051"),)}, "optimizers"),
    ):
        with pytest.raises(ValueError, match=words):
            occupy(straight, dataclasses.replace(COMPETITION, **change))
    assert files(straight).keys() == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        occupy(tmp_path, COMPETITION)
    with pytest.raises(ValueError, match="cannot be written"):
        occupy(tmp_path / "notes.txt" / "run", COMPETITION)
    assert COMPETITION.folder() == dataclasses.replace(COMPETITION).folder()
    assert COMPETITION.folder() != dataclasses.replace(COMPETITION, seed=1).folder()


def test_what_has_the_same_name_only_is_another_competition(straight):
    (task,), (method, _) = COMPETITION.tasks, COMPETITION.methods
    others = [
        {"tasks": (dataclasses.replace(task, **change),)}
        for change in (
            {"potential": LennardJones(length=1.01)},
            {"init": dataclasses.replace(task.init, steps=201)},
            {"reference": -9.0},
            {"tolerance": 0.02},
        )
    ]
    for steps, optimizer in ((5, method.optimizer), (None, Adam(0.06))):
        changed = dataclasses.replace(method, optimizer=optimizer, steps=steps)
        others.append({"methods": (changed, COMPETITION.methods[1])})
    folders = {COMPETITION.folder()}
    for change in others:
        other = dataclasses.replace(COMPETITION, **change)
        folders.add(other.folder())
        with pytest.raises(ValueError, match="marks = "):
            occupy(straight, other)
    assert len(folders) == 1 + len(others)


def test_results_of_another_edition_are_refused(straight, monkeypatch):
    occupy(straight, COMPETITION)
    monkeypatch.setattr("l2h.competition.EDITION", 1)
    with pytest.raises(ValueError, match=r"edition = \d+, but 1 is asked for"):
        occupy(straight, COMPETITION)


def test_results_of_quenches_in_another_precision_are_refused(straight):
    whole = COMPETITION.folder()
    with jax.enable_x64(False):
        assert COMPETITION.folder() != whole
        with pytest.raises(ValueError, match="quenches = float64, but float32"):
            occupy(straight, COMPETITION)
    occupy(straight, COMPETITION)


def test_damaged_part_is_refused(straight, tmp_path):
    occupy(tmp_path, COMPETITION)
    content = (straight / "parts" / "00-00-0000.npz").read_bytes()
    (tmp_path / "parts" / "00-00-0000.npz").write_bytes(content[:-50])
    with pytest.raises(ValueError, match=r"00-00-0000\.npz: damaged"):
        compete(COMPETITION, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"starts": 0}, "starts: 0"),
        ({"budget": 20}, "budget: 20"),
        ({"budget": 2**31}, "budget"),
        ({"seed": -1}, "seed"),
        ({"tasks": ()}, "tasks"),
        ({"methods": ()}, "optimizers"),
        ({"tasks": (tasks.get("Ag2Au3"),), "stop_at_hit": True}, "Ag2Au3"),
    ],
)
def test_impossible_competitions_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(COMPETITION, **change)


def test_optimizers_by_name(tmp_path):
    listed = methods.several(
        "adam,adam:0.005,fire,fire-ase,lbfgs,gradient-descent:1e-4,bh-paper,bh-plain@50,"
        "bh-plain:0.8,bh-strong,lj13@350"
    )
    steps = {c.name: c.steps for c in listed if c.steps is not None}
    assert len(listed) == 11 and steps == {"lbfgs": 0, "bh-plain@50": 50, "lj13@350": 350}
    assert float(listed[8].optimizer.hop.step) == pytest.approx(0.8)
    assert float(listed[1].optimizer.rate) == pytest.approx(0.005)
    unknown = ("sgd", "adam:", "adam:x", "adam:1.2.3", "adam:.", "lbfgs:3", "lj13:2")
    for name in (*unknown, "adam@x", "", "sgd@5"):
        with pytest.raises(ValueError, match=r"optimizer: .*adam:RATE|write"):
            methods.get(name)
    with pytest.raises(ValueError, match="rate"):
        methods.get("adam:0")
    with pytest.raises(ValueError, match="nowhere"):
        methods.get(str(tmp_path / "nowhere.l2h"))
    with pytest.raises(ValueError, match="twice"):
        methods.several("adam,adam")


def test_users_optimizers_are_methods(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "slow", lambda: Adam(1e-3))
    assert float(methods.get("slow").optimizer.rate) == 1e-3
    assert methods.get("slow").steps is None and methods.get("slow@9").steps == 9
    assert ", slow;" in methods.names()
    with pytest.raises(ValueError, match="write slow"):
        methods.get("slow:0.5")
    # An untrained network is no method, though it can be trained by this name.
    with pytest.raises(ValueError, match="'learned' is unknown"):
        methods.get("learned")


def command(*arguments: object) -> Done:
    return run("evaluate", *arguments, environment={"COLUMNS": "200"})


def test_command_writes_what_it_promises(tmp_path):
    from ase.io import read

    folder = tmp_path / "run"
    options = ["--optimizers", "adam,adam:0.05@24", "--starts", 30]
    options += ["--budget", 50, "--folder", folder, "--devices", 1]
    done = command("lj5", *options)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["optimizer"] for row in rows] == ["adam", "adam:0.05@24"]
    content = json.loads((folder / "results.json").read_text())
    assert content["settings"]["budget"] == 50 and "lj5" in content["command"]
    for row, plain in zip(rows, content["results"], strict=True):
        assert row.keys() == plain.keys() and int(row["starts"]) == 30
        assert float(row["success"]) == plain["success"]
    structures = read(folder / "lowest-lj5.extxyz", ":")
    energies = [atoms.get_potential_energy() for atoms in structures]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(-9.103852, abs=1e-5)
    assert (folder / "competition-lj5.png").read_bytes().startswith(b"\x89PNG")
    assert "lj5: 30 starts, 50 evaluations each" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gold13"], "gold13"),
        (["lj5", "--optimizers", "sgd"], "bh-plain"),
        (["lj5", "--devices", "0"], "devices"),
    ],
)
def test_mistakes_are_answered_in_words(tmp_path, arguments, words):
    done = command(*arguments, "--folder", tmp_path / "run")
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
