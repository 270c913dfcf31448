"""The picture of a competition, and what its methods are called."""

import numpy as np
from trials import BUDGET, TASK

from l2h.report.competition import competition_figure, labels


def test_picture_shows_hits_costs_ends_and_the_way(once, restarted):
    figure = competition_figure([once, restarted])
    curves, costs, finals, descent = figure.axes
    for line, trials in zip(curves.get_lines(), (once, restarted), strict=True):
        x, y = line.get_data()
        # At its right end, a curve stands at the fraction of starts that have hit.
        assert y[-1] == trials.success.value
        assert set(trials.hit_at[np.isfinite(trials.hit_at)]) <= set(x)
    assert [t.get_text() for t in costs.get_yticklabels()] == ["adam", "adam@30"]
    shown = {t.get_text() for t in costs.texts}
    assert f"{once.to_first_hit.value:,.0f}" in shown
    assert finals.get_xlabel() == "energy (ε)" and "quenched" in finals.get_title()
    marks = [line.get_xdata()[0] for line in finals.get_lines()]
    assert marks == [TASK.reference]
    (median,) = (
        line for line in descent.get_lines() if np.asarray(line.get_xdata())[-1] == BUDGET
    )
    expected = np.quantile(once.lowest, 0.5, axis=0, method="nearest")
    np.testing.assert_array_equal(median.get_ydata(), expected)
    assert "20 starts" in figure.get_suptitle() and "reference" in figure.get_suptitle()


def test_files_of_weights_are_shown_by_their_folders():
    names = ["adam", "lj13@50", "runs/a/best.l2h", "/x/b/best.l2h@250", "best.l2h"]
    assert list(labels(names).values()) == ["adam", "lj13@50", "a", "b@250", "best.l2h"]
    # Two that would look the same stay as they are.
    names = ["x/a/best.l2h", "y/a/best.l2h"]
    assert labels(names) == dict(zip(names, names, strict=True))
