"""Tuning of baselines: the grid, what is learned, what is stored."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import methods, tasks
from l2h.optimizers import Adam, Fire
from l2h.training.tuning import (
    FOUND,
    candidates,
    grids,
    learn,
    mean,
    settling,
    stored,
    tune,
    tuned,
)

TASK = tasks.get("lj5")


@pytest.fixture(scope="module")
def found():
    grid = {"slow": Adam(1e-3), "slower": Adam(1e-4)}
    return tune(grid, TASK, 60, seed=0, starts=20, updates=15)


def test_the_best_on_validation_starts_comes_first(found):
    scores = [mean(candidate.validation) for candidate in found]
    assert scores == sorted(scores)
    names = {"slow", "slower", "slow, learned", "slower, learned"}
    assert {candidate.name for candidate in found} == names


def test_learning_improves_on_held_out_starts(found):
    held_out = {candidate.name: mean(candidate.held_out) for candidate in found}
    # Both rates are far too low for sixty steps, so learning must raise them.
    assert held_out["slow, learned"] < held_out["slow"]
    assert held_out["slower, learned"] < held_out["slower"]
    assert held_out[found[0].name] <= held_out["slow"]
    rates = {c.name: float(c.optimizer.rate) for c in found}
    assert rates["slow, learned"] > rates["slow"] == pytest.approx(1e-3)


def test_learning_is_reproducible():
    once, again = (learn(Adam(1e-3), TASK, 10, seed=3, updates=2) for _ in range(2))
    assert jax.tree.leaves(once) == jax.tree.leaves(again)


def test_settling_doubles_until_nothing_is_gained():
    ladder = settling(Adam(0.05), TASK, seed=0, starts=10, first=50, last=1000)
    assert [steps for steps, _ in ladder] == [50 * 2**i for i in range(len(ladder))]
    energies = [energy for _, energy in ladder]
    assert np.all(np.diff(energies) <= 1e-6)
    assert energies[-2] - energies[-1] < 0.05 <= energies[0] - energies[1]


def test_stored_hyperparameters_come_back():
    entry = stored()["tuned"]["lj13"]["adam"]
    optimizer = tuned("adam", "lj13")
    rate = float(jnp.exp(entry["best"]["hyperparameters"][0]))
    assert float(optimizer.rate) == pytest.approx(rate, rel=1e-6)
    assert methods.get("tuned:adam:lj13@50").steps == 50
    assert isinstance(methods.get("tuned:fire:lj13").optimizer, Fire)
    held_out = [row["held_out_mean"] for row in (entry["best"], *entry["others"])]
    assert min(held_out) < -39 and entry["settings"]["starts"] == 150


def test_what_was_tuned_here_is_known_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"l2h tune lj9 --optimizers adam.* in runs"):
        methods.get("tuned:adam:lj9")
    entry = {"best": stored()["tuned"]["lj13"]["adam"]["best"]}
    FOUND.parent.mkdir(parents=True)
    FOUND.write_text(json.dumps({"tuned": {"lj9": {"adam": entry}}}))
    ours, theirs = (methods.get(f"tuned:adam:{name}").optimizer for name in ("lj9", "lj13"))
    assert float(ours.rate) == float(theirs.rate)
    with pytest.raises(ValueError, match="adam on lj9"):
        tuned("adam", "gold")
    # An examination is held against the same opponents wherever it runs.
    assert set(candidates("adam", "lj9")) == set(grids()["adam"])
    FOUND.write_text("[]")
    with pytest.raises(ValueError, match="damaged"):
        tuned("adam", "lj9")


def test_candidates_are_the_grid_and_what_was_tuned():
    assert set(candidates("adam", "gold")) == set(grids()["adam"])
    assert set(candidates("adam", "lj13")) == {*grids()["adam"], "tuned"}


def test_unknown_tuning_is_refused():
    with pytest.raises(ValueError, match="adam on lj13"):
        tuned("adam", "gold")
    with pytest.raises(ValueError, match="tuned:KIND:TASK"):
        methods.get("tuned:gold:lj13")
    with pytest.raises(ValueError, match="grid"):
        tune({}, TASK, 5, seed=0)
