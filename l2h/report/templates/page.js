"use strict";
(() => {
  const table = document.querySelector("#table");
  const shown = document.querySelector("#shown");
  let viewer = null;
  let current = 0;

  function mark(index) {
    for (const row of table.tBodies[0].rows) {
      if (Number(row.dataset.index) === index) {
        row.setAttribute("aria-current", "true");
      } else {
        row.removeAttribute("aria-current");
      }
    }
    shown.textContent = String(index + 1);
    current = index;
  }

  function show(index) {
    mark(index);
    if (viewer !== null) {
      viewer.select({ structure: index, environment: index });
      return;
    }
    const picture = document.querySelector(`.gallery [data-index="${index}"]`);
    if (picture !== null) {
      picture.scrollIntoView({ block: "nearest" });
    }
  }

  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (head === null) {
      return;
    }
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  });

  table.tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row !== null) {
      show(Number(row.dataset.index));
    }
  });

  const count = table.tBodies[0].rows.length;
  const data = document.querySelector("#dataset");

  function step(by) {
    current = (current + by + count) % count;
    show(current);
  }

  function pressed(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    return on;
  }

  function controls() {
    let timer = null;
    document.querySelector("#lower").addEventListener("click", () => step(-1));
    document.querySelector("#higher").addEventListener("click", () => step(1));
    document.querySelector("#play").addEventListener("click", (event) => {
      if (pressed(event.target)) {
        timer = setInterval(() => step(1), 900);
      } else {
        clearInterval(timer);
      }
    });
    document.querySelector("#turn").addEventListener("click", (event) => {
      viewer.structure.applySettings([{ rotation: pressed(event.target) }]);
    });
  }

  if (data !== null && count > 0) {
    const box = document.querySelector("#viewer");
    const parts = { meta: "viewer-meta", structure: "viewer", info: "viewer-info" };
    // The rest of the page is shown, and works, before the viewer starts.
    requestAnimationFrame(() => setTimeout(() => {
      const warnings = new Chemiscope.Warnings();
      warnings.addHandler((message) => console.warn(message));
      Chemiscope.StructureVisualizer.load(parts, JSON.parse(data.textContent), warnings).then(
        (loaded) => {
          viewer = loaded;
          controls();
          box.dataset.ready = "true";
        },
        (error) => {
          box.textContent = `The viewer did not start: ${error.message}`;
        },
      );
    }));
  }
  if (count > 0) {
    mark(0);
  }
})();
