import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fabricated import PROVENANCE, SPEAKERS, TEXTS, make_experiment

from adaptts.reporting.page import embed
from adaptts.reporting.report import Report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=20000", "--window-size=1280,2000",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


# Does what a reader would do, and leaves what came of it in the title.
VISIT = """<script>(async () => {
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const all = (selector) => document.querySelectorAll(selector);
  const dots = () => all('[data-figure=steps] [aria-label*="arm: maml; steps"]').length;
  const state = {};
  while (!document.documentElement.dataset.ready) await wait(50);
  state.shown = dots();
  all('[data-arm="maml"]')[0].click();
  await wait(500);
  state.hidden = dots();
  const metric = all('[data-figures~="steps"]')[0];
  metric.value = "wer";
  metric.dispatchEvent(new Event("change"));
  await wait(500);
  state.switched = all("[data-figure=steps]")[0].textContent.includes("WER (%)");
  state.still = dots();
  const width = () => all("[data-figure=ranks] svg")[0].getBoundingClientRect().width;
  document.getElementById("standings").open = true;
  await wait(500);
  state.opened = width() > 400;
  all(".play")[5].click();
  await wait(20);
  state.playing = all('.play[aria-pressed="true"]').length;
  state.failed = all(".play.failed").length;
  document.title = JSON.stringify(state);
})();</script>"""


class Reader(HTMLParser):
    """Collects the page's text, its tags with their attributes, and the JSON of its script."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.payload = ""
        self.inside: dict[str, str | None] | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = dict(attrs) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside is None:
            self.text.append(data)
        elif self.inside.get("id") == "report":
            self.payload += data


@pytest.fixture(scope="module")
def page(written: Path) -> str:
    return (written / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def test_json_in_a_script_cannot_end_it() -> None:
    values = {"text": TEXTS[0] + "\u2028<!--"}
    text = embed(values)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == values


def test_names_and_texts_come_out_literally(reader: Reader) -> None:
    payload = json.loads(reader.payload)
    assert [speaker["name"] for speaker in payload["listen"]["speakers"]] == SPEAKERS
    assert payload["listen"]["speakers"][0]["sentences"] == TEXTS
    text = "".join(reader.text)
    assert "Made <up> 1" in text  # the corpus
    assert PROVENANCE.params_text in text


def test_text_adds_no_elements(reader: Reader) -> None:
    names = [name for name, _ in reader.tags]
    assert names.count("script") == 5
    # In names and texts of the fixture, never of the page itself.
    assert "i" not in names
    assert "up" not in names


def test_the_page_asks_for_nothing_outside_itself(page: str, reader: Reader) -> None:
    for name, attributes in reader.tags:
        for key in ("src", "href"):
            address = attributes.get(key) or ""
            assert not re.match(r"[a-z]+://|//", address), (name, address)
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?(http|//)", page)


def test_links_lead_to_files(reader: Reader, written: Path) -> None:
    hrefs = [attributes.get("href") or "" for _, attributes in reader.tags]
    relative = [href for href in hrefs if href and href[0] != "#" and not href.startswith("data:")]
    assert relative
    assert all((written / href).exists() for href in relative)


def test_anchors_lead_to_sections(reader: Reader) -> None:
    there = {attributes.get("id") for _, attributes in reader.tags}
    anchors = [(a.get("href") or "")[1:] for _, a in reader.tags
               if (a.get("href") or "").startswith("#")]  # fmt: skip
    assert len(anchors) == 10
    assert set(anchors) <= there


def test_absent_pieces_and_relaxations_are_named_at_the_top(report: Report, tmp_path: Path) -> None:
    results = replace(
        report.results,
        experiment=make_experiment(),
        measures=report.results.measures[report.results.measures["arm"] != "maml"],
        audit={"relaxed": ["query texts are trained on"], "checks": []},
        absent=["The adapted voices of arm maml are missing."],
        clips=report.results.clips.iloc[:0],
        training=report.results.training.iloc[:0],
        trials=report.results.trials.iloc[:0],
    )
    Report.make(results).write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    top = page[: page.index("<main>")]
    assert "The adapted voices of arm maml are missing." in top
    assert "There are no results of maml." in top
    assert "query texts are trained on" in top
    assert "Without results" in page
    assert "nothing to hear" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH")
def test_a_browser_draws_every_chart_without_complaint(written: Path, tmp_path: Path) -> None:
    dom, complaints = browse(written / "index.html", tmp_path)
    assert complaints == []
    assert 'data-ready="charts"' in dom
    weights = [f'weights" data-variant="{task}' for task in ("mel", "pitch")]
    for place in ("steps", "shots", "speakers", "ranks", "front", "trunk", "training", *weights):
        chart = dom[dom.index(f'data-figure="{place}"') :][:400_000]
        assert "<svg" in chart[: chart.index("</figure>")], place
    assert dom.count('class="play"') == 6 * 2
    assert TEXTS[0].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in dom


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH")
def test_a_browser_hides_arms_switches_metrics_and_plays(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    shutil.copytree(written, folder)
    page = (folder / "index.html").read_text(encoding="utf-8")
    end = page.rindex("</body>")
    (folder / "index.html").write_text(page[:end] + VISIT + page[end:], encoding="utf-8")
    dom, complaints = browse(folder / "index.html", tmp_path)
    assert complaints == []
    found = re.search("<title>([^<]*)</title>", dom)
    assert found is not None
    assert json.loads(html.unescape(found[1])) == {
        "shown": 3, "hidden": 0, "switched": True, "still": 0, "opened": True,
        "playing": 1, "failed": 0,
    }  # fmt: skip


# Asks for recommendations, and leaves the answers in the title.
DECIDE = """<script>
  const { speech, compute } = document.getElementById("decide-form").elements;
  const answer = (seconds, work) => {
    speech.value = seconds;
    compute.value = work;
    compute.dispatchEvent(new Event("input", { bubbles: true }));
    return document.getElementById("decide-answer").textContent;
  };
  const first = document.getElementById("decide-answer").textContent;
  document.title = JSON.stringify([first, answer("0.3", "0.1"), answer("9", "0"), answer("0.01", "9"), answer("", "-1")]);
