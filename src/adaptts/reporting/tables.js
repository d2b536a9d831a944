// Tables: sorted by their heads, without the arms that are switched off, and for other points of
// the grid and single speakers.
const MISSING = "–";
const VIEWED = ["headline", "differences"]; // tables of the chosen point and speaker

function sortable(table) {
  const fixed = "[data-fixed]"; // ceilings stay where they are
  const bodies = [...table.tBodies].filter((body) => !body.matches(fixed));
  const rows = bodies.flatMap((body) => [...body.rows].filter((row) => !row.matches(".group")).map((row) => [row, body]));
  const titles = bodies.flatMap((body) => [...body.querySelectorAll(".group")]);
  const heads = [...table.tHead.rows[0].cells];

  function key(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.value) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text.startsWith(MISSING) ? null : text; // it may say how many are missing, and why
  }
  function compare(a, b) {
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  }
  function sort() {
    const column = heads.findIndex((head) => head.ariaSort !== "none");
    for (const title of titles) title.hidden = column >= 0;
    if (column < 0) {
      for (const [row, body] of rows) body.append(row);
      return;
    }
    const sign = heads[column].ariaSort === "ascending" ? 1 : -1;
    const keyed = rows.map(([row]) => [key(row, column), row]);
    // What is missing comes last, whichever way the others go.
    keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
    bodies[0].append(...keyed.map(([, row]) => row));
  }
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  for (const head of heads) {
    const button = element("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
    head.ariaSort = "none";
    button.addEventListener("click", () => {
      const order = next[head.ariaSort];
      for (const other of heads) other.ariaSort = "none";
      head.ariaSort = order;
      sort();
    });
  }
  table.addEventListener("refilled", sort);
}

function filterRows() {
  for (const row of document.querySelectorAll("tr[data-name]")) row.hidden = hidden.has(row.dataset.name);
}
whenHidden.push(filterRows);

// A cell as the template writes it.
function refill(cell, [text, value = null, mark = "", lines = [], warning = ""]) {
  const figure = mark === "best" || mark === "apart" ? [element("b", { textContent: text })] : mark === "tie" ? [element("span", { className: "near", textContent: "≈" }), text] : [text];
  const small = lines.map((line) => element("small", { textContent: line }));
  if (warning) small.push(element("small", { className: "warning", textContent: warning }));
  cell.className = mark;
  cell.dataset.value = value ?? "";
  cell.replaceChildren(...figure, ...small);
}

const chosen = { place: 0, speaker: 0 }; // into the lists of data("views"); speaker 0 is everybody
function chooser() {
  const [shots, steps, speaker] = ["shots", "steps", "speaker"].map((name) => document.getElementById(`choose-${name}`));
  if (!shots) return;
  const all = report.places;
  const [headline] = all;
  fill(shots, [...new Set(all.map((place) => place.shots))].sort((a, b) => a - b).map((count) => [count, count]));
  function fillSteps() {
    const before = steps.value;
    const there = all.filter((place) => place.shots === Number(shots.value)).map((place) => place.steps).sort((a, b) => a - b);
    fill(steps, there.map((count) => [count, count]));
    steps.value = there.includes(Number(before)) ? before : there.includes(headline.steps) ? headline.steps : there[0];
  }
  shots.value = headline.shots;
  fillSteps();
  steps.value = headline.steps;
  fill(speaker, [[0, "all"], ...report.speakers.map((name, index) => [index + 1, name])]);

  function choose() {
    chosen.place = all.findIndex((place) => place.shots === Number(shots.value) && place.steps === Number(steps.value));
    chosen.speaker = Number(speaker.value);
    document.querySelector("#headline h2").textContent = all[chosen.place].title;
    const view = data("views")[chosen.place][chosen.speaker];
    for (const [name, { caption, rows }] of Object.entries(view)) {
      const table = document.querySelector(`table[data-table="${name}"]`);
      table.caption.textContent = caption;
      for (const row of table.querySelectorAll("tr[data-name]")) {
        rows[row.dataset.name]?.forEach((cell, index) => refill(row.cells[index + 1], cell));
      }
      table.dispatchEvent(new Event("refilled"));
    }
  }
  shots.addEventListener("change", () => { fillSteps(); choose(); });
  steps.addEventListener("change", choose);
  speaker.addEventListener("change", choose);
}

// The table as it stands, as CSV: what is shown, in its order, and which point and speaker it is of
// where the reader has a choice. What is missing is empty.
function csv(table) {
  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const clean = (node) => node.textContent.replace(/\s+/g, " ").trim();
  const lined = (index) => [...table.rows].some((row) => row.cells[index]?.matches("td") && row.cells[index].querySelector("small"));
  const heads = [...table.tHead.rows[0].cells];
  const withLines = heads.map((_, index) => lined(index));
  const lines = [heads.flatMap((head, index) => [clean(head), ...(withLines[index] ? [`${clean(head)}: details`] : [])])];
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    if (row.hidden || row.matches(".group")) continue;
    lines.push([...row.cells].flatMap((cell, index) => {
      const details = [...cell.querySelectorAll("small")].map(clean).join("; ");
      const own = [...cell.childNodes].filter((node) => !node.matches?.("small")).map((node) => node.textContent).join("").trim();
      const value = cell.dataset.value || (cell.matches("th") ? clean(cell) : own === MISSING ? "" : own);
      return [value, ...(withLines[index] ? [details] : [])];
    }));
  }
  const place = [...document.querySelectorAll("[id^=choose-]")].map((select) => [clean(select.labels[0].firstChild), select.selectedOptions[0].textContent]);
  const of = VIEWED.includes(table.dataset.table) ? place : [];
  lines.forEach((line, number) => line.push(...of.map((pair) => pair[number ? 1 : 0])));
  return lines.map((line) => line.map(quote).join(",") + "\r\n").join("");
}
for (const button of document.querySelectorAll("button[data-csv]")) {
  button.addEventListener("click", () => {
    const table = document.querySelector(`table[data-table="${button.dataset.csv}"]`);
    const url = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
    element("a", { href: url, download: `${button.dataset.csv}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
}

document.querySelectorAll("table[data-table]").forEach(sortable);
chooser();
