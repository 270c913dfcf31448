"""How soon the page of a search can be used, in Chromium.

python -m benchmarks.page [report.html ...]

Without a file, of a page of 150 minima of 75 Lennard-Jones atoms. Several are loaded in
turn. Needs the extras `page` and `browser`, and Chromium on the path. The processor draws,
whatever graphics card there is. Times are counted from when the page is asked for:

- picture: the first paint, of which the lowest structure is part;
- sorts: a click on a head of the table has sorted it; tried every 20 ms;
- load: the browser's own event;
- viewer: the structure that turns is there, two frames included;
- blocked: the longest time in which nothing else could happen;
- processor: seconds of all of the browser's processes, half a second after that included.
"""

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from l2h import tasks
from l2h.cli.launch import command
from l2h.engine import SearchResult, Trajectory
from l2h.evaluation import distinct
from l2h.optimizers import quench
from l2h.report.page import write_page

COUNT, ATOMS, STEPS = 150, 75, 100
COLUMNS = ("picture", "sorts", "load", "viewer", "blocked", "processor")
# What the page is watched by; it runs before anything of the page does.
WATCH = """
const seen = (window.seen = { blocked: 0 });
new PerformanceObserver((list) => {
  const [first] = list.getEntriesByName("first-contentful-paint");
  seen.picture = first?.startTime ?? seen.picture;
}).observe({ type: "paint", buffered: true });
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    seen.blocked = Math.max(seen.blocked, duration);
  }
}).observe({ type: "longtask", buffered: true });
window.addEventListener("load", () => { seen.load = performance.now(); });
const clicks = setInterval(() => {
  const head = document.querySelector("#table th:nth-child(2)");
  head?.querySelector("button").click();
  if (head?.hasAttribute("aria-sort")) {
    seen.sorts = performance.now();
    clearInterval(clicks);
  }
}, 20);
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("#viewer");
  new MutationObserver(() => {
    if (box.dataset.ready) {
      requestAnimationFrame(() => requestAnimationFrame(() => {
        seen.viewer ??= performance.now();
      }));
    }
  }).observe(box, { attributes: true });
});
"""


def minima(count: int, seed: int = 0) -> SearchResult:
    """Return so many minima of Lennard-Jones clusters, and a way to the lowest."""
    task = tasks.get(f"lj{ATOMS}")

    def one(key: jax.Array) -> Any:
        return quench(task.potential, task.init(key, task.potential, ATOMS, jnp.float64))

    keys = jax.random.split(jax.random.key(seed), count + count // 3)
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(jax.vmap(one))(keys)
    energies, positions = np.asarray(found.energy), np.asarray(found.positions)
    rows = distinct(task, energies, positions)[:count]
    x, steps = positions[rows[0]], np.arange(STEPS)
    way = Trajectory(
        arm="random starts",
        minimum=0,
        stages=["descent"] * STEPS,
        steps=steps,
        energies=np.linspace(0.5 * energies[rows[0]], energies[rows[0]], STEPS),
        positions=np.linspace(1.2, 1.0, STEPS)[:, None, None] * x,
    )
    ones = np.ones(len(rows), int)
    spent = int(np.sum(np.asarray(found.evaluations)))
    return SearchResult(
        task, energies[rows], positions[rows], ones, ones, spent, trajectory=way
    )


def load(driver: Any, path: Path) -> dict[str, float]:
    """Return milliseconds of one load by a fresh browser, and its processor seconds."""
    browser = driver.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"],
    )
    session = browser.new_browser_cdp_session()

    def spent() -> float:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        return sum(process["cpuTime"] for process in processes)

    tab = browser.new_page()
    tab.add_init_script(WATCH)
    before = spent()
    tab.goto(path.resolve().as_uri(), wait_until="commit")
    tab.wait_for_function("seen.viewer", timeout=120_000, polling=200)
    tab.wait_for_timeout(500)
    seen = tab.evaluate("seen")
    seen["processor"] = spent() - before
    browser.close()
    return seen


def main(
    pages: Annotated[tuple[Path, ...], tyro.conf.Positional] = (), loads: int = 5
) -> None:
    """Print medians of some loads of each page."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        if not pages:
            pages = (write_page(Path(folder) / "report.html", minima(COUNT), viewer=True),)
        rows: dict[Path, list[dict[str, float]]] = {page: [] for page in pages}
        with sync_playwright() as driver:
            for _ in range(loads):
                for page in pages:
                    rows[page].append(load(driver, page))
        print("".join(f"{name:>10}" for name in ("MB", *COLUMNS)))
        for page, seen in rows.items():
            size = page.stat().st_size / 1e6
            middle = [statistics.median(row[name] for row in seen) for name in COLUMNS]
            times = "".join(f"{ms:8.0f}ms" for ms in middle[:-1])
            print(f"{size:10.2f}{times}{middle[-1]:9.2f}s  {page.name}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    command(main, kept="nothing is kept", loads=False)
