import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fabricated import PROVENANCE, SPEAKERS, TEXTS, make_experiment

from adaptts.reporting.origins import trace
from adaptts.reporting.page import embed
from adaptts.reporting.report import Report


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
    assert names.count("script") == 8
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
    assert len(anchors) == 11
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


def test_what_is_adapted_to_is_called_by_its_name(results, tmp_path) -> None:
    split = {"test": ["any"], "validation": ["val"], "unit": "accent"}
    experiment = make_experiment(split=split)
    by_accent = replace(results, experiment=experiment, retake_note="", audit={})
    Report.make(by_accent).write(tmp_path, PROVENANCE)
    reader = Reader((tmp_path / "index.html").read_text(encoding="utf-8"))
    text = " ".join(reader.text)
    for words in ("3 test accents", "of a new accent", "Accent by accent", "validation accents"):
        assert words in text
    assert not re.search(r"(?<!multi-)speaker(?! embeddings| vector| encoder|s\.csv)", text, re.I)
    table = (tmp_path / "tables/speakers.csv").read_text(encoding="utf-8")
    assert table.startswith("arm,accent,metric,value\n")


def test_seeds_are_counted_and_named(reader: Reader) -> None:
    assert "2 (seeds 0, 1)" in reader.text


def test_without_a_server_a_run_stands_beside_the_command_that_shows_it(results) -> None:
    command = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    local = replace(PROVENANCE, run_pages="", run_command=command)
    told = [value for _, value, _ in trace(results, local)["arms"]["maml"]]
    assert {"f00d", command} <= set(told)
    assert command not in json.dumps(trace(results, PROVENANCE))


def test_few_trials_are_told_of_instead_of_drawn(results, tmp_path) -> None:
    trials = results.verification
    few = trials.groupby(["arm", "shots", "steps", "target"]).head(19)
    Report.make(replace(results, verification=few)).write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "trade-off is not drawn: no arm has 20 trials" in page
    assert 'data-figure="detection"' not in page
