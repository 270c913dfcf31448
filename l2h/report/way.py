"""The way from a start to a minimum: a picture that plays, beside its energies."""

import json
from html import escape

import numpy as np

from ..engine import SearchResult
from ..engine.trajectory import UNSEEN
from . import charts, structure
from .charts import Axis

PLAYER = (
    '<div class="controls screen"><button type="button" id="way-play" '
    'aria-pressed="false">play</button><input type="range" id="way-step" min="0" '
    'max="{last}" value="{last}" aria-label="structure along the way"></div>'
)


def way(result: SearchResult) -> str:
    """Return the section of the page; nothing if no way is known.

    Arguments:
        result: of the search; its trajectory is shown.
    """
    found = result.trajectory
    if found is None:
        return ""
    task, last = result.task, len(found.steps) - 1
    label = (
        f"structure {found.minimum + 1}, {found.steps[-1]:,} evaluations after its start"
    )
    moving = structure.frames(task, found.positions)
    captions = [
        f"{stage}: evaluation {step:,}, energy {charts.number(round(float(energy), 4))}"
        for stage, step, energy in zip(
            found.stages, found.steps, found.energies, strict=True
        )
    ]
    # Starts may lie many orders of magnitude higher.
    low = float(found.energies[-1])
    top = float(np.max(np.minimum(found.energies, max(0.0, low + 0.3 * abs(low)))))
    room = 0.06 * (top - low) or 0.01 * abs(low) or 1.0
    x = Axis(0.0, float(max(found.steps[-1], 1)), "evaluations since the start")
    y = Axis(low - room, top + room, task.units.label("energy"))
    points = np.stack([found.steps, found.energies], axis=1).astype(float)
    words = (
        f"Energy along the way: {found.energies[0]:.4g} at the start, {low:.4f} after "
        f"{found.steps[-1]:,} evaluations."
    )
    lost = ""
    if UNSEEN in found.stages:
        lost = (
            f" Of its walk only the start is shown: {found.steps[1]:,} steps that ended "
            "elsewhere when they were made again, as rounding differs."
        )
    chart = charts.path(points, x, y, words, "way-chart")
    data = json.dumps(
        {**moving, "captions": captions, "dots": charts.places(points, x, y)},
        separators=(",", ":"),
    ).replace("<", "\\u003c")
    return (
        '<section class="way" aria-label="The way there"><h2>From a start to structure '
        f'{found.minimum + 1}</h2><p class="note">The attempt that found it first (arm: '
        f"{escape(found.arm)}), made once more; each picture is a structure on its way."
        f'{lost}</p><div class="split"><figure id="way">'
        f"{structure.svg(task, found.positions[-1], label)}{PLAYER.format(last=last)}"
        f'<figcaption id="way-caption" aria-live="off">{escape(captions[-1])}</figcaption>'
        f"</figure><figure>{chart}</figure></div>"
        f'<script type="application/json" id="way-data">{data}</script></section>'
    )
