"""Compiled programs are kept where the user may write, and nothing else is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from l2h.cli import cache

DIRECTORY = "JAX_COMPILATION_CACHE_DIR"
LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away what the environment says; what is set in a test goes with it."""
    before = dict(os.environ)
    monkeypatch.setattr(os, "environ", before)
    for name in (DIRECTORY, cache.SETTING, LEVEL):
        before.pop(name, None)
    before["XDG_CACHE_HOME"] = before["LOCALAPPDATA"] = str(tmp_path / "caches")
    monkeypatch.setattr(sys, "platform", "linux")


def test_the_users_cache_folder_is_taken(tmp_path: Path) -> None:
    cache.keep_compiled()
    path = Path(os.environ[DIRECTORY])
    assert path.is_dir() and path.parent == tmp_path / "caches" / "l2h"
    assert list(path.iterdir()) == []
    assert os.environ[LEVEL] == "3"


def test_what_jax_sets_by_itself_is_nobodys_wish() -> None:
    code = "import os; import jax; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    os.environ[LEVEL] = done.stdout.strip()
    cache.keep_compiled()
    assert os.environ[LEVEL] == "3"


def test_what_the_environment_says_is_left_alone(tmp_path: Path) -> None:
    os.environ |= {DIRECTORY: "mine", LEVEL: "0"}
    cache.keep_compiled()
    assert os.environ[DIRECTORY] == "mine" and os.environ[LEVEL] == "0"
    assert not (tmp_path / "caches").exists()


@pytest.mark.parametrize("word", ["off", "", "0", "OFF"])
def test_it_can_be_turned_off_or_moved(word: str, tmp_path: Path) -> None:
    os.environ[cache.SETTING] = word
    cache.keep_compiled()
    assert DIRECTORY not in os.environ and not (tmp_path / "caches").exists()
    os.environ[cache.SETTING] = str(tmp_path / "elsewhere")
    cache.keep_compiled()
    assert Path(os.environ[DIRECTORY]).parent == tmp_path / "elsewhere"


def test_folders_that_cannot_be_made_are_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "caches").write_text("a file in the way")
    cache.keep_compiled()
    assert DIRECTORY not in os.environ
    # A user without a home has no cache, and gets no folder called ~.
    os.environ.pop("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache.folder() is None and not Path("~").exists()


@pytest.mark.parametrize("package", ["pipelines", "checks"])
def test_programs_beside_the_library_keep_theirs_too(package: str, tmp_path: Path) -> None:
    code = f"import os, {package}; print(os.environ['{DIRECTORY}'])"
    options = {"env": os.environ, "cwd": Path(__file__).parents[2]}
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, capture_output=True, text=True, **options)
    assert Path(done.stdout).is_relative_to(tmp_path / "caches"), done.stderr


@pytest.mark.slow
def test_programs_are_kept_and_loaded_without_a_word(tmp_path: Path) -> None:
    code = """
from l2h.cli.cache import keep_compiled
keep_compiled()
import jax, jax.numpy as jnp
print(float(jax.jit(lambda x: jnp.linalg.eigh(x @ x.T)[0].sum())(jnp.eye(8))))
"""
    environment = {**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment["JAX_PLATFORMS"] = "cpu"

    def said() -> list[Path]:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert done.stdout.startswith("8.0") and done.stderr == ""
        return list((tmp_path / "caches" / "l2h").rglob("*-cache"))

    kept = said()
    assert kept and said() == kept
    # What is being written, or was left half written, is compiled anew.
    for path in kept:
        path.write_bytes(path.read_bytes()[:-100])
    said()
