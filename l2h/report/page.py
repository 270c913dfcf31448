"""One HTML file that shows what a search found, without any network."""

import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import jax
import numpy as np

from ..engine import SearchResult
from ..io import write_atomically
from ..potentials import Units
from . import charts, structure
from .charts import Axis, number
from .point_groups import SHOWN, TOLERANCE
from .viewer import VIEWER, minima, viewer_code
from .way import way

PICTURES = 12
BINS = 40
# How the command line brings a task back; what is shown elsewhere.
_NOT_SHOWN = ("problem", "command", "task", "atoms", "seed")
# What settings are called on the page, where their names say too little.
_CALLED = {
    "parameters": "digest of potential, arms and rule",
    "after": "steps of probation",
    "floor": "least share of an arm",
    "adaptive": "arms compete",
    "round": "attempts of a program, a round, a group",
}
# Columns of the table, and what they are.
_HEADS = {
    "#": "place by energy",
    "energy": "polished energy",
    "gap": "energy above the lowest",
    "found": "how often it was found",
    "first": "evaluations made when it was found first",
    "group": "point group",
}


def write_page(
    path: str | os.PathLike[str],
    result: SearchResult,
    *,
    command: str | None = None,
    point_groups: Sequence[str] = (),
    viewer: bool | None = None,
    again: str | None = None,
) -> Path:
    """Write the page of a search; the same search gives the same bytes.

    Arguments:
        path: where; an existing file is replaced, atomically.
        result: what is shown.
        command: that repeats the search, if there is one.
        point_groups: of the minima, if they are known.
        viewer: whether structures may be turned; by default, if chemiscope is installed,
            whose JavaScript then becomes part of the file. Pictures take its place.
        again: command that writes the page anew, if there is one.

    Raises:
        ValueError: if the viewer is asked for and chemiscope is not installed, or
            structures have neither two nor three coordinates.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    write_atomically(path, page(result, command, point_groups, viewer, again))
    return path


def page(
    result: SearchResult,
    command: str | None = None,
    point_groups: Sequence[str] = (),
    viewer: bool | None = None,
    again: str | None = None,
) -> str:
    """Return the text of `write_page`."""
    code = None if viewer is False else viewer_code()
    if viewer and code is None:
        raise ValueError(f"viewer: {VIEWER} is not installed; pip install 'l2h[page]'.")
    code = code if len(result.energies) else None
    task, units = result.task, result.task.units
    if point_groups and len(point_groups) != len(result.energies):
        raise ValueError(
            f"point_groups: {len(point_groups)} for {len(result.energies)} minima."
        )
    facts = [
        f"{task.n} atoms",
        f"{len(result.energies):,} different minima",
        f"{result.evaluations:,} evaluations of energy and gradient",
        f"seed {result.seed}",
    ]
    if task.reference is not None:
        facts.append(f"lowest known energy {_said(task.reference, 6, units)}")
    if result.status:
        facts.append(result.status)
    values = {
        "title": escape(f"Structures of {task.name}"),
        "style": _template("page.css"),
        "verdict": escape(_sentence(result.verdict)),
        "facts": escape("; ".join(facts) + "."),
        "viewer": _viewer(result, code is not None, again),
        "table": _table(result, point_groups),
        "way": way(result),
        "progress": _progress(result),
        "histogram": _histogram(result),
        "arms": _arms(result),
        "command": f"<pre><code>{escape(command)}</code></pre>" if command else "",
        "settings": _settings(result, code is not None),
        "footer": escape(_footer(code is not None)),
        "scripts": _scripts(result, code),
    }
    return Template(_template("page.html")).substitute(values)


def decimals(value: float, digits: int) -> str:
    """Return a number with so many decimals and a proper minus sign."""
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _said(energy: float, digits: int, units: Units) -> str:
    return f"{decimals(energy, digits)} {units.symbol}".rstrip()


def _table(result: SearchResult, groups: Sequence[str]) -> str:
    units = result.task.units
    count = min(len(result.energies), SHOWN)
    shown = len(_HEADS) if groups else len(_HEADS) - 1
    head = "".join(
        f'<th scope="col" title="{what}"><button type="button">'
        f"{units.label(name) if name in ('energy', 'gap') else name}</button></th>"
        for name, what in list(_HEADS.items())[:shown]
    ).replace("<th ", '<th aria-sort="ascending" ', 1)
    rows = []
    for k in range(count):
        energy, gap = float(result.energies[k]), result.energies[k] - result.energies[0]
        cells: list[tuple[Any, str]] = [
            (k + 1, f'<button type="button" aria-label="show {k + 1}">{k + 1}</button>'),
            (repr(energy), decimals(energy, 6)),
            (repr(float(gap)), decimals(gap, 6)),
            (int(result.hits[k]), f"{result.hits[k]:,}"),
            (int(result.first_evaluation[k]), f"{result.first_evaluation[k]:,}"),
        ]
        if groups:
            cells.append((escape(groups[k]), escape(groups[k])))
        texts = (f'<td data-value="{value}">{text}</td>' for value, text in cells)
        rows.append(f'<tr data-index="{k}">{"".join(texts)}</tr>')
    left = len(result.energies) - count
    note = "Found: how often. First: evaluations made by then."
    note += (
        f" Group: point group; atoms within {TOLERANCE:g} of the shortest distance."
        if groups
        else ""
    )
    note += f" {left:,} higher ones are in minima.csv." if left else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of minima">'
        f'<table id="table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="note">{note}</p>'
    )


def _viewer(result: SearchResult, interactive: bool, again: str | None) -> str:
    if not len(result.energies):
        return '<p class="note">Nothing was found.</p>'
    pictures = []
    for k in range(min(len(result.energies), PICTURES)):
        drawn = _picture(result, k)
        caption = f"{k + 1}: {decimals(float(result.energies[k]), 4)}"
        pictures.append(
            f'<figure data-index="{k}">{drawn}<figcaption>{caption}</figcaption></figure>'
        )
    gallery = f'<div class="gallery">{"".join(pictures)}</div>'
    if not interactive:
        how = "" if again is None else f": <code>{escape(again)}</code>"
        return (
            f'{gallery}<p class="note screen">To turn structures, install the viewer, '
            f"<code>pip install 'l2h[page]'</code>, and write this page again{how}.</p>"
        )
    # A picture, of whatever is chosen, stands in the viewer's place until it is ready.
    return (
        f'<div id="viewer">{_picture(result, 0)}<div id="scene" class="starting" '
        'role="application" aria-label="The structure; mouse or finger turn it"></div>'
        '</div><div id="viewer-meta" hidden></div><div id="viewer-info" hidden></div>'
        '<div class="controls screen">'
        '<button type="button" id="lower" aria-label="next lower structure">lower</button>'
        '<button type="button" id="higher" aria-label="next higher structure">higher'
        '</button><button type="button" id="play" aria-pressed="false">play</button>'
        '<button type="button" id="turn" aria-pressed="false" disabled>turn</button></div>'
        '<p class="note screen" id="viewer-note" role="status"></p>'
        f'<div class="printed">{gallery}</div>'
    )


def _picture(result: SearchResult, k: int) -> str:
    label = f"structure {k + 1}, energy {decimals(float(result.energies[k]), 6)}"
    return structure.svg(result.task, result.positions[k], label)


def _progress(result: SearchResult) -> str:
    points = np.asarray(result.progress, np.float64)
    points = points[np.all(np.isfinite(points), axis=1)] if len(points) else points
    if not len(points):
        return '<p class="note">Nothing was found.</p>'
    known = result.task.reference
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    low = min(low, known) if known is not None else low
    # A range of last digits would only show rounding.
    room = max(0.06 * (high - low), 1e-3 * abs(low)) or 1.0
    label = (
        f"Lowest energy against evaluations: from {high:.4f} after {points[0, 0]:,.0f} to "
        f"{points[-1, 1]:.4f} after {points[-1, 0]:,.0f}."
    )
    begin, end = max(1.0, 0.8 * float(points[0, 0])), 1.05 * float(points[-1, 0])
    x = Axis(begin, end, "evaluations of energy and gradient", log=True)
    y = Axis(low - room, high + room, result.task.units.label("energy"))
    note = "" if known is None else '<p class="note">Dashed: the lowest known energy.</p>'
    return charts.steps(points, x, y, known, label) + note


def _histogram(result: SearchResult) -> str:
    units = result.task.units
    gaps = np.asarray(result.energies - result.energies[:1], np.float64)
    if not len(gaps):
        return '<p class="note">Nothing was found.</p>'
    width = max(float(gaps.max()), 1e-3 * abs(float(result.energies[0])), 1e-9) / BINS
    edges = width * (np.arange(BINS + 2) - 0.5)
    heights, _ = np.histogram(gaps, edges, weights=result.hits)
    x = Axis(float(edges[0]), float(edges[-1]), units.label("energy above the lowest"))
    y = Axis(0.0, 1.05 * float(heights.max()), "times found")
    label = (
        f"How often energies were found: the lowest {result.hits[0]:,} times of "
        f"{int(np.sum(result.hits)):,}; the highest lies "
        f"{_said(float(gaps.max()), 4, units)} above it."
    )
    return charts.columns(edges, np.asarray(heights, np.float64), x, y, label)


def _arms(result: SearchResult) -> str:
    if not result.arms:
        return ""
    names = [str(arm.get("name", "")) for arm in result.arms]
    hits = [float(arm.get("hits", 0)) for arm in result.arms]
    label = "; ".join(f"{n}: {h:,.0f}" for n, h in zip(names, hits, strict=True))
    chart = charts.bars(names, hits, "times the lowest structure was found", label)
    heads = ("arm", "attempts", "evaluations", "best")
    rows = []
    for arm, name in zip(result.arms, names, strict=True):
        best = arm.get("best")
        cells = [
            f"{int(arm.get('attempts', 0)):,}",
            f"{int(arm.get('evaluations', 0)):,}",
            "–" if best is None or not np.isfinite(best) else decimals(float(best), 4),
        ]
        rows.append(
            f'<tr><th scope="row" class="text">{escape(name)}</th>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (
        f"<figure><figcaption>What each way to search found</figcaption>{chart}"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div></figure>"
    )


def _settings(result: SearchResult, interactive: bool) -> str:
    rows: dict[str, Any] = {"seed": result.seed}
    rows |= {f"number of {kind}": f"{n:,}" for kind, n in result.counts.items()}
    rows |= {
        _CALLED.get(str(name), str(name)): value
        for name, value in result.settings.items()
        if name not in _NOT_SHOWN
    }
    packages = ("l2h", "jax", "jaxlib", "equinox", *([VIEWER] if interactive else []))
    rows |= {f"version of {name}": _version(name) for name in packages}
    parts = (
        f"<dt>{escape(str(key))}</dt><dd>{escape(_shown(value))}</dd>"
        for key, value in rows.items()
    )
    return f"<dl>{''.join(parts)}</dl>"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_shown(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return number(value) if isinstance(value, float) else str(value)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return jax.__version__ if name == "jax" else "not installed as a package"


def _footer(interactive: bool) -> str:
    text = "Written by l2h. Energies are polished in double precision."
    if interactive:
        text += " Viewer: chemiscope (doi:10.21105/joss.02117), BSD-3-Clause."
    return text


def _scripts(result: SearchResult, code: tuple[str, str] | None) -> str:
    own = f"<script>\n{_template('page.js')}</script>"
    if code is None:
        return own
    script, licence = code
    # What would end the element early, or hide its end, only occurs within strings and
    # regular expressions, where a backslash changes nothing.
    for end in ("/script", "!--"):
        script = script.replace(f"<{end}", f"<\\{end}")
    notice = licence.replace("*/", "* /")
    data = json.dumps(minima(result), separators=(",", ":")).replace("<", "\\u003c")
    # The library is text, which runs when the page's own script says so.
    return (
        f'<script type="application/json" id="minima-data">{data}</script>\n{own}\n'
        f'<script type="text/plain" id="library">/*\n{VIEWER}\n{notice}\n*/\n{script}'
        "</script>"
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _template(name: str) -> str:
    return resources.files("l2h.report").joinpath("templates", name).read_text("utf-8")
