"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Set();
  const views = new Map();
  const options = (element) => ({ mode: "vega-lite", renderer: "svg", actions: false, loader: { http: { mode: "same-origin" } }, tooltip: { theme: "custom" }, config: report.themes[dark.matches ? "dark" : "light"] });

  // The latest drawing of a place wins, however the promises interleave.
  const drawings = new Map();
  async function draw(place) {
    const figure = place.dataset.figure;
    const select = document.querySelector(`select[data-figures~="${figure}"]`);
    const variants = report.figures[figure] ?? {};
    const spec = variants[place.dataset.variant ?? select?.value];
    const drawing = (drawings.get(place) ?? 0) + 1;
    drawings.set(place, drawing);
    views.get(place)?.finalize();
    views.delete(place);
    place.classList.toggle("empty", !spec);
    if (!spec) {
      place.textContent = "Not measured here.";
      return;
    }
    const result = await vegaEmbed(place, spec, options());
    if (drawings.get(place) !== drawing) {
      result.finalize();
      return;
    }
    views.set(place, result);
    await show(result.view);
  }

  async function show(view) {
    try {
      view.signal("hidden", [...hidden]);
    } catch {
      return; // a chart without arms
    }
    await view.runAsync();
  }

  const places = [...document.querySelectorAll("[data-figure]")];
  const drawAll = () => Promise.all(places.map(draw));

  for (const select of document.querySelectorAll("select[data-figures]")) {
    select.addEventListener("change", () => {
      const figures = select.dataset.figures.split(" ");
      places.filter((place) => figures.includes(place.dataset.figure)).forEach(draw);
    });
  }
  const chips = [...document.querySelectorAll("[data-arm]")];
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const arm = chip.dataset.arm;
      if (!hidden.delete(arm)) hidden.add(arm);
      for (const other of chips) other.setAttribute("aria-pressed", String(!hidden.has(other.dataset.arm)));
      for (const { view } of views.values()) show(view);
    });
  }
  dark.addEventListener("change", drawAll);

  // One sound at a time; a press on another clip switches to it.
  const audio = new Audio();
  let playing = null;
  function stop() {
    audio.pause();
    if (!playing) return;
    playing.setAttribute("aria-pressed", "false");
    playing.style.removeProperty("--heard");
    playing.firstChild.textContent = "▶";
    playing = null;
  }
  audio.addEventListener("ended", stop);
  audio.addEventListener("timeupdate", () => {
    if (playing && audio.duration) playing.style.setProperty("--heard", `${(100 * audio.currentTime) / audio.duration}%`);
  });
  async function play(button, url) {
    const again = playing === button;
    stop();
    if (again) return;
    playing = button;
    button.setAttribute("aria-pressed", "true");
    button.firstChild.textContent = "■";
    audio.src = url;
    try {
      await audio.play();
    } catch (error) {
      if (error.name === "AbortError") return; // another clip was chosen meanwhile
      button.classList.add("failed");
      button.title = `This browser cannot play ${url}`;
      stop();
    }
  }

  function element(name, properties = {}, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }

  // A long name may break after each of its underscores.
  function breakable(name) {
    return name.split("_").flatMap((part, index) => (index ? ["_", element("wbr"), part] : [part]));
  }

  function fill(select, entries) {
    select.replaceChildren(...entries.map(([value, text]) => element("option", { value, textContent: text })));
  }

  function listen() {
    const { speakers, points, rows } = report.listen;
    const speakerSelect = document.getElementById("listen-speaker");
    const pointSelect = document.getElementById("listen-point");
    fill(speakerSelect, speakers.map((speaker, index) => [index, speaker.name]));
    fill(pointSelect, points.map((point, index) => [index, point]));
    const table = document.getElementById("listen-table");
    function button(row, sentence, url) {
      const node = element("button", { type: "button", className: "play" }, element("span", { textContent: "▶" }), "play");
      node.setAttribute("aria-pressed", "false");
      node.setAttribute("aria-label", `Play ${row.name}: ${sentence}`);
      node.addEventListener("click", () => play(node, url));
      return node;
    }
    function render() {
      stop();
      const speaker = speakers[speakerSelect.value];
      const head = element("tr", {}, element("th", { scope: "col", textContent: "Arm" }));
      for (const sentence of speaker.sentences) head.append(element("th", { scope: "col", textContent: sentence, dir: "auto" }));
      const body = rows.map((row) => {
        const symbol = chips.find((chip) => chip.dataset.arm === row.name)?.firstElementChild.cloneNode(true);
        const line = element("tr", {}, element("th", { scope: "row" }, ...(symbol ? [symbol] : []), ...breakable(row.name)));
        const clips = row.clips[speakerSelect.value][pointSelect.value];
        clips.forEach((url, index) => line.append(element("td", {}, url ? button(row, speaker.sentences[index], url) : "–")));
        return line;
      });
      table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
    }
    speakerSelect.addEventListener("change", render);
    pointSelect.addEventListener("change", render);
    render();
  }

  if (report.listen) listen();
  drawAll().then(() => { document.documentElement.dataset.ready = "charts"; });
})();
