"""The page in a real browser: it renders, sorts, turns, plays, and fetches nothing."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from searches import quenched

from l2h.engine import Trajectory
from l2h.report.page import viewer_code, write_page

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium; Debian: apt install chromium", allow_module_level=True)
RESULT = quenched("lj13", starts=64)
# Chromium without a graphics card reports that it is slow; that is no fault of the page.
HARMLESS = "GPU stall"


class Page:
    """A page that was opened, and all that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, before: str = "", **options: Any) -> None:
        self.tab = browser.new_page(**options)
        self.tab.add_init_script(before)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda m: self.faults.append(m.text))
        self.tab.on("pageerror", lambda e: self.faults.append(str(e)))
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.goto(path.as_uri())

    def picture(self, where: str) -> list[list[Any]]:
        """Return frame, then centres, radii and colours of a picture's balls."""
        return self.tab.evaluate(
            """where => {
              const svg = document.querySelector(where);
              const number = (of, name) => Number(of.getAttribute(name));
              const box = svg.getAttribute("viewBox").split(" ").map(Number);
              return [box, ...[...svg.querySelectorAll("circle")].map((ball) => [
                ...["cx", "cy", "r"].map((name) => number(ball, name)),
                getComputedStyle(ball).fill,
              ])];
            }""",
            where,
        )

    def close(self) -> None:
        """Hold what was seen to what is allowed."""
        assert [fault for fault in self.faults if HARMLESS not in fault] == []
        local = ("file:", "blob:", "data:")
        assert [url for url in self.requests if not url.startswith(local)] == []
        self.tab.close()

    def column(self, index: int) -> list[str]:
        cells = self.tab.locator(f"#table tbody tr td:nth-child({index})")
        return cells.all_inner_texts()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # The processor draws, wherever this is run.
    drawing = ["--disable-gpu", "--enable-unsafe-swiftshader"]
    arguments = ["--no-sandbox", *drawing]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_sort_and_fit_a_phone(browser: Any, tmp_path: Path, scheme: str) -> None:
    path = write_page(tmp_path / "page.html", RESULT, viewer=False)
    phone = {"width": 360, "height": 740}
    page = Page(browser, path, viewport=phone, color_scheme=scheme)
    wide = page.tab.evaluate("document.documentElement.scrollWidth")
    assert wide <= phone["width"]
    hits = page.column(4)
    page.tab.click("#table th:nth-child(4) button")
    assert page.column(4) == sorted(hits, key=int)
    # By the keyboard as well.
    page.tab.keyboard.press("Enter")
    assert page.column(4) == sorted(hits, key=int, reverse=True)
    page.tab.click("#table tr[data-index='2'] button")
    assert page.tab.inner_text("#shown") == "3"
    assert page.tab.locator("tr[aria-current]").count() == 1
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.tab.evaluate(back) != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    page.close()


# Texts of a chart that overlap, boxes that show a part of what is in them, and the least
# width of a setting.
LAYOUT = """() => {
  const apart = (a, b) => a.right <= b.left || b.right <= a.left
    || a.bottom <= b.top || b.bottom <= a.top;
  const overlaps = [];
  for (const chart of document.querySelectorAll("svg.chart")) {
    const texts = [...chart.querySelectorAll("text")];
    texts.forEach((one, k) => texts.slice(k + 1).forEach((other) => {
      if (!apart(one.getBoundingClientRect(), other.getBoundingClientRect()))
        overlaps.push([one.textContent, other.textContent]);
    }));
  }
  const cut = [...document.querySelectorAll(".scroll")]
    .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.textContent);
  const settings = [...document.querySelectorAll("dd")].map((dd) => dd.clientWidth);
  return [overlaps, cut, Math.min(...settings)];
}"""


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_texts_have_room(browser: Any, tmp_path: Path, width: int) -> None:
    lowest = RESULT.energies[0]
    found = replace(
        RESULT,
        progress=np.array([[230.0, lowest + 0.47], [2_600.0, lowest], [33_000.0, lowest]]),
        arms=[
            {"name": n, "hits": k, "attempts": 248, "evaluations": 123_456, "best": lowest}
            for k, n in enumerate(("learned-symmetric", "Adam, tuned, 1000 steps"))
        ],
        settings={"round": [16, 32, 4], "parameters": "9115e614f06f3fb8"},
    )
    path = write_page(tmp_path / "page.html", found, viewer=False)
    page = Page(browser, path, viewport={"width": width, "height": 740})
    overlaps, cut, narrowest = page.tab.evaluate(LAYOUT)
    assert overlaps == [] and cut == [] and narrowest > 200
    page.close()


def test_the_way_there_plays(browser: Any, tmp_path: Path) -> None:
    count = 5
    way = Trajectory(
        "grown",
        0,
        ["descent"] * count,
        np.arange(count),
        np.linspace(-40.0, RESULT.energies[0], count),
        np.linspace(0.8, 1.0, count)[:, None, None] * RESULT.positions[0],
    )
    found = replace(RESULT, trajectory=way)
    page = Page(browser, write_page(tmp_path / "page.html", found, viewer=False))
    where = "document.querySelector('#way circle').getAttribute('cx')"
    end = page.tab.evaluate(where)
    page.tab.locator("#way-step").fill("0")
    assert page.tab.evaluate(where) != end
    assert "evaluation 0" in page.tab.inner_text("#way-caption")
    page.tab.click("#way-play")
    page.tab.wait_for_function(
        f"document.querySelector('#way-caption').textContent.includes('{count - 1},')"
    )
    assert page.tab.evaluate(where) == end
    assert page.tab.inner_text("#way-play") == "play"
    page.close()


