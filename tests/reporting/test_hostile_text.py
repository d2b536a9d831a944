"""Whatever stands in a corpus' texts and names comes out literally, in every file of the report."""

import csv
import html
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from fabricated import PROVENANCE, make_experiment, write_tree

from adaptts.reporting import latex, tables
from adaptts.reporting.report import Report
from adaptts.reporting.results import load

TEXT = "=1+1, \"a\" & 'b'\r\n</script><!--<script>alert(1)</script> שלום \u202eabc\u2028 50 % {x}"
SPEAKERS = ["=cmd|'x'!A1", 'a, "b" & <i>c', "ג\u202eל"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on speakers and sentences that attack it."""
    experiment = make_experiment()
    object.__setattr__(experiment.split, "test", SPEAKERS)
    tree = write_tree(tmp_path_factory.mktemp("hostile"), experiment)
    manifest = tree / "data/corpus/manifest.csv"
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "text": TEXT} for row in rows)
    # The audit quotes the sentences that are nearest to each other.
    check = {"rule": "no query text is alike", "breaches": 0, "example": TEXT}
    audit = json.dumps({"checks": [check], "relaxed": [TEXT]})
    (tree / "data/episodes/audit.json").write_text(audit, encoding="utf-8")
    folder = tmp_path_factory.mktemp("reports")
    Report.make(load(tree, experiment)).write(folder, PROVENANCE)
    return folder


class Payloads(HTMLParser):
    """The texts of the page's script elements by id, and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.tags: list[str] = []
        self.id: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.id = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self.id:
            self.texts[self.id] = self.texts.get(self.id, "") + data


def test_the_page_holds_the_texts_and_no_element_of_theirs(hostile: Path, written: Path) -> None:
    page = Payloads((hostile / "index.html").read_text(encoding="utf-8"))
    tame = Payloads((written / "index.html").read_text(encoding="utf-8"))
    assert page.tags.count("script") == tame.tags.count("script")
    assert "i" not in page.tags
    report = json.loads(page.texts["report"])
    assert report["speakers"] == SPEAKERS
    assert report["listen"]["speakers"][0]["sentences"][0] == TEXT
    assert json.loads(page.texts["utterances"])["sentences"][0]["text"] == TEXT


def test_clips_are_found_by_their_addresses(hostile: Path) -> None:
    page = Payloads((hostile / "index.html").read_text(encoding="utf-8"))
    found = json.loads(page.texts["utterances"])["found"]
    addresses = [url for points in found.values() for p in points for url in p["clips"] if url]
    assert len(addresses) > 30
    for address in addresses:
        assert (hostile / unquote(address)).is_file()
        assert (hostile / unquote(address)).with_suffix(".png").is_file()


def test_csv_keeps_names_literally(hostile: Path) -> None:
    with (hostile / "tables/speakers.csv").open(encoding="utf-8", newline="") as file:
        assert {row["speaker"] for row in csv.DictReader(file)} == set(SPEAKERS)


def test_figures_keep_names_literally(hostile: Path) -> None:
    drawing = (hostile / "figures/speakers-mel_distortion.svg").read_text(encoding="utf-8")
    assert "<i>" not in drawing
    text = html.unescape(drawing)
    assert all(speaker in text for speaker in SPEAKERS)


def test_the_methods_keep_names_literally(hostile: Path) -> None:
    text = (hostile / "methods/methods.txt").read_text(encoding="utf-8")
    assert all(speaker in text for speaker in SPEAKERS)
    written = (hostile / "methods/methods.tex").read_text(encoding="utf-8")
    assert all(latex.escape(speaker) in written for speaker in SPEAKERS)


def test_markdown_and_latex_have_one_line_for_each_row() -> None:
    grid = tables.pairs("x", ["Name", "Text"], [[speaker, TEXT] for speaker in SPEAKERS])
    assert len(tables.markdown(grid).splitlines()) == 4 + len(SPEAKERS)
    assert all(line.endswith(" |") for line in tables.markdown(grid).splitlines()[2:])
    assert latex.table(grid).count("\\\\\n") == 1 + len(SPEAKERS)
