"""What the command runner makes of errors, and of files of one's own."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from l2h.cli import launch
from l2h.cli.launch import answered, command, sentence
from l2h.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]


def run(body: str, *arguments: str, shell: str = ""):
    """Run a program of these lines under the command runner; return code and words."""
    code = (
        "import os, sys\nfrom l2h.cli.launch import command\n"
        "def main(times: int = 1) -> None:\n    '''Do something.'''\n    "
        + body.replace("\n", "\n    ")
        + "\ncommand(main)"
    )
    program = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    if shell:
        environment["PROGRAM"] = code
        program = ["bash", "-c", f'"{sys.executable}" -c "$PROGRAM" {shell}']
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("size: 3 given; take 4."), 2, "size: 3 given; take 4."),
        (FileNotFoundError(2, "No such file", "/no/file"), 2, "/no/file: No such file"),
        (OSError(28, "No space left on device", "x.l2h"), 2, "x.l2h: the disk is full"),
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 GB"), 2, "not enough memory"),
        (ImportError("ase: install it"), 2, "ase: install it"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on"),
        (KeyboardInterrupt("use --resume x"), 130, "interrupted; use --resume x"),
    ],
)
def test_expected_errors_are_sentences(error, code, words, capsys):
    def program():
        raise error

    with pytest.raises(SystemExit) as ended:
        answered(program)
    assert ended.value.code == code and words in capsys.readouterr().err


@pytest.mark.parametrize("error", [TypeError("a fault"), RuntimeError("INTERNAL: a fault")])
def test_faults_of_a_program_show_where(error):
    def program():
        raise error

    with pytest.raises(type(error), match="a fault"):
        answered(program)
    assert sentence(error) is None


def test_the_environment_can_ask_for_more(monkeypatch):
    monkeypatch.setenv("L2H_TRACEBACK", "1")
    with pytest.raises(ValueError, match="a mistake"):
        answered(lambda: int("a mistake"))


@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("| head -1; exit ${PIPESTATUS[0]}", 141),  # a reader who leaves
        (">&-", 0),  # closed from the beginning
        ("> /dev/full", 2),
    ],
)
def test_output_that_cannot_be_written(shell, code):
    if "full" in shell and not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    body = "for i in range(20000):\n    print('line', i)"
    found, _, errors = run(body, shell=shell)
    assert found == code
    assert "Traceback" not in errors and "Exception ignored" not in errors
    assert ("disk is full" in errors) is (code == 2)


# All that look up names, with names that nobody knows before a file is run.
LOADING = {
    **dict.fromkeys(["search", "relax", "tune", "report"], "own5"),
    **dict.fromkeys(["train", "evaluate", "strategies"], "own5 --devices 1"),
    "weights": "show own5",
    "tasks": "",
    **dict.fromkeys(
        [f"pipelines.{p}" for p in ("descents", "evaluate", "hopping")], "own5"
    ),
    **dict.fromkeys([f"pipelines.{p}" for p in ("strategies", "train", "tune")], "own5"),
    "pipelines.peers": "own5",
    "pipelines.sweep": "own5 --output none.csv",
    "pipelines.attempts": "--tasks own5 --folder none",
    "pipelines.bimetallic": "--weights own5 --devices 1",
    "pipelines.sizes": "--only13 own5 --devices 1",
    "pipelines.transfer": "--tasks own5 --devices 1",
}


@pytest.mark.parametrize("name", LOADING)
def test_files_of_ones_own_are_run_before_names_are_looked_up(
    name, tmp_path, monkeypatch, capsys
):
    (tmp_path / "mine.py").write_text("raise ValueError('mine has been run')\n")
    module = importlib.import_module(name if "." in name else f"l2h.cli.{name}")
    monkeypatch.setattr(sys, "argv", [name, *LOADING[name].split(), "--load", "mine.py"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        command(module.main)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.err == "error: mine has been run\n" and shown.out == ""
    # Nothing is written but what Python keeps of a module.
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "__pycache__"}


def test_all_programs_say_in_words_why_they_end_and_take_files_of_ones_own():
    pages = [*ROOT.glob("pipelines/*.py"), *ROOT.glob("benchmarks/*.py")]
    texts = {f"{path.parent.name}.{path.stem}": path.read_text() for path in pages}
    assert [name for name, text in texts.items() if "tyro.cli(" in text] == []
    loading = {
        name
        for name, text in texts.items()
        if "command(main" in text and "loads=False" not in text
    }
    assert loading | set(COMMANDS) == set(LOADING)


def test_programs_without_names_take_no_files():
    body = "print(times)\ncommand(main, loads=False)"
    code = f"from l2h.cli.launch import command\ndef main(times: int = 1): {body}"
    program = [sys.executable, "-c", code, "--load", "mine.py"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2 and "--load" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("asked", "count"), [("2, cores=1", 2), ("None, cores=1", 1), ("None", 16)]
)
def test_files_of_ones_own_are_run_when_devices_are_chosen(tmp_path, asked, count):
    text = "import jax, jax.numpy as jnp\nprint(jnp.zeros(2).dtype, jax.device_count())\n"
    (tmp_path / "mine.py").write_text(text)
    body = "from l2h.cli.launch import prepare\nos.cpu_count = lambda: 16\n"
    body += f"print(prepare({asked}))"
    found, output, _ = run(body, "--load", f"{tmp_path}/mine.py")
    assert found == 0 and output.split() == ["float64", f"{count}", f"{count}"]


def test_what_is_loaded_is_no_argument():
    arguments = ["lj13", "--load", "a.py", "--seed", "1", "--load=b"]
    assert launch.parted(arguments) == (["lj13", "--seed", "1"], ["a.py", "b"])


@pytest.mark.parametrize("missing", ["", "no.py", "no_such_module"])
def test_files_of_ones_own_must_exist(monkeypatch, missing):
    monkeypatch.setattr(launch, "_waiting", [missing])
    with pytest.raises(ValueError, match=f"--load: there is no .*{missing}"):
        launch.prepare()


def test_one_accelerator_beside_many_cores_is_one_device(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("jax.config.update", lambda *_: None)
    monkeypatch.setattr("jax.local_device_count", lambda: 1)
    assert launch.prepare(None) == 1 and launch.prepare(None, cores=1) == 1
    with pytest.raises(ValueError, match="devices: 2 asked for, 1 present"):
        launch.prepare(2)


def test_all_devices_are_used_unless_fewer_are_asked_for(monkeypatch):
    # Eight in tests, which are no cores.
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert launch.prepare(None) == 8 and launch.prepare(3) == 3 and launch.prepare() == 1
    with pytest.raises(ValueError, match="devices: 100 asked for, 8 present"):
        launch.prepare(100)
    with pytest.raises(ValueError, match="devices: 0 asked for"):
        launch.prepare(0)
