"""The page of a search is valid, self-contained, escaped, and the same every time."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from searches import quenched

from l2h import tasks
from l2h.engine import SearchResult, Trajectory
from l2h.report import charts, structure
from l2h.report.page import VIEWER, page, viewer_code, write_page
from l2h.report.structure import balls, svg

RESULT = quenched("lj13", starts=64)
# Real structures, though no way leads from one to the next.
WAY = Trajectory(
    "grown",
    0,
    ["start", "descent", "minimum"],
    np.array([0, 7, 9]),
    RESULT.energies[2::-1],
    RESULT.positions[2::-1],
)
VOID = {"meta", "link", "br", "img", "input"}


class Elements(HTMLParser):
    """Collects elements, and complains of those that are not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self.open[-1:] == ["script"] else data


def test_elements_are_closed_identifiers_are_unique_and_pictures_have_words() -> None:
    elements = Elements(page(RESULT, "l2h search lj13", viewer=False))
    names = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    assert len(names) == len(set(names))
    pictures = [a for tag, a in elements.seen if tag == "svg"]
    assert len(pictures) > 4
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    assert "known global minimum, found" in elements.text
    assert "l2h search lj13" in elements.text
    assert "pip install 'l2h[page]'" in elements.text


@pytest.mark.parametrize("viewer", [False, None])
def test_nothing_is_fetched_and_the_same_search_gives_the_same_bytes(
    viewer: bool | None, tmp_path: Path
) -> None:
    first = write_page(tmp_path / "a.html", RESULT, viewer=viewer).read_bytes()
    assert first == write_page(tmp_path / "b.html", RESULT, viewer=viewer).read_bytes()
    own = page(RESULT, viewer=False)
    attributes = [pair for _, found in Elements(own).seen for pair in found.items()]
    links = [value for name, value in attributes if name in ("href", "src", "srcset")]
    assert all(link.startswith("#") for link in links)
    assert "url(" not in own and "@import" not in own
    assert "default-src 'none'" in own


def test_names_are_text_and_never_markup() -> None:
    evil = "</script><script>alert(1)</script>"
    named = replace(
        RESULT,
        task=replace(RESULT.task, name=evil),
        status=evil,
        settings={evil: evil},
        arms=[{**RESULT.arms[0], "name": evil}],
        counts={evil: 1},
    )
    groups = [evil] * len(RESULT.energies)
    plain = page(RESULT, "x", ["C1"] * len(RESULT.energies))
    shown = page(named, evil, groups)
    assert evil not in shown
    own = Elements(shown[: shown.index("<script>")] + "</body></html>")
    assert own.text.count(evil) > 5
    assert shown.count("<script") == plain.count("<script")


def test_the_way_there_has_every_structure_and_no_markup() -> None:
    evil = "</script><b>"
    way = replace(WAY, arm=evil, stages=[evil, "descent", "minimum"])
    text = page(replace(RESULT, trajectory=way), viewer=False)
    assert evil not in text
    assert 'id="way-data"' not in page(RESULT, viewer=False)
    found = re.search(r'id="way-data">(.*?)</script>', text)
    assert found is not None
    data = json.loads(found[1])
    assert [len(frame[0]) for frame in data["frames"]] == [13] * 3
    assert data["captions"][0].startswith(evil) and len(data["dots"]) == 3
    # The last one stands there without a script, and as the script would draw it.
    last = structure.svg(RESULT.task, WAY.positions[-1], "")
    order, x, y, _ = data["frames"][-1]
    assert sorted(order) == list(range(13))
    for a, b in zip(x, y, strict=True):
        assert f'cx="{a:.3f}" cy="{b:.3f}"' in last
    elements = Elements(text)
    names = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    assert len(names) == len(set(names))


def test_a_range_of_last_digits_is_not_spread_over_an_axis() -> None:
    flat = np.array([[100.0, -72.6597819], [3000.0, -72.6597823]])
    text = page(replace(RESULT, progress=flat), viewer=False)
    ticks = re.findall(r'text-anchor="end"[^>]*>([^<]*)<', text)
    assert len(ticks) == len(set(ticks)) > 2


def test_table_holds_every_number() -> None:
    groups = [f"C{k}" for k in range(len(RESULT.energies))]
    text = page(RESULT, point_groups=groups, viewer=False)
    for k, energy in enumerate(RESULT.energies):
        assert f'data-value="{float(energy)!r}"' in text
        assert f">{groups[k]}</td>" in text
    with pytest.raises(ValueError, match="point_groups"):
        page(RESULT, point_groups=groups[1:])


