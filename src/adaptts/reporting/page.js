// What all parts of the page share. The parts are joined into one script, in the order of page.py.
const parsed = new Map();
// The JSON of a script element, read when it is first needed: the page opens before that.
function data(id) {
  if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id).textContent));
  return parsed.get(id);
}

const report = data("report");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const hidden = new Set(); // arms that the reader has switched off, everywhere
const chips = [...document.querySelectorAll("[data-arm]")];
const whenHidden = []; // functions to call when that changes

for (const chip of chips) {
  chip.addEventListener("click", () => {
    const arm = chip.dataset.arm;
    if (!hidden.delete(arm)) hidden.add(arm);
    for (const other of chips) other.setAttribute("aria-pressed", String(!hidden.has(other.dataset.arm)));
    for (const react of whenHidden) react();
  });
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

// An arm or a reference as the page writes it everywhere: its symbol, if it has one, and its name.
function named(name) {
  const symbol = chips.find((chip) => chip.dataset.arm === name)?.firstElementChild.cloneNode(true);
  return [...(symbol ? [symbol] : []), ...breakable(name)];
}

function fill(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => element("option", { value, textContent: text })));
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  button.addEventListener("click", async () => {
    let done = "Copied.";
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch { // not allowed here: mark it, for the reader to copy
      getSelection().selectAllChildren(text);
      done = "Selected; copy it with the keyboard.";
    }
    button.nextElementSibling.textContent = done;
  });
}
