// The panel of a cell: its utterances beside the recordings, to hear and to look at, and where they
// come from. Arrow keys move between the cells of a table, Enter opens the panel, Escape closes it.
const panel = document.getElementById("panel");
const [panelTitle, panelFigure, panelSpeaker, panelPoint, panelElsewhere, panelSentences, panelOrigins] = ["title", "figure", "speaker", "point", "elsewhere", "sentences", "origins"].map((part) => document.getElementById(`panel-${part}`));
const BESIDE = ["natural", "copy_synthesis"];

function makeGrid(table) {
  const cells = () => [...table.querySelectorAll("tr[data-name]")].filter((row) => !row.hidden).map((row) => [...row.cells].slice(1));
  // One cell at a time is a stop of the Tab key.
  function stopAt(cell) {
    for (const other of table.querySelectorAll("tr[data-name] td")) other.tabIndex = -1;
    if (cell) cell.tabIndex = 0;
  }
  stopAt(cells()[0]?.[0]);
  table.setAttribute("role", "grid");
  for (const cell of table.querySelectorAll("tr[data-name] td")) cell.setAttribute("aria-haspopup", "dialog");
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    const rows = cells();
    const y = rows.findIndex((row) => row.includes(cell));
    const x = rows[y].indexOf(cell);
    const to = { ArrowUp: [y - 1, x], ArrowDown: [y + 1, x], ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1], Home: [y, 0], End: [y, rows[y].length - 1] }[event.key];
    if (to || event.key === "Enter" || event.key === " ") event.preventDefault();
    else return;
    if (!to) openPanel(cell);
    const target = to && rows[to[0]]?.[to[1]];
    if (target) {
      stopAt(target);
      target.focus();
    }
  });
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("tr[data-name] td");
    if (!cell) return;
    stopAt(cell);
    openPanel(cell);
  });
  whenHidden.push(() => {
    const shown = cells().flat();
    if (!shown.some((cell) => cell.tabIndex === 0)) stopAt(shown[0]);
  });
}

let shown = null; // name, metric and place of the panel's cell
// Whether an arm sounds at one of the points as it does at a place of the grid.
function isAt(point, place, name) {
  if (BESIDE.includes(name)) return true;
  return point.shots === place.shots && (report.still.includes(name) || point.steps === place.steps);
}
function openPanel(cell) {
  const table = cell.closest("table");
  const head = table.tHead.rows[0].cells[cell.cellIndex];
  const { name } = cell.parentElement.dataset;
  const { points } = data("utterances");
  const place = report.places[chosen.place];
  const [small, figure] = [true, false].map((wanted) => [...cell.childNodes].filter((node) => node.matches?.("small") === true === wanted).map((node) => node.textContent));
  shown = { name, metric: head.dataset.metric, place };
  panelTitle.replaceChildren(...named(name), `: ${report.labels[shown.metric]}`);
  panelFigure.textContent = `${table.caption.textContent}: ${[figure.join(""), ...small].join(", ")}`;
  const same = points.findIndex((point) => isAt(point, place, name));
  const near = points.findIndex((point) => point.shots === place.shots);
  panelPoint.value = same >= 0 ? same : Math.max(0, near);
  panelSpeaker.value = Math.max(0, chosen.speaker - 1);
  fillPanel();
  panel.showModal();
  panel.scrollTop = 0;
}

function fillPanel() {
  stop();
  const { points, sentences, found } = data("utterances");
  const { name, place } = shown;
  const heardHere = report.heard[panelPoint.value];
  panelElsewhere.textContent = isAt(points[panelPoint.value], place, name) ? ""
    : points.some((point) => isAt(point, place, name)) ? `Below: ${heardHere}, not ${place.name}.`
    : `No sound at ${place.name}; this is ${heardHere}.`;
  const speaker = report.speakers[panelSpeaker.value];
  const voices = [...BESIDE, shown.name].filter((voice, index, all) => found[voice] && all.indexOf(voice) === index);
  const own = sentences.map((sentence, index) => ({ ...sentence, index })).filter((sentence) => sentence.speaker === speaker);
  const heard = ({ index }) => voices.some((voice) => found[voice][panelPoint.value].clips[index]);
  own.sort((a, b) => heard(b) - heard(a));
  panelSentences.replaceChildren(...own.map(({ text, index }) => {
    const figures = voices.map((voice) => card(voice, found[voice][panelPoint.value], index, text));
    return element("article", {}, element("h3", { textContent: text, dir: "auto" }), element("div", { className: "cards" }, ...figures));
  }));
  for (const picture of panelSentences.querySelectorAll("img")) picture.addEventListener("load", scaleTime);
  if (!own.length) panelSentences.textContent = "Nothing was measured here.";
  const origins = report.origins.arms[shown.name] ?? [];
  panelOrigins.replaceChildren(...[...origins, ...report.origins.all].map(([what, value, address]) =>
    element("div", {}, element("dt", { textContent: what }), element("dd", {}, address ? element("a", { href: address, textContent: value }) : value))));
}

// A pixel of a picture is a frame: the longest is as wide as there is room, and the others in scale.
function scaleTime() {
  const pictures = [...panelSentences.querySelectorAll("img")];
  const longest = Math.max(...pictures.map((picture) => picture.naturalWidth));
  for (const picture of pictures) if (picture.naturalWidth) picture.style.width = `${(100 * picture.naturalWidth) / longest}%`;
}

// The Tab key goes around within the panel.
function goAround(event) {
  if (event.key !== "Tab") return;
  const stops = [...panel.querySelectorAll("button, select, a[href]")];
  const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement !== from) return;
  event.preventDefault();
  to.focus();
}

// A voice that says a sentence: its sound, its picture, what was measured on it.
function card(voice, { at, values, notes, clips }, index, text) {
  const value = values[shown.metric]?.[index] ?? "–";
  const note = notes[shown.metric]?.[index];
  const node = element("figure", {}, element("figcaption", {}, ...named(voice)));
  const url = clips[index];
  if (url) {
    const picture = element("img", { src: url.replace(/flac$/, "png"), alt: `Spectrogram of ${voice}: ${text}`, decoding: "async" });
    node.append(picture, player(voice, text, url));
  }
  const line = element("p", { className: "measured" }, element("b", { textContent: value }));
  if (at) line.append(" ", element("small", { textContent: `at ${at}` }));
  if (note) line.append(" ", element("small", { textContent: note, dir: "auto" }));
  node.append(line);
  return node;
}

function preparePanel() {
  document.querySelectorAll("table[data-table=headline], table[data-table=differences]").forEach(makeGrid);
  fill(panelSpeaker, report.speakers.map((name, index) => [index, name]));
  fill(panelPoint, report.heard.map((label, index) => [index, label]));
  panelSpeaker.addEventListener("change", fillPanel);
  panelPoint.addEventListener("change", fillPanel);
  panel.addEventListener("keydown", goAround);
  panel.addEventListener("close", stop);
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); }); // beside it
}
preparePanel();
