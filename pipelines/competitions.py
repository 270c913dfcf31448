"""What programs of the paper's appendix share: competitions in turn, in one folder."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2h.competition import Competition
    from l2h.evaluation import Trials

# Settings of trainings that a short form tries out.
QUICK: dict[str, Any] = {
    "pairs": 2,
    "shortest": 5,
    "longest": 10,
    "updates": 2,
    "validate_every": 2,
    "validation_starts": 4,
}

Results = list[list["Trials"]]
Rows = list[dict[str, Any]]


def training(own: Mapping[str, Any], updates: int | None, quick: bool) -> dict[str, Any]:
    """Return the settings of a training: one's own or, in a short form, `QUICK`; with so
    many updates, if they are given."""
    settings = QUICK if quick else own
    return {**settings} if updates is None else {**settings, "updates": updates}


def hold(
    competitions: "Iterable[Competition]",
    path: Path,
    devices: int,
    shown: "Callable[[Results], tuple[Rows, Any]]",
) -> tuple[Results, Rows]:
    """Hold competitions of one task each, in folders beside a table and a picture, which
    are written anew after each: unfinished ones can be looked at.

    Arguments:
        competitions: what to hold.
        path: of table and picture, without .csv and .png.
        devices: that share the work.
        shown: makes rows and a figure of the results so far, task by task.

    Returns:
        The results, task by task, and their rows.
    """
    from l2h.competition import compete
    from l2h.io import write_atomically
    from l2h.report import write_figure
    from l2h.report.competition import rows_csv
    from l2h.report.meter import meter

    results: Results = []
    rows: Rows = []
    for one in competitions:
        (task,) = one.tasks
        folder = f"{task.name}-{one.budget - 1}-steps-{one.starts}-starts"
        with meter(len(one.units()), task.name) as note:
            parts = compete(one, path.parent / folder, devices=devices, note=note)
        results += one.results(parts)
        rows, figure = shown(results)
        write_atomically(path.with_suffix(".csv"), rows_csv(rows))
        write_figure(path.with_suffix(".png"), figure)
    return results, rows
