"""The command `l2h` does what its words say, and exits with codes that mean something."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ase.io
import jax
import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Octahedron
from ase.constraints import FixAtoms
from ase.db import connect
from searches import quenched

import l2h
from l2h import tasks, weights
from l2h.cli.main import COMMANDS, main
from l2h.cli.problems import problem, recalled, remembered
from l2h.cli.search import Ticker
from l2h.meta import STRATEGIES
from l2h.potentials import Gupta, LennardJones
from l2h.training.config import OF_TASKS

FILES = {"search.json", "minima.csv", "lowest.xyz", "minima.extxyz", "minima.db"}


def run(*arguments: Any) -> int:
    """Run the command in this process; return its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Quenches of random starts in place of the engine: real minima, at once."""
    asked = SimpleNamespace(status="the budget is spent", calls=[], first=0)

    def search(task: Any, *, on_progress: Any, folder: Path, **options: Any) -> Any:
        asked.calls.append({"task": task, "folder": folder, **options})
        result = quenched(task.name, starts=64)
        state = SimpleNamespace(
            evaluations=1000, minima=7, best=-44.0, seconds=2.0, searching=1.0
        )
        on_progress(state)
        names = ("energies", "positions", "hits", "first_evaluation")
        kept = {name: getattr(result, name)[asked.first :] for name in names}
        return replace(result, status=asked.status, seed=options["seed"], **kept)

    monkeypatch.setattr("l2h.engine.search", search, raising=False)
    # `command` reads the arguments of the process, which main sets.
    monkeypatch.setattr(sys, "argv", ["l2h"])
    return asked


def test_a_search_takes_as_many_cores_as_are_asked_for() -> None:
    code = """
import os, sys
os.cpu_count = lambda: 4
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, l2h.engine
def search(task, *, devices, **options):
    print(devices, jax.local_device_count())
    raise KeyboardInterrupt
l2h.engine.search = search
from l2h.cli.main import main
main(sys.argv[1:])
"""
    program = [sys.executable, "-c", code, "search", "lj5", "--devices=2"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.stdout == "2 2\n", done.stderr


def test_strategies_of_ones_own_are_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(STRATEGIES, "mine", STRATEGIES["es"])
    options = ("--devices", 1, "--strategies", "es, mine")
    assert run("strategies", "gold13", *options) == 2
    assert "'gold13' is unknown" in capsys.readouterr().err  # which comes after strategies
    assert run("strategies", "lj5", *options[:-1], "es, hers") == 2
    assert "hers unknown; choose from" in capsys.readouterr().err


def test_defaults_that_depend_on_the_tasks_say_so(capsys: pytest.CaptureFixture) -> None:
    assert run("train", "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert shown.count("depends on the tasks.") == len(OF_TASKS)
    assert "Usually 500; it depends on the tasks." in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_that_names_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, "--help") == 0
    shown = capsys.readouterr().out
    assert f"l2h {name}" in shown and len(shown) > 100


def test_help_lists_the_commands(capsys: pytest.CaptureFixture) -> None:
    assert run() == run("--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert run("--version") == 0
    assert capsys.readouterr().out == f"l2h {l2h.__version__}\n"


def test_helps_come_before_anything_that_takes_time() -> None:
    # Of train, the settings themselves are shown, and these know of JAX.
    quick = [[], *([name] for name in COMMANDS if name != "train")]
    code = f"""
