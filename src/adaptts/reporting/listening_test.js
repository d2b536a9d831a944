"use strict";
(() => {
  const test = JSON.parse(document.getElementById("test").textContent);
  const STORE = `adaptts listening test ${test.test.sounds} ${test.test.trials}`;
  const SCALE = ["Bad", "Poor", "Fair", "Good", "Excellent"];
  const PARTS = {
    acr: { title: "How natural is it?", task: "Play the sound, then say how natural the speech sounds to you." },
    ab: { title: "Which is closer to the reference?", task: "Play the reference and both sounds. Which of the two is closer to the reference, in voice and in quality?" },
    mushra: { title: "How close is each to the reference?", task: "Play the reference and all sounds, as often as you like, and rate each against the reference: its voice and its quality. One of them is the reference itself, and should get 100." },
  };
  const VOTES = [["A", [1, 0]], ["No preference", [0.5, 0.5]], ["B", [0, 1]]];
  const screen = document.getElementById("screen");
  const message = document.getElementById("message");
  const back = document.getElementById("back");
  const next = document.getElementById("next");

  // What a listener has done so far, kept in the browser: an interruption loses nothing.
  let kept = true;
  let current; // the screen
  function load() {
    try {
      return JSON.parse(localStorage.getItem(STORE));
    } catch {
      return null;
    }
  }
  function save() {
    if (message.textContent) message.textContent = current.missing().join(" ");
    try {
      localStorage.setItem(STORE, JSON.stringify(state));
    } catch {
      kept = false;
    }
  }
  function begin() {
    const drawn = crypto.getRandomValues(new Uint8Array(8));
    const listener = [...drawn].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return { listener, position: 0, started: new Date().toISOString(), finished: null, trained: null, answers: {} };
  }
  let state = load() ?? begin();

  // The order hangs on the listener alone: after an interruption it is the same again.
  function generator(listener) {
    let bits = parseInt(listener.slice(8), 16) || 1;
    return (below) => {
      for (const shift of [13, -17, 5]) bits ^= shift > 0 ? bits << shift : bits >>> -shift; // Marsaglia 2003
      return Math.floor(((bits >>> 0) / 2 ** 32) * below);
    };
  }
  function shuffle(values, draw) {
    const shuffled = [...values];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = draw(last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other], shuffled[last]];
    }
    return shuffled;
  }
  let form, trials, screens;
  function arrange() {
    form = test.forms.length ? parseInt(state.listener.slice(0, 8), 16) % test.forms.length : 0;
    const draw = generator(state.listener);
    const all = (test.forms[form] ?? []).map((trial, number) => ({ ...trial, number, sounds: shuffle(trial.sounds, draw) }));
    trials = Object.keys(PARTS).flatMap((part) => shuffle(all.filter((trial) => trial.part === part), draw));
    screens = trials.length ? [welcome, ...(test.training.length ? [train] : []), ...trials.map((trial) => () => ask(trial)), finish] : [nothing];
    state.position = Math.min(state.position, screens.length - 1);
  }

  function element(name, properties = {}, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }
  const keys = (text) => text.split(/\[(.*?)\]/).map((part, place) => (place % 2 ? element("kbd", { textContent: part }) : part));

  // The sounds of a screen, by letter. They are loaded at once, so that to switch takes no time.
  let players = new Map();
  let playing = null;
  function stop() {
    if (!playing) return;
    playing.audio.pause();
    playing.button.setAttribute("aria-pressed", "false");
    playing.button.style.removeProperty("--heard");
    playing = null;
  }
  function play(player) {
    const again = playing === player;
    stop();
    if (again) return;
    playing = player;
    player.button.setAttribute("aria-pressed", "true");
    player.audio.currentTime = 0;
    player.log.plays += 1;
    player.audio.play().catch((error) => {
      if (error.name === "AbortError") return; // another one was chosen meanwhile
      screen.append(element("p", { className: "notice", textContent: `This browser cannot play sound ${player.letter} (${error.message}). Is the folder “sounds” beside this page?` }));
      stop();
    });
    save();
  }
  function sound(name, letter, log) {
    const audio = new Audio(`sounds/${name}.flac`);
    audio.preload = "auto";
    const label = letter === "R" ? "Reference" : letter;
    const done = element("span", { className: "done", textContent: log.heard ? " ✓" : "" });
    const button = element("button", { type: "button", className: "sound" }, `▶ ${label}`, done);
    button.dataset.sound = name;
    const player = { letter, audio, button, log };
    const say = () => button.setAttribute("aria-label", `Play ${letter === "R" ? "the reference" : `sound ${letter}`}${log.heard ? ", heard" : ""}`);
    say();
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => play(player));
    audio.addEventListener("timeupdate", () => {
      if (playing === player && audio.duration) button.style.setProperty("--heard", `${(100 * audio.currentTime) / audio.duration}%`);
    });
    audio.addEventListener("ended", () => {
      log.heard = true;
      done.textContent = " ✓";
      say();
      if (playing === player) stop();
      save();
    });
    players.set(letter, player);
    return button;
  }
  const unheard = () => [...players.values()].filter((player) => !player.log.heard).map((player) => (player.letter === "R" ? "the reference" : player.letter));
  const letterOf = (place) => String.fromCharCode(65 + place);
  const fresh = () => ({ plays: 0, heard: false });

  function welcome() {
    const parts = Object.keys(PARTS).filter((part) => trials.some((trial) => trial.part === part));
    const list = parts.map((part) => {
      const count = trials.filter((trial) => trial.part === part).length;
      return element("li", {}, element("b", { textContent: PARTS[part].title }), ` ${count} ${count === 1 ? "question" : "questions"}.`);
    });
    return {
      nodes: [
        element("h1", { textContent: "Listening test" }),
        element("p", { textContent: `You will hear short sentences and say how they sound to you. It takes about ${test.minutes} ${test.minutes === 1 ? "minute" : "minutes"}; there are no right or wrong answers.` }),
        element("ol", {}, ...list),
        element("p", { textContent: "Use headphones in a quiet room, and always the same ones. Listen to every sound to its end at least once before you go on. You can go back and change an answer at any time." }),
        element("p", {}, ...keys("Everything works by mouse, by touch and by keyboard: [R] plays the reference, [A] [B] … play the sounds, [Esc] stops, [1] to [5] choose an answer, arrow keys move a slider, [Enter] goes on.")),
        element("p", { textContent: "Your answers stay in this browser until you save them as a file at the end; close the page and open it again to go on later. The file holds your answers, how often you played each sound, times, and a random number in place of your name." }),
        ...(kept ? [] : [element("p", { className: "notice", textContent: "This browser keeps nothing for this page: do not close it before you have saved your answers." })]),
      ],
      missing: () => [],
    };
  }

  function train() {
    const [reference, ...others] = test.training;
    state.trained ??= test.training.map(fresh);
    const [logOfReference, ...logs] = state.trained;
    const named = sound(reference, "R", logOfReference);
    const buttons = shuffle(others, generator(state.listener)).map((name, place) => sound(name, letterOf(place), logs[place]));
    return {
      nodes: [
        element("h1", { textContent: "Get used to the sounds" }),
        element("p", { textContent: "These are one sentence in all the qualities that you will meet. Set the volume to where it is comfortable, and leave it there. Nothing is rated here." }),
        element("p", { className: "named" }, named),
        element("div", { className: "sounds" }, ...buttons),
      ],
      missing: unplayed,
    };
  }
  function unplayed() {
    const left = unheard();
    return left.length ? [`Play to the end: ${left.join(", ")}.`] : [];
  }

  function ask(trial) {
    const answer = (state.answers[trial.number] ??= { values: trial.sounds.map(() => null), logs: trial.sounds.map(fresh), reference: fresh(), seconds: 0 });
    const parts = [...new Set(trials.map((each) => each.part))];
    const siblings = trials.filter((each) => each.part === trial.part);
    const reference = trial.reference ? [element("p", { className: "named" }, sound(trial.reference, "R", answer.reference))] : [];
    const buttons = trial.sounds.map((name, place) => sound(name, letterOf(place), answer.logs[place]));
    const forms = { acr: opinion, ab: choice, mushra: scale };
    return {
      answer,
      nodes: [
        element("p", { className: "kicker", textContent: `Part ${parts.indexOf(trial.part) + 1} of ${parts.length}, question ${siblings.indexOf(trial) + 1} of ${siblings.length}` }),
        element("h1", { textContent: PARTS[trial.part].title }),
        element("p", { textContent: PARTS[trial.part].task }),
        ...reference,
        ...forms[trial.part](answer, buttons),
      ],
      missing: () => {
        const unrated = trial.sounds.map((_, place) => letterOf(place)).filter((_, place) => answer.values[place] === null);
        const rate = { acr: "Choose an answer.", ab: "Choose an answer.", mushra: `Rate: ${unrated.join(", ")}.` };
        return [...unplayed(), ...(unrated.length ? [rate[trial.part]] : [])];
      },
    };
  }
  function options(title, entries, answer) {
    const nodes = entries.map(([label, values], place) => {
      const input = element("input", { type: "radio", name: "option", value: String(place), checked: String(answer.values) === String(values) });
      input.addEventListener("change", () => {
        answer.values = values;
        save();
      });
      return element("label", { className: "option" }, input, element("kbd", { textContent: String(place + 1), ariaHidden: "true" }), label);
    });
    return element("fieldset", {}, element("legend", { textContent: title }), ...nodes);
  }
  function opinion(answer, buttons) {
    return [element("div", { className: "sounds" }, ...buttons), options("The speech sounds", SCALE.map((word, place) => [word, [place + 1]]), answer)];
  }
  function choice(answer, buttons) {
    return [element("div", { className: "sounds" }, ...buttons), options("Closer to the reference", VOTES, answer)];
  }
  function scale(answer, buttons) {
    const words = element("div", { className: "words", ariaHidden: "true" }, ...SCALE.map((word) => element("span", { textContent: word })));
    const rows = buttons.flatMap((button, place) => {
      const output = element("output");
      const slider = element("input", { type: "range", min: "0", max: "100", step: "1", value: String(answer.values[place] ?? 50) });
      const show = () => {
        const value = answer.values[place];
        slider.classList.toggle("unrated", value === null);
        output.textContent = value ?? "–";
        slider.setAttribute("aria-valuetext", value === null ? "not rated" : `${value}, ${SCALE[Math.min(4, Math.floor(value / 20))]}`);
      };
      slider.setAttribute("aria-label", `Rating of sound ${letterOf(place)}`);
      const rate = () => {
        answer.values[place] = Number(slider.value);
        show();
        save();
      };
      slider.addEventListener("input", rate);
      slider.addEventListener("click", rate); // 50 is where it stands already
      show();
      return [button, slider, output];
    });
    return [element("div", { className: "scale" }, words, ...rows)];
  }

  function sheet() {
    const answers = trials.map((trial) => {
      const answer = state.answers[trial.number];
      return { trial: trial.number, part: trial.part, reference: trial.reference, sounds: trial.sounds, values: answer.values, plays: answer.logs.map((log) => log.plays), seconds: Math.round(answer.seconds * 10) / 10 };
    });
    return { schema: test.schema, test: test.test, listener: state.listener, form, started: state.started, finished: state.finished, answers };
  }
  function finish() {
    state.finished ??= new Date().toISOString();
    save();
    const name = `listening-${state.listener}.json`;
    const button = element("button", { type: "button", className: "save", textContent: "Save my answers" });
    button.addEventListener("click", () => {
      const url = URL.createObjectURL(new Blob([JSON.stringify(sheet(), null, 1)], { type: "application/json" }));
      element("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    });
    const again = element("button", { type: "button", textContent: "Another listener begins" });
    again.addEventListener("click", () => {
      if (!confirm("Have the answers been saved? They are forgotten now.")) return;
      state = begin();
      arrange();
      show();
    });
    return {
      nodes: [
        element("h1", { textContent: "Thank you" }),
        element("p", { textContent: `That was all. Save your answers as ${name} and send the file to whoever asked you to take part.` }),
        element("p", { className: "sounds" }, button, again),
      ],
      missing: () => [],
    };
  }
  const nothing = () => ({ nodes: [element("h1", { textContent: "Nothing to hear" }), element("p", { textContent: "This experiment has no sounds with recordings to compare them with, or asks for no trials." })], missing: () => [] });

  let since; // the screen is shown, in ms
  function leave() {
    stop();
    for (const { audio } of players.values()) audio.removeAttribute("src");
    players = new Map();
    tally();
  }
  function tally() {
    if (current?.answer) current.answer.seconds += (performance.now() - since) / 1000;
    since = performance.now();
  }
  function show() {
    leave();
    current = screens[state.position]();
    message.textContent = "";
    screen.replaceChildren(...current.nodes);
    back.hidden = state.position === 0;
    next.hidden = state.position === screens.length - 1;
    next.textContent = state.position ? "Next" : "Begin";
    const done = trials.length ? state.position / (screens.length - 1) : 0;
    document.getElementById("progress").value = done;
    document.getElementById("place").textContent = `${Math.round(100 * done)} %`;
    screen.dataset.position = state.position;
    save();
    window.scrollTo(0, 0);
    screen.focus({ preventScroll: true });
  }
  function move(by) {
    const missing = by > 0 ? current.missing() : [];
    message.textContent = missing.join(" ");
    if (missing.length) message.scrollIntoView({ block: "nearest" });
    const to = state.position + by;
    if (missing.length || to < 0 || to >= screens.length) return;
    state.position = to;
    state.finished = null; // answers may change yet
    show();
  }
  back.addEventListener("click", () => move(-1));
  next.addEventListener("click", () => move(1));
  window.addEventListener("pagehide", () => {
    tally();
    save();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const player = players.get(event.key.toUpperCase());
    const option = screen.querySelectorAll("[type=radio]")[Number(event.key) - 1];
    if (player) play(player);
    else if (option) option.click();
    else if (event.key === "Escape") stop();
    else if (event.key === "Enter" && event.target.tagName !== "BUTTON") move(1);
    else return;
    event.preventDefault();
  });
  arrange();
  show();
})();