# WebGL as it is missing on many machines that are reached from afar.
BLIND = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.includes("webgl") ? null : context.call(this, kind, ...rest);
};
"""


@pytest.mark.parametrize("name", ["lj13", "si8"])
def test_without_webgl_every_minimum_is_a_picture(
    browser: Any, tmp_path: Path, name: str
) -> None:
    if viewer_code() is None:
        pytest.skip("chemiscope is not installed")
    found = RESULT if name == "lj13" else quenched(name, starts=8)
    page = Page(browser, write_page(tmp_path / "page.html", found), BLIND)
    page.tab.wait_for_function("document.querySelector('#viewer-note').textContent")
    assert "there is no WebGL" in page.tab.inner_text("#viewer-note")
    for k in (2, 0, 1):
        page.tab.click(f"#table tr[data-index='{k}'] button")
        shown = page.picture("#viewer svg")
        # As it was drawn for print, before any script ran.
        drawn = page.picture(f".printed [data-index='{k}'] svg")
        assert len(shown) == 2 * found.task.n + 1
        np.testing.assert_allclose(shown[0], drawn[0], atol=3e-3)
        for (*ball, colour), (*circle, fill) in zip(shown[1:], drawn[1:], strict=True):
            np.testing.assert_allclose(ball, circle, atol=2e-3)
            rgb = [
                [int(v) for v in re.findall(r"\d+", text)[:3]] for text in (colour, fill)
            ]
            np.testing.assert_allclose(*rgb, atol=2)
        words = page.tab.get_attribute("#viewer svg", "aria-label")
        assert words == page.tab.get_attribute(
            f".printed [data-index='{k}'] svg", "aria-label"
        )
    page.tab.click("#higher")
    assert page.tab.inner_text("#shown") == "3"
    assert page.tab.is_disabled("#turn")
    page.close()


# What can be done before the library has run; listeners of the page's own come later.
EARLY = """
document.addEventListener("DOMContentLoaded", () => {
  const shown = () => document.querySelector("#viewer svg").getAttribute("aria-label");
  window.early = { library: typeof Chemiscope, first: shown() };
  document.querySelector("#table th:nth-child(2) button").click();
  document.querySelector("#table th:nth-child(2) button").click();
  window.early.top = document.querySelector("#table tbody tr").dataset.index;
  document.querySelector("#table tr[data-index='2'] button").click();
  window.early.chosen = shown();
});
"""


@pytest.mark.slow
def test_viewer_takes_the_place_of_a_picture(browser: Any, tmp_path: Path) -> None:
    if viewer_code() is None:
        pytest.skip("chemiscope is not installed")
    page = Page(browser, write_page(tmp_path / "page.html", RESULT), EARLY)
    early = page.tab.evaluate("early")
    assert early["library"] == "undefined"
    assert early["first"].startswith("structure 1, energy \N{MINUS SIGN}44.326801")
    assert early["top"] == str(len(RESULT.energies) - 1)
    assert early["chosen"].startswith("structure 3, ")
    page.tab.wait_for_selector("#viewer[data-ready]", timeout=60_000)
    assert page.tab.locator("#viewer .balls").count() == 0
    assert page.tab.inner_text("#shown") == "3"
    assert page.tab.inner_text("#viewer-note") == ""
    # The canvas fills the place; a processor that draws is spared four pixels for one.
    box, canvas = page.tab.locator("#viewer"), page.tab.locator("#viewer canvas").first
    assert canvas.bounding_box()["width"] > 0.9 * box.bounding_box()["width"]
    assert canvas.evaluate("c => c.width <= c.clientWidth")
    third = canvas.screenshot()
    page.tab.click("#table tr[data-index='0'] button")
    page.tab.wait_for_timeout(1000)
    assert canvas.screenshot() != third
    page.close()


@pytest.mark.slow
def test_viewer_turns_and_plays(browser: Any, tmp_path: Path) -> None:
    if viewer_code() is None:
        pytest.skip("chemiscope is not installed")
    page = Page(browser, write_page(tmp_path / "page.html", RESULT))
    page.tab.wait_for_selector("#viewer[data-ready]", timeout=60_000)
    canvas = page.tab.locator("#viewer")
    page.tab.wait_for_timeout(1000)
    first = canvas.screenshot()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x + 90, y + 40, steps=4)
    page.tab.mouse.up()
    page.tab.wait_for_timeout(1000)
    turned = canvas.screenshot()
    assert turned != first
    page.tab.click("#higher")
    assert page.tab.inner_text("#shown") == "2"
    page.tab.wait_for_timeout(1000)
    assert canvas.screenshot() != turned
    page.tab.click("#play")
    page.tab.wait_for_function("Number(document.querySelector('#shown').textContent) > 3")
    page.tab.click("#play")
    page.tab.wait_for_timeout(1000)
    before = canvas.screenshot()
    page.tab.click("#turn")
    page.tab.wait_for_timeout(1000)
    assert canvas.screenshot() != before
    page.close()
