// The charts, drawn from the top of the page down, whenever the browser has nothing else to do.
const views = new Map();
const options = () => ({ mode: "vega-lite", renderer: "svg", actions: false, loader: { http: { mode: "same-origin" } }, tooltip: { theme: "custom" }, config: report.themes[dark.matches ? "dark" : "light"] });

// The latest drawing of a place wins, however the promises interleave.
const drawings = new Map();
async function draw(place) {
  const figure = place.dataset.figure;
  const select = document.querySelector(`select[data-figures~="${figure}"]`);
  const variants = data("figures")[figure] ?? {};
  const spec = variants[place.dataset.variant ?? select?.value];
  const drawing = (drawings.get(place) ?? 0) + 1;
  drawings.set(place, drawing);
  views.get(place)?.finalize();
  views.delete(place);
  place.classList.toggle("empty", !spec);
  if (!spec) {
    tables.get(place)();
    place.textContent = "Not measured here.";
    return;
  }
  const result = await vegaEmbed(place, spec, options());
  if (drawings.get(place) !== drawing) {
    result.finalize();
    return;
  }
  views.set(place, { view: result.view, finalize: result.finalize, embedded: spec });
  await show(result.view);
  tables.get(place)();
}

async function show(view) {
  try {
    view.signal("hidden", [...hidden]);
  } catch {
    return; // a chart without arms
  }
  await view.runAsync();
}

// What a chart shows, as a table: for who cannot point at a symbol.
function tabulate(place) {
  const spec = views.get(place)?.embedded;
  if (!spec) return [];
  const rows = Object.values(spec.datasets).flat().filter((row) => "arm" in row && !hidden.has(row.arm));
  const columns = [...new Set(rows.flatMap(Object.keys))].filter((name) => !["x", "y", "place", "exact", "constant"].includes(name));
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col", textContent: name.replaceAll("_", " ") })));
  const lines = rows.map((row) => element("tr", {}, ...columns.map((name, index) => element(index ? "td" : "th", { textContent: row[name] ?? MISSING, dir: "auto" }))));
  const table = element("table", {}, element("caption", { textContent: spec.description }), element("thead", {}, head), element("tbody", {}, ...lines));
  const scroll = element("div", { className: "scroll", tabIndex: 0, ariaLabel: spec.description }, table);
  scroll.setAttribute("role", "region");
  return [scroll];
}
const tables = new Map(); // of each place
function offerTable(place) {
  const body = element("div");
  const folded = element("details", { className: "values" }, element("summary", { textContent: "Values as a table" }), body);
  const fill = () => body.replaceChildren(...(folded.open ? tabulate(place) : []));
  folded.addEventListener("toggle", fill);
  tables.set(place, fill);
  place.after(folded);
}

const places = [...document.querySelectorAll("[data-figure]")];
const idle = () => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(done, { timeout: 100 }));
async function drawAll() {
  for (const place of places) {
    await idle();
    await draw(place);
  }
}

for (const select of document.querySelectorAll("select[data-figures]")) {
  select.addEventListener("change", () => {
    const figures = select.dataset.figures.split(" ");
    places.filter((place) => figures.includes(place.dataset.figure)).forEach(draw);
  });
}
whenHidden.push(() => {
  for (const { view } of views.values()) show(view);
  for (const fill of tables.values()) fill();
});
// What is folded away has no width: it is drawn when it opens.
for (const folded of document.querySelectorAll("details")) {
  folded.addEventListener("toggle", () => {
    if (folded.open) places.filter((place) => folded.contains(place)).forEach(draw);
  });
}
places.forEach(offerTable);
dark.addEventListener("change", drawAll);
drawAll().then(() => { document.documentElement.dataset.ready = "charts"; });
