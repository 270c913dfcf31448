"""Bundled optimizers find what their cards say."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from l2h import tasks, weights
from l2h.domains import Domain
from l2h.evaluation import evaluate
from l2h.meta import draw_starts
from l2h.training import TrainingConfig


def test_every_bundled_optimizer_loads():
    assert {"lj13", "lj38", "lj-family"} <= set(weights.names())
    for name in weights.names():
        assert np.any(np.asarray(weights.load(name).network.weights[-1]) != 0)


def test_bundled_optimizers_load_without_64_bit():
    # In a fresh interpreter with JAX's defaults, as in the README.
    code = "from l2h import weights; [weights.load(name) for name in weights.names()]"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    root = Path(tasks.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)


def test_generalist_knows_that_size_matters():
    # Seed 99 was used neither in training nor in choosing weights.
    generalist, key = weights.load("lj-family"), Domain.SEARCH.key(99)
    task = tasks.get("lj19")
    starts = draw_starts(task, 25, key, np.dtype("float32"))
    # All of 150 in its card; the specialist for 38 atoms never hits.
    assert evaluate(generalist, task, starts, 2000, key=key).hits.sum() >= 22
    assert evaluate(weights.load("lj38"), task, starts, 2000, key=key).hits.sum() <= 3


def test_lj13_finds_the_icosahedron():
    # Seed 99 was used neither in training nor in choosing weights or horizon.
    task, key = tasks.get("lj13"), Domain.SEARCH.key(99)
    starts = draw_starts(task, 25, key, np.dtype("float32"))
    outcomes = evaluate(weights.load("lj13"), task, starts, 500, key=key)
    # All of 150 in its card; 22 of 25 are five standard errors below 99 %.
    assert outcomes.hits.sum() >= 22
    assert outcomes.polished.min() == pytest.approx(task.reference, abs=1e-5)
    assert not outcomes.discoveries.any() and outcomes.valid.all()
    assert jax.numpy.all(outcomes.evaluations[outcomes.direct] == 501)


def test_recipes_of_the_bundled_optimizers_build():
    recipes = sorted((Path(__file__).parents[2] / "pipelines" / "recipes").glob("*.toml"))
    assert recipes
    for recipe in recipes:
        config = TrainingConfig.read(recipe)
        trainer = config.trainer()
        assert trainer.strategy.population == 2 * config.pairs
        assert config.untrained().frozen is (config.trains == "size-biases")


def test_unknown_names_and_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="lj13"):
        weights.load("gold")
    (tmp_path / "other.l2h").write_text("nonsense")
    with pytest.raises(ValueError, match="other"):
        weights.load(str(tmp_path / "other.l2h"))
