"""An attempt that is made again goes the way that led to its minimum."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import l2h
from l2h import tasks
from l2h.engine import Arm, Origin, SearchResult, retrace
from l2h.inits import Symmetric
from l2h.optimizers import Adam
from l2h.report.way import way as way_shown
from l2h.symmetry import symmetry_operations

TASK = tasks.get("lj7")
ARMS = {
    "quench": Arm("quench", TASK.init),
    "walk": Arm("walk", TASK.init, Adam(0.02), 60),
    "symmetric": Arm("symmetric", Symmetric(("C2", "C3")), Adam(0.02), 60),
}


@pytest.fixture(scope="module", params=ARMS)
def found(request: Any, tmp_path_factory: Any) -> tuple[Arm, SearchResult, Path]:
    folder, arm = tmp_path_factory.mktemp("search"), ARMS[request.param]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        result = l2h.search(TASK, arms=[arm], evaluations=900, folder=folder)
    return arm, result, folder


@pytest.mark.slow
def test_the_way_leads_from_a_start_to_the_minimum(found: Any, tmp_path: Path) -> None:
    arm, result, folder = found
    assert result.hit
    assert all(origin.arm == arm.name for origin in result.origins)
    way = retrace(result, arm=arm)
    assert way is not None and way.minimum == 0 and way.arm == arm.name
    np.testing.assert_array_equal(way.positions[-1], result.positions[0])
    assert way.energies[-1] == result.energies[0]
    assert way.steps[0] == 0 and np.all(np.diff(way.steps) >= 0) and len(way.steps) > 8
    assert way.stages[0] == ("descent" if arm.walk is None else "walk")
    descent = way.energies[[stage == "descent" for stage in way.stages]]
    assert np.all(np.diff(descent) <= 0)
    observe = jax.jit(lambda x: TASK.potential.observe(x).energy)
    for x, energy in zip(way.positions, way.energies, strict=True):
        assert float(observe(x)) == pytest.approx(energy, rel=1e-3, abs=1e-3)
    if arm.name == "symmetric":
        # As in the search: Adam alone would leave the symmetry of its start.
        walked = way.positions[[stage == "walk" for stage in way.stages]]
        assert len(walked) > 8
        assert all(len(symmetry_operations(x, tolerance=1e-3)) > 1 for x in walked)
    # No step is a jump to somewhere else.
    moved = np.linalg.norm(np.diff(way.positions[-4:], axis=0), axis=2).max()
    assert moved < 0.5
    # The start is that of this attempt, and of no other.
    next_one = Origin(arm.name, result.origins[0].attempt + 1)
    other = retrace(replace(result, origins=[next_one] * len(result.energies)), arm=arm)
    assert other is None or abs(other.energies[0] - way.energies[0]) > 1e-3
    # Nothing is lost on disk.
    path = replace(result, trajectory=way).save(tmp_path)
    back = SearchResult.load(path.parent, TASK)
    assert back.origins == result.origins
    np.testing.assert_allclose(back.trajectory.positions, way.positions, atol=1e-4)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        again = l2h.search(TASK, arms=[arm], evaluations=900, folder=folder)
    assert again.origins == result.origins


@pytest.mark.slow
def test_walks_that_lead_elsewhere_are_left_out_and_counted(
    found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm, result, _ = found
    monkeypatch.setattr(sys.modules["l2h.engine.retrace"], "STRAYED", -1.0)
    way = retrace(result, arm=arm)
    assert way is not None and (way.stages[0] == "start") == (arm.walk is not None)
    page = way_shown(replace(result, trajectory=way))
    assert ("60 steps that ended elsewhere" in page) == (arm.walk is not None)
    if arm.walk is not None:
        assert way.stages.count("walk") == 0 and way.steps[1] == arm.steps == 60


@pytest.mark.slow
def test_ways_that_do_not_end_there_are_not_shown(found: Any) -> None:
    arm, result, _ = found
    elsewhere = replace(result, positions=result.positions[::-1] + np.arange(3.0))
    mixed = replace(elsewhere, positions=2.0 * elsewhere.positions)
    assert retrace(mixed, arm=arm) is None
    assert retrace(replace(result, origins=[]), arm=arm) is None
