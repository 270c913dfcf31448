"""The examples of the handbook's page on parts of one's own run, and train."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

import l2h
from l2h.optimizers import AbstractOptimizer
from l2h.training import TrainingConfig, pieces

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"


@pytest.fixture(scope="module")
def names():
    """Run every example, in order, in one namespace."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    found = {"__name__": "mine"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), found)
    return found


def test_examples_are_known_by_name(names):
    task = l2h.tasks.get("morse13")
    assert (task.name, task.n) == ("morse13", 13)
    pair = jnp.asarray([[0.0, 0, 0], [1, 0, 0]])
    assert float(task.potential(pair)) == pytest.approx(-1)
    assert l2h.tasks.expanded("hollow") == ("hollow13", "hollow19")
    assert l2h.tasks.held_out(("hollow13", "hollow19")) == ("hollow16",)
    assert "hollow13 (any number of atoms)" in l2h.tasks.names()
    # They may be registered again, but not take names of the library.
    l2h.potentials.register("morse", names["Morse"])
    for register, taken in (
        (l2h.potentials.register, "lj"),
        (l2h.optimizers.register, "adam"),
        (l2h.meta.register, "esmc"),
        (l2h.optimizers.learned.register, "equivariant"),
    ):
        with pytest.raises(ValueError, match=f"{taken!r} is taken"):
            register(taken, names["Morse"])
    for taken in ("lj13", "Au55"):
        with pytest.raises(ValueError, match="taken"):
            l2h.tasks.register(taken, task)
    with pytest.raises(ValueError, match="no regular expression"):
        l2h.tasks.register("(", task)
    with pytest.raises(ValueError, match="no name"):
        l2h.potentials.register("a,b", names["Morse"])


def test_examples_are_trained_with(names):
    small = {"pairs": 2, "shortest": 3, "longest": 3, "starts_per_task": 1, "hidden": (4,)}
    for config in (names["config"], names["other"]):
        trainer = pieces.trainer(dataclasses.replace(config, tasks=("morse6",), **small))
        state = trainer.strategy.init(pieces.optimizer(config), 0)
        after, info = trainer(state)
        assert jnp.isfinite(info["loss"]) and jnp.any(after.params != state.params)
    assert type(pieces.optimizer(names["other"])) is names["HeavyBall"]


def test_makers_get_what_they_ask_for(names):
    @dataclasses.dataclass
    class Needy:
        colour: str

    l2h.optimizers.register("needy", Needy)
    with pytest.raises(ValueError, match="Needy: needs colour"):
        pieces.optimizer(TrainingConfig.for_tasks("lj5", optimizer="needy"))
    l2h.optimizers.register("wrong", lambda: 3)
    with pytest.raises(ValueError, match="optimizer: a int given"):
        pieces.optimizer(TrainingConfig.for_tasks("lj5", optimizer="wrong"))
    assert isinstance(names["HeavyBall"](), AbstractOptimizer)


@pytest.mark.slow
def test_the_command_runs_a_file_of_ones_own(tmp_path, names):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # Without the checks, which take their time.
    text = re.sub(r"l2h\.testing\.check_.*\n", "", "\n".join(blocks))
    (tmp_path / "mine.py").write_text(text)
    arguments = "morse5 --load mine.py --features slopes --strategy sign-es --updates 2"
    arguments += " --pairs 2 --shortest 3 --longest 3 --validation-starts 2 --folder run"
    done = subprocess.run(
        [sys.executable, "-m", "l2h", "train", *arguments.split(), "--no-examine"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "best.l2h").exists()
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'features = "slopes"' in config