def test_results_without_minima_or_reference_have_a_page() -> None:
    names = ("energies", "positions", "hits", "first_evaluation")
    none = replace(
        RESULT,
        progress=np.zeros((0, 2)),
        **{name: getattr(RESULT, name)[:0] for name in names},
    )
    for viewer in (False, None):
        text = page(none, viewer=viewer)
        assert "No structure was found" in Elements(text).text
        assert VIEWER not in text
    task = replace(RESULT.task, reference=None)
    text = Elements(page(replace(RESULT, task=task), viewer=False)).text
    assert "no global minimum is known" in text.lower()


def many(n: int, count: int) -> SearchResult:
    """Return a result of this size; its structures are no minima."""
    task = tasks.get(f"lj{n}")
    x = np.random.default_rng(0).normal(size=(count, n, 3))
    rows = np.arange(count)
    return SearchResult(task, np.sort(x[:, 0, 0]), x, rows, rows, evaluations=count)


def test_150_minima_of_75_atoms_stay_below_five_megabytes() -> None:
    text = page(many(75, 160))
    assert "10 higher ones are in minima.csv" in text
    room = 5e6 if viewer_code() else 1.5e6
    assert len(text.encode()) < room


def test_viewer_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l2h.report.page.viewer_code", lambda: None)
    for again in ("l2h report DIR", "l2h train --resume DIR"):
        text = Elements(page(RESULT, again=again)).text
        assert f"write this page again: {again}." in text
    assert "write this page again." in Elements(page(RESULT)).text
    with pytest.raises(ValueError, match="chemiscope is not installed"):
        page(RESULT, viewer=True)
    assert "chemiscope" not in page(RESULT)


def test_viewer_comes_from_its_package() -> None:
    code = viewer_code()
    if code is None:
        pytest.skip("chemiscope is not installed")
    script, licence = code
    assert "StructureVisualizer" in script and "Redistribution" in licence
    text = page(RESULT)
    assert len(re.findall("</script", text)) == 3
    assert "Redistribution" in text
    # Unmodified but for backslashes that change nothing, and as text: the page's own script
    # lets it run.
    assert script.replace("</script", "<\\/script").replace("<!--", "<\\!--") in text
    assert re.findall("<script[^>]*>", text[: text.index(script[:200])])[-1] == (
        '<script type="text/plain" id="library">'
    )


def test_minima_lie_about_the_middle_of_viewer_and_picture() -> None:
    if viewer_code() is None:
        pytest.skip("chemiscope is not installed")
    crystal = tasks.get("si8")
    x = np.random.default_rng(0).uniform(0, 30.0, (2, crystal.n, 3))
    ones = np.ones(2, int)
    found = SearchResult(crystal, np.arange(2.0), x, ones, ones, evaluations=1)
    for result in (RESULT, found):
        text = re.search(r'id="minima-data">(.*?)</script>', page(result))
        assert text is not None
        data = json.loads(text[1])
        frames, settings = data["dataset"]["structures"], data["dataset"]["settings"]
        assert list(settings["structure"][0]["camera"]["center"].values()) == data["middle"]
        seen, edges = structure.seen(result.task, result.positions[1:2])
        shown = np.stack([frames[1][axis] for axis in "xyz"], axis=1) + data["middle"]
        np.testing.assert_allclose(shown, data["scale"] * seen[0], atol=2e-4)
        if len(edges):
            cell = np.reshape(frames[0]["cell"], (3, 3))
            np.testing.assert_allclose(
                cell.sum(0) / 2, -np.array(data["middle"]), atol=1e-3
            )
            inside = np.linalg.solve(cell.T, (shown - data["middle"]).T)
            assert np.all((inside > -1e-3) & (inside < 1 + 1e-3))


def test_pictures_turn_with_the_structure_and_show_all_atoms() -> None:
    task, x = RESULT.task, RESULT.positions[1]  # without degenerate axes
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn[:, 0] *= np.linalg.det(turn)
    before, after = balls(task, x), balls(task, x @ turn + 3.0)
    # Widest side first, whatever the orientation; signs of axes are free.
    np.testing.assert_allclose(before.frame[2:], after.frame[2:], rtol=0.25)
    drawn = svg(task, x, "13 <atoms>")
    assert drawn.count("<circle") == 2 * 13 and "13 &lt;atoms&gt;" in drawn
    crystal = tasks.get("si8")
    cell = balls(crystal, np.zeros((8, 3)))
    assert cell.edges.shape == (12, 2, 2)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 9.0), (3.0, 47.0), (130.0, 2e6), (5.0, 6.0)]
)
def test_axes_have_a_few_round_ticks_within(log: bool, low: float, high: float) -> None:
    axis = charts.Axis(low, high, "", log)
    ticks = axis.ticks()
    assert all(low <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert len(ticks) <= 9 and (len(ticks) >= 2 or (log and high / low < 2))
    places = [axis.place(tick) for tick in ticks]
    assert all(0 <= p <= 1 + 1e-9 for p in places) and places == sorted(places)