import contextlib, io, sys
from l2h.cli.main import main
for words in {quick}:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main([*words, "--help"])
print([m for m in ("jax", "numpy", "ase", "matplotlib", "jax_md") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serch", "lj13") == 2
    assert "choose from search" in capsys.readouterr().err


def test_missing_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("l2h.cli.main.PACKAGES", ("tyro", "no_such_package"))
    assert run("tasks") == 2
    assert (
        "need no_such_package; python -m pip install 'l2h[run]'" in capsys.readouterr().err
    )
    assert run("--help") == 0


# --- search


def test_search_writes_files_that_others_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: Any
) -> None:
    out = tmp_path / "found"
    assert run("search", "lj13", "--evaluations", 8000, "--out", out, "--seed", 3) == 0
    shown = capsys.readouterr()
    assert FILES | {"report.html"} == {path.name for path in out.iterdir()}
    result = quenched("lj13", starts=64)
    # The first line after the energies says in words what was found.
    lines = shown.out.splitlines()
    verdict = next(k for k, line in enumerate(lines) if "higher minima" in line) + 1
    assert lines[verdict].startswith("the lowest structure is the known global minimum")
    assert "1,000 evaluations, best -44.000000, 7 minima, 500/s" in shown.err
    frames: Any = ase.io.read(out / "minima.extxyz", index=":")
    assert len(frames) == len(result.energies)
    lowest: Any = ase.io.read(out / "lowest.xyz")
    np.testing.assert_allclose(lowest.positions, result.positions[0], atol=1e-8)
    with connect(out / "minima.db") as database:
        assert len(database) == len(frames)
        row = database.get(hits=int(result.hits[0]), gap=0.0)
        assert abs(row.energy - result.energies[0]) < 1e-9
    rows = list(csv.DictReader((out / "minima.csv").read_text().splitlines()))
    assert [float(row["energy"]) for row in rows] == list(result.energies)
    content = json.loads((out / "search.json").read_text())
    assert content["hit"] is True and content["seed"] == 3
    assert content["settings"]["command"].startswith("l2h search lj13 --evaluations 8000")
    assert engine.calls[0]["evaluations"] == 8000 and engine.calls[0]["minutes"] is None


def test_json_is_all_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("search", "lj13", "--json", "--minutes", 1, "--out", tmp_path / "x") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["task"] == "lj13" and summary["folder"] == str(tmp_path / "x")


def test_folders_are_never_mixed(tmp_path: Path, capsys: Any, engine: Any) -> None:
    out = tmp_path / "found"
    assert run("search", "lj13", "--out", out) == 0
    assert run("search", "lj13", "--out", out) == 2
    assert "--resume" in capsys.readouterr().err
    assert run("search", "lj13", "--resume", "--out", tmp_path / "none") == 2
    assert run("search", "lj13", "--resume") == 2
    assert run("search", "lj13", "--resume", "--out", out) == 0
    assert [call["folder"] for call in engine.calls] == [out, out]


def test_default_folders_and_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    run("search", "lj13"), run("search", "lj13")
    assert {path.name for path in Path("runs").iterdir()} == {
        "search-lj13-seed0",
        "search-lj13-seed0-2",
    }
    assert engine.calls[0]["until"] == "reference" and engine.calls[0]["minutes"] == 2.0


def test_exit_codes(tmp_path: Path, engine: Any) -> None:
    out = map(str, (tmp_path / f"{k}" for k in range(9)))
    engine.first = 1  # the global minimum is missed
    assert run("search", "lj13", "--until", "reference", "--out", next(out)) == 1
    assert run("search", "lj13", "--until", "-41.4", "--out", next(out)) == 0
    assert run("search", "lj13", "--minutes", 1, "--out", next(out)) == 0
    for what in ("soon", "nan", "-inf"):
        assert run("search", "lj13", "--until", what, "--out", next(out)) == 2
    engine.status = "it was interrupted"
    folder = next(out)
    assert run("search", "lj13", "--out", folder) == 130
    assert {path.name for path in Path(folder).iterdir()} >= FILES
    engine.first, engine.status = 10**6, "the budget is spent"
    assert run("search", "lj13", "--minutes", 1, "--out", next(out)) == 1


def test_functions_have_tables_but_no_structures(tmp_path: Path) -> None:
    assert run("search", "rastrigin2", "--minutes", 1, "--out", tmp_path / "f") == 0
    assert {p.name for p in (tmp_path / "f").iterdir()} == {"search.json", "minima.csv"}


def test_time_left_is_that_of_the_nearer_limit() -> None:
    state = SimpleNamespace(
        evaluations=500, minima=1, best=np.inf, seconds=10.0, searching=4.0
    )
    line = Ticker(1000, 5.0).line(state)
    assert line.endswith("none yet, 1 minimum, 50/s, 0:10 left at most")
    # Time before the first attempts were finished is not counted.
    assert Ticker(None, 1.0).line(state).endswith("0:56 left at most")
    assert "left" not in Ticker(None, None).line(state)


# --- what people may ask for


def test_formulas_in_any_order_and_files_are_tasks(tmp_path: Path) -> None:
    assert problem("Au19Ag19").name == problem("Ag19Au19").name == "Ag19Au19"
    assert problem("lj38").reference == tasks.get("lj38").reference
    path = tmp_path / "start.xyz"
    atoms = Octahedron("Au", 4, 1)
    atoms.write(path)
    task = problem(str(path))
    assert task.name == "Au38" and task.reference == tasks.get("Au38").reference
    copper = problem("Cu13", "emt")
    assert copper.n == 13 and set(copper.symbols or ()) == {"Cu"}
    own = problem("Cu13", "l2h.potentials:LennardJones")
    assert isinstance(own.potential, LennardJones)
    (tmp_path / "of_mine.py").write_text(
        "from l2h.potentials import LennardJones as Mine\n"
    )
    mine = problem("Cu13", f"{tmp_path / 'of_mine.py'}:Mine")
    assert isinstance(mine.potential, LennardJones)


@pytest.mark.parametrize(
    ("what", "potential", "word"),
    [
        ("nothing", None, "unknown"),
        ("Xx13", None, "no parameters"),
        ("Cu13", None, "no parameters"),
        ("Ag1", None, "at least 2"),
        ("lj13", "emt", "neither a file nor a formula"),
        ("Cu13", "magic", "emt"),
        ("Cu13", "no_such_module:x", "cannot be imported"),
        ("Cu13", "math:nothing", "nothing callable"),
        ("Cu13", "math:sqrt", "math:sqrt raises TypeError"),
        ("Cu13", "collections:OrderedDict", "returns a OrderedDict"),
        ("Cu13", ".:x", "unknown"),
        ("Cu13", "nowhere.py:make", "--potential: there is no file nowhere.py"),
        ("missing.xyz", None, "there is no missing.xyz"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(
    what: str, potential: str | None, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        problem(what, potential)


def test_a_file_in_the_folder_is_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("beside_me.py").touch()
    with pytest.raises(ValueError, match=r"say beside_me\.py:make"):
        problem("Cu13", "beside_me:make")


FLAWED: Sequence[tuple[str, str]] = [
    ("0\n\n", "0 given"),
    ("1\n\nAu 0 0 0\n", "1 given"),
    ("2\n\nAu 0 0 0\nAu 0 0 nan\n", "no finite position"),
    ("2\n\nQq 0 0 0\nAu 0 0 3\n", "cannot be read|no potential"),
    ("2\n\nAu 0 0\n", "cannot be read"),
    ('2\nLattice="9 0 0 0 9 0 0 0 9"\nAu 0 0 0\nAu 0 0 3\n', "periodic cell"),
]


@pytest.mark.parametrize(("text", "word"), FLAWED)
def test_flawed_files_are_refused_in_words(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "start.xyz"
    path.write_text(text)
    with pytest.raises(ValueError, match=word):
        problem(str(path))


def test_searches_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "start.extxyz"
    atoms = Octahedron("Au", 4, 1)
    atoms.symbols[3] = "Ag"
    atoms.write(path)
    for what, potential in (("lj13", None), (str(path), None), ("Cu13", "emt")):
        task = problem(what, potential)
        kept = json.loads(json.dumps(remembered(task, what, potential)))
        if what == str(path):
            path.unlink()  # the file may be gone
        back = recalled({"task": task.name, "settings": {"problem": kept}})
        assert back.name == task.name and back.symbols == task.symbols
        if isinstance(task.potential, Gupta):
            np.testing.assert_array_equal(back.potential.species, task.potential.species)


def test_constraints_are_not_forgotten_silently(tmp_path: Path) -> None:
    atoms = Octahedron("Au", 4, 1)
    atoms.set_constraint(FixAtoms([0]))
    atoms.write(tmp_path / "fixed.traj")
    with pytest.raises(ValueError, match="l2h relax"):
        problem(str(tmp_path / "fixed.traj"))


def test_report_writes_the_same_page_again(tmp_path: Path) -> None:
    out = tmp_path / "found"
    assert run("search", "lj13", "--out", out) == 0
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.suffix != ".db"}
    for path in out.iterdir():
        if path.name != "search.json":
            path.unlink()
    assert run("report", out) == 0
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.suffix != ".db"} == before
    assert run("report", tmp_path) == 2


def test_what_a_search_names_is_not_run(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "ours.py").write_text(
        "print('it runs')\nfrom l2h.potentials import LennardJones as make\n"
    )
    name = f"{tmp_path / 'ours.py'}:make"
    task = problem("Cu13", name)
    kept = {"problem": remembered(task, "Cu13", name)}
    assert capsys.readouterr().out == "it runs\n"
    for given, words in ((None, "add --potential"), ("emt", "but the search had")):
        with pytest.raises(ValueError, match=words):
            recalled({"task": task.name, "settings": kept}, given)
    with pytest.raises(ValueError, match="that of its task"):
        recalled({"task": "lj13", "settings": {}}, name)
    assert capsys.readouterr().out == ""
    # Wherever the file is now.
    (tmp_path / "moved").mkdir()
    (tmp_path / "ours.py").rename(tmp_path / "moved" / "ours.py")
    back = recalled(
        {"task": task.name, "settings": kept}, f"{tmp_path / 'moved' / 'ours.py'}:make"
    )
    assert back.n == 13 and isinstance(back.potential, LennardJones)


# --- relax, weights, tasks


def test_relax_ends_in_a_minimum(tmp_path: Path, capsys: Any) -> None:
    result = quenched("lj13", starts=64)
    atoms = Atoms("X13", positions=result.positions[0])
    atoms.rattle(0.05, seed=0)
    atoms.set_constraint(FixAtoms([2]))
    atoms.write(tmp_path / "start.traj")
    assert run("relax", tmp_path / "start.traj") == 0
    done: Any = ase.io.read(tmp_path / "start-relaxed.extxyz")
    np.testing.assert_allclose(done.positions[2], atoms.positions[2], atol=1e-8)
    assert abs(done.get_potential_energy() - result.energies[0]) < 1e-3
    assert "energy" in capsys.readouterr().out
    assert run("relax", tmp_path / "start.traj", "--limit", 1) == 1
    assert run("relax", tmp_path / "none.xyz") == 2


def test_relax_with_weights_goes_lower(tmp_path: Path) -> None:
    task = tasks.get("lj13")
    x = task.init(jax.random.key(1), task.potential, 13, jax.numpy.float64)
    Atoms("X13", positions=np.asarray(x)).write(tmp_path / "start.extxyz")
    energies = []
    for extra in ((), ("--weights", "lj13")):
        assert run("relax", tmp_path / "start.extxyz", *extra) == 0
        done: Any = ase.io.read(tmp_path / "start-relaxed.extxyz")
        energies.append(done.get_potential_energy())
    assert energies[1] < energies[0] - 0.1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--weights growth", "weights: a Growth given"),
        ("--out b.foo", "out: b.foo cannot be written as a structure"),
        ("--out none/b.xyz", "out: none/b.xyz cannot be written"),
        ("--potential emt", "EMT raises NotImplementedError"),
        ("--potential own.py:of_nan", "SimpleNamespace returns nan; give --potential"),
        ("--potential own.py:picky", "SimpleNamespace raises ValueError: no gold; give"),
    ],
)
def test_relax_refuses_before_it_works(
    arguments: str, words: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "from types import SimpleNamespace\n"
        "def of_nan():\n"
        "    nan = lambda *_, **__: float('nan')\n"
        "    return SimpleNamespace(get_potential_energy=nan)\n"
        "def picky():\n"
        "    def refuse(*_, **__):\n"
        "        raise ValueError('no gold')\n"
        "    return SimpleNamespace(get_potential_energy=refuse)\n"
    )
    Atoms("X2", positions=[[0, 0, 0], [0, 0, 1.0]]).write("start.extxyz")
    before = set(tmp_path.iterdir())
    monkeypatch.setattr("ase.optimize.BFGS", None)
    assert run("relax", "start.extxyz", *arguments.split()) == 2
    assert words in capsys.readouterr().err
    assert {path for path in tmp_path.iterdir() if path.is_file()} == before


def test_weights_are_listed_shown_and_verified(tmp_path: Path, capsys: Any) -> None:
    assert run("weights", "list") == 0
    shown = capsys.readouterr().out
    for name in weights.names():
        assert f"{name}: trained on {', '.join(weights.trained_on(name))}" in shown
    assert "silicon: trained on si64-paper" in shown
    assert run("weights", "show", "lj13") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.index('{\n "name"') :])["name"] == "lj13"
    assert run("weights", "verify") == 0
    # Growth, too.
    assert capsys.readouterr().out.count("whole") == len(weights.names()) + 1
    content = (resources.files("l2h.weights") / "lj13.l2h").read_bytes()
    damaged = tmp_path / "damaged.l2h"
    damaged.write_bytes(content[:-9] + b"x" + content[-8:])
    assert run("weights", "verify", damaged) == 2
    assert run("weights", "show", "nobody") == 2


def test_tasks_are_listed(capsys: Any) -> None:
    assert run("tasks") == 0
    shown = capsys.readouterr().out
    assert "lj13" in shown and "lj-family: " in shown
