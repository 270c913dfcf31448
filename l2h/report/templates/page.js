"use strict";
(() => {
  const table = document.querySelector("#table");
  const shown = document.querySelector("#shown");
  const count = table.tBodies[0].rows.length;
  const box = document.querySelector("#viewer");
  let viewer = null;
  let still = null;
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
    if (still !== null) {
      still(index);
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
  }

  // Returns what draws a structure into a picture of as many atoms: their numbers from
  // back to front, both coordinates of their centres, and nearness from 0 to 1.
  function painter(picture, look) {
    const balls = [...picture.querySelectorAll("circle:not(.gleam)")];
    const gleams = [...picture.querySelectorAll(".gleam")];

    function colour(atom, near) {
      const mixed = look.colours[atom].map(
        (c, k) => Math.round(c + 0.45 * (1 - near) * (look.far[k] - c)),
      );
      return `rgb(${mixed.join(",")})`;
    }

    return (atoms, x, y, near) => {
      atoms.forEach((atom, k) => {
        const r = look.radii[atom];
        put(balls[k], x[k], y[k], r);
        balls[k].setAttribute("fill", colour(atom, near[k]));
        put(gleams[k], x[k] - 0.3 * r, y[k] - 0.33 * r, 0.28 * r);
      });
    };
  }

  function put(circle, x, y, r) {
    circle.setAttribute("cx", x);
    circle.setAttribute("cy", y);
    circle.setAttribute("r", r);
  }

  function journey(text) {
    const way = JSON.parse(text);
    const picture = document.querySelector("#way svg");
    const paint = painter(picture, way);
    const slider = document.querySelector("#way-step");
    const play = document.querySelector("#way-play");
    const caption = document.querySelector("#way-caption");
    const dot = document.querySelector("#way-chart");
    const last = way.frames.length - 1;
    let timer = null;

    function draw(number) {
      paint(...way.frames[number]);
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

  // Returns what draws any minimum into the picture that stands in the viewer's place.
  function stand(picture, minima) {
    const paint = painter(picture, minima);
    const lines = [...picture.querySelectorAll("line")].flatMap((line) =>
      [1, 2].map((end) => ["x", "y"].map((axis) => Number(line.getAttribute(axis + end)))),
    );
    return (index) => {
      const { x, y, z } = minima.dataset.structures[index];
      const atoms = [...z.keys()].sort((a, b) => z[a] - z[b]);
      const [across, down] = [x, y].map((values, axis) =>
        atoms.map((k) => ((axis ? -1 : 1) * (values[k] + minima.middle[axis])) / minima.scale),
      );
      const low = z[atoms[0]];
      const span = Math.max(z[atoms[atoms.length - 1]] - low, 1e-9);
      paint(atoms, across, down, atoms.map((k) => (z[k] - low) / span));
      const ends = [across, down].map((values, axis) => {
        const line = lines.map((end) => end[axis]);
        const reach = (sign) => values.map((v, k) => v + sign * minima.radii[atoms[k]]);
        const least = Math.min(...reach(-1), ...line) - 0.06;
        return [least, Math.max(...reach(1), ...line) + 0.06 - least];
      });
      picture.setAttribute("viewBox", [0, 1].flatMap((k) => [ends[0][k], ends[1][k]]).join(" "));
      const row = table.querySelector(`tr[data-index="${index}"]`);
      picture.setAttribute(
        "aria-label", `structure ${index + 1}, energy ${row.cells[1].textContent}`,
      );
    };
  }

  // Returns what draws WebGL, as the browser calls it.
  function renderer() {
    const context = document.createElement("canvas").getContext("webgl2");
    if (context === null) {
      throw new Error("there is no WebGL");
    }
    const names = context.getExtension("WEBGL_debug_renderer_info");
    return context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  }

  // Returns once the library has run. Until then it is text.
  function library() {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      const code = document.querySelector("#library").textContent;
      script.src = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      script.addEventListener("load", done);
      script.addEventListener("error", () => failed(new Error("its code was refused")));
      document.head.append(script);
    });
  }

  function frame() {
    return new Promise((done) => requestAnimationFrame(done));
  }

  // The viewer draws its picture a dozen times while it starts. Without a graphics card
  // every pixel takes a processor's time, so it starts small, and draws one pixel for one
  // of the screen instead of four.
  async function start(dataset) {
    if (/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer())) {
      // Which the viewer doubles.
      Object.defineProperty(window, "devicePixelRatio", { get: () => 0.5 });
    }
    await library();
    await frame();
    const scene = document.querySelector("#scene");
    const parts = { meta: "viewer-meta", structure: scene, info: "viewer-info" };
    const warnings = new Chemiscope.Warnings();
    warnings.addHandler((message) => console.warn(message));
    const loaded = await Chemiscope.StructureVisualizer.load(parts, dataset, warnings);
    await frame();
    if (current !== 0) {
      loaded.select({ structure: current, environment: current });
    }
    viewer = loaded;
    scene.classList.remove("starting");
    // In this frame it is drawn, in the next it is there.
    await frame();
    box.querySelector(".balls").remove();
    const turn = document.querySelector("#turn");
    turn.addEventListener("click", () => {
      viewer.structure.applySettings([{ rotation: pressed(turn) }]);
    });
    turn.disabled = false;
    box.dataset.ready = "true";
  }

  if (box !== null) {
    const minima = JSON.parse(document.querySelector("#minima-data").textContent);
    still = stand(box.querySelector(".balls"), minima);
    controls();
    // The rest of the page is shown, and works, before the viewer starts.
    document.addEventListener("DOMContentLoaded", async () => {
      await frame();
      setTimeout(() => start(minima.dataset).catch((error) => {
        document.querySelector("#viewer-note").textContent =
          `Structures are shown as pictures: the viewer did not start (${error.message}).`;
      }));
    });
  }
  if (count > 0) {
    mark(0);
  }
})();
