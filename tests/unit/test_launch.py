"""What the command runner makes of errors, and of files of one's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from l2h.cli import launch
from l2h.cli.launch import answered, sentence

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
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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


def test_files_of_ones_own_are_run_when_devices_are_chosen(tmp_path: Path):
    (tmp_path / "mine.py").write_text("print('registered')\n")
    body = "from l2h.cli.launch import load_waiting\nload_waiting()\nprint(times)"
    found, output, _ = run(body, "--load", f"{tmp_path}/mine.py", "--times", "3")
    assert found == 0 and output.split() == ["registered", "3"]
    found, output, errors = run("print(times)", f"--load={tmp_path}/mine.py")
    assert found == 2 and "had no use for" in errors and "registered" not in output


def test_what_is_loaded_is_no_argument():
    arguments = ["lj13", "--load", "a.py", "--seed", "1", "--load=b"]
    assert launch.parted(arguments) == (["lj13", "--seed", "1"], ["a.py", "b"])


@pytest.mark.parametrize("missing", ["", "no.py", "no_such_module"])
def test_files_of_ones_own_must_exist(monkeypatch, missing):
    monkeypatch.setattr(launch, "_waiting", [missing])
    with pytest.raises(ValueError, match=f"--load: there is no .*{missing}"):
        launch.load_waiting()


def test_all_devices_are_used_unless_fewer_are_asked_for():
    # Eight in tests.
    assert launch.present(None) == 8 and launch.present(3) == 3
    with pytest.raises(ValueError, match="devices: 100 asked for, 8 present"):
        launch.present(100)
    with pytest.raises(ValueError, match="devices: 0 asked for"):
        launch.devices(0)
