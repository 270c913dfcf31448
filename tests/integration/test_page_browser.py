"""The page in a real browser: it renders, sorts, turns, plays, and fetches nothing."""

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

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.tab = browser.new_page(**options)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda m: self.faults.append(m.text))
        self.tab.on("pageerror", lambda e: self.faults.append(str(e)))
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.goto(path.as_uri())

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
    arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
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
