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

  function journey(text) {
    const way = JSON.parse(text);
    const picture = document.querySelector("#way svg");
    const balls = [...picture.querySelectorAll("circle:not(.gleam)")];
    const gleams = [...picture.querySelectorAll(".gleam")];
    const slider = document.querySelector("#way-step");
    const play = document.querySelector("#way-play");
    const caption = document.querySelector("#way-caption");
    const dot = document.querySelector("#way-chart");
    const last = way.frames.length - 1;
    let timer = null;

    function colour(atom, near) {
      const mixed = way.colours[atom].map(
        (c, k) => Math.round(c + 0.45 * (1 - near) * (way.far[k] - c)),
      );
      return `rgb(${mixed.join(",")})`;
    }

    function put(circle, x, y, r) {
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
      circle.setAttribute("r", r);
    }

    function draw(number) {
      const [atoms, x, y, near] = way.frames[number];
      atoms.forEach((atom, k) => {
        const r = way.radii[atom];
        put(balls[k], x[k], y[k], r);
        balls[k].setAttribute("fill", colour(atom, near[k]));
        put(gleams[k], x[k] - 0.3 * r, y[k] - 0.33 * r, 0.28 * r);
      });
      put(dot, ...way.dots[number], 5);
      caption.textContent = way.captions[number];
      slider.value = String(number);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.setAttribute("aria-pressed", "false");
      play.textContent = "play";
    }

    play.addEventListener("click", () => {
      if (timer !== null) {
        stop();
        return;
      }
      if (Number(slider.value) === last) {
        draw(0);
      }
      play.setAttribute("aria-pressed", "true");
      play.textContent = "stop";
      // Ten seconds at the most, and slow enough to be seen where there are few.
      timer = setInterval(() => {
        const next = Number(slider.value) + 1;
        draw(next);
        if (next === last) {
          stop();
        }
      }, Math.min(400, 10000 / last));
    });
    slider.addEventListener("input", () => {
      stop();
      draw(Number(slider.value));
    });
    picture.setAttribute("viewBox", way.box.join(" "));
    draw(last);
  }

  const text = document.querySelector("#way-data");
  if (text !== null) {
    journey(text.textContent);
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