</script>"""  # noqa: E501


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH")
def test_a_browser_recommends_what_the_tables_do(
    report: Report, written: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    shutil.copytree(written, folder)
    page = (folder / "index.html").read_text(encoding="utf-8")
    end = page.rindex("</body>")
    (folder / "index.html").write_text(page[:end] + DECIDE + page[end:], encoding="utf-8")
    dom, complaints = browse(folder / "index.html", tmp_path)
    assert complaints == []
    found = re.search("<title>([^<]*)</title>", dom)
    assert found is not None
    first, little, none, short, wrong = json.loads(html.unescape(found[1]))
    assert "stopped after 10 steps" in first
    for text, budgets in ((little, (0.3, 0.1)), (none, (9, 0))):
        option = report.decision.recommend(*budgets)
        assert option is not None
        steps = f"{option['steps']} step" + ("" if option["steps"] == 1 else "s")
        assert text.startswith(f"{option['arm']}, with {option['shots']} utterance")
        assert f"stopped after {steps}." in text
        assert f"validation voices: {option['validation']:.2f}\u00a0dB" in text
        assert f"test voices, {option['value']:.2f}\u00a0dB ({option['low']:.2f} to" in text
    assert little.startswith("pretrain_finetune, with 5")
    assert none.startswith("prototype, with 1 utterance, stopped after 0 steps.")
    assert short == "Nothing fits: one needs 0.05\u00a0s of speech at least."
    assert wrong.startswith("Give both budgets")


def browse(path: Path, scratch: Path) -> tuple[str, list[str]]:
    """The page's elements after its scripts have run, and what stands in the console."""
    assert CHROMIUM is not None
    profile = f"--user-data-dir={scratch / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, profile, "--dump-dom", path.as_uri()],
        capture_output=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_what_is_adapted_to_is_called_by_its_name(results, tmp_path) -> None:
    split = {"test": ["any"], "validation": ["val"], "unit": "accent"}
    experiment = make_experiment(split=split)
    by_accent = replace(results, experiment=experiment, retake_note="", audit={})
    Report.make(by_accent).write(tmp_path, PROVENANCE)
    reader = Reader((tmp_path / "index.html").read_text(encoding="utf-8"))
    text = " ".join(reader.text)
    for words in ("3 test accents", "of a new accent", "Accent by accent", "validation accents"):
        assert words in text
    assert not re.search(r"speaker(?! embeddings|s\.csv)", text, re.IGNORECASE)
    table = (tmp_path / "tables/speakers.csv").read_text(encoding="utf-8")
    assert table.startswith("arm,accent,metric,value\n")
