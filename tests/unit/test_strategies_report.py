"""The comparison of meta-strategies counts accidents and draws whatever it is given."""

import numpy as np
import pytest

from l2h.evaluation import success_rate
from l2h.report.strategies import strategies_figure, strategies_table
from l2h.training.comparison import StrategyRun, jumps


def run(losses, seed=0):
    losses = np.asarray(losses, float)
    nonfinite = np.zeros_like(losses)
    validated = (np.arange(3), np.array([0.0, 0.5, np.nan]))
    rates = (success_rate(9, 10), success_rate(10, 10))
    return StrategyRun(seed, losses, nonfinite, validated, *rates)


def falling(seed=0):
    """Return losses that fall steadily, with normal noise."""
    noise = np.random.default_rng(seed).normal(size=300)
    return 10 * np.exp(-np.arange(300) / 50) + 0.1 * noise


def test_steady_learning_has_no_spikes():
    steady = run(falling())
    assert steady.spikes == 0 and steady.relapses == 0


def test_spikes_and_relapses_are_counted():
    losses = falling()
    losses[150], losses[200:203], losses[250] = 5.0, 1e20, np.nan
    accident = run(losses)
    assert np.flatnonzero(jumps(losses)).tolist() == [150, 200, 201, 202, 250]
    # Neighbouring updates are one spike; an unknown loss is not a good one.
    assert accident.spikes == 3
    assert accident.relapses == pytest.approx(2 / 135)


def test_table_and_picture():
    runs = {"es": [run(falling(s), s) for s in range(3)], "ga": [run([np.nan, 1.0])]}
    table = strategies_table(runs)
    assert table.count("90.0% (55.5% .. 99.7%)") == 4
    assert "median success 90.0%, worst 90.0%" in table
    learning, centre, success = strategies_figure(runs, title="demo", reference=-1.0).axes
    shown = {line.get_label(): line for line in learning.get_lines()}
    curves = np.stack([run.losses for run in runs["es"]])
    np.testing.assert_allclose(shown["es"].get_ydata(), np.median(curves, axis=0))
    assert set(shown["global minimum"].get_ydata()) == {-1.0}
    (line, _) = centre.get_lines()
    assert line.get_xydata()[:2].tolist() == [[0, 0.0], [1, 0.5]]
    assert [t.get_text() for t in success.get_xticklabels()] == ["es", "ga"]
    marks = [container.lines[0].get_ydata() for container in success.containers]
    assert [y.tolist() for y in marks] == [[0.9] * 3, [0.9]]
    bare = strategies_figure(runs, title="demo").axes[0]
    assert "global minimum" not in {line.get_label() for line in bare.get_lines()}
