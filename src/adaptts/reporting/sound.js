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

function player(name, sentence, url) {
  const node = element("button", { type: "button", className: "play" }, element("span", { textContent: "▶" }), "play");
  node.setAttribute("aria-pressed", "false");
  node.setAttribute("aria-label", `Play ${name}: ${sentence}`);
  node.addEventListener("click", () => play(node, url));
  return node;
}

function listen() {
  const { speakers, points, rows } = report.listen;
  const speakerSelect = document.getElementById("listen-speaker");
  const pointSelect = document.getElementById("listen-point");
  fill(speakerSelect, speakers.map((speaker, index) => [index, speaker.name]));
  fill(pointSelect, points.map((point, index) => [index, point]));
  const table = document.getElementById("listen-table");
  function render() {
    stop();
    const speaker = speakers[speakerSelect.value];
    const head = element("tr", {}, element("th", { scope: "col", textContent: "Arm" }));
    for (const sentence of speaker.sentences) head.append(element("th", { scope: "col", textContent: sentence, dir: "auto" }));
    const body = rows.map((row) => {
      const line = element("tr", { hidden: hidden.has(row.name) }, element("th", { scope: "row" }, ...named(row.name)));
      line.dataset.name = row.name;
      const clips = row.clips[speakerSelect.value][pointSelect.value];
      clips.forEach((url, index) => line.append(element("td", {}, url ? player(row.name, speaker.sentences[index], url) : "–")));
      return line;
    });
    table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  }
  speakerSelect.addEventListener("change", render);
  pointSelect.addEventListener("change", render);
  render();
}

if (report.listen) listen();
