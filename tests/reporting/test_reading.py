"""What a reader of the page does, in a real browser."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, browsing
from fabricated import HYPOTHESIS, SPEAKERS, TEXTS

from adaptts.reporting.report import Report

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"
)
HEADLINE = "document.querySelector('table[data-table=headline]')"
ROWS = f"[...{HEADLINE}.querySelectorAll('tr[data-name]')].filter((row) => !row.hidden)"
CELL = f"{HEADLINE}.querySelector('tr[data-name=maml]').cells"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Browser]:
    """The page, just opened, with a desk's width; it must not complain, whatever a test does."""
    browser.complaints.clear()
    browser.resize(1280, 900)
    browser.prefer(prefers_color_scheme="light")
    browser.open(written / "index.html")
    yield browser
    assert browser.complaints == []


def names(page: Browser) -> list[str]:
    return page.evaluate(f"{ROWS}.map((row) => row.dataset.name)")


def choose(page: Browser, select: str, text: str) -> None:
    page.evaluate(
        f"(() => {{ const select = document.getElementById({json.dumps(select)});"
        f"select.value = [...select.options].find((o) => o.text === {json.dumps(text)}).value;"
        f"select.dispatchEvent(new Event('change')); }})()"
    )


def head(page: Browser, metric: str) -> str:
    return f"{HEADLINE}.querySelector('th[data-metric={metric}]')"


def test_every_chart_is_drawn_with_a_description(page: Browser) -> None:
    places = "[...document.querySelectorAll('[data-figure]')]"
    assert page.evaluate(f"{places}.length") == 10
    assert page.evaluate(f"{places}.every((place) => place.querySelector('svg [aria-label]'))")
    assert page.evaluate("document.querySelectorAll('.play').length") == 6 * 2


def test_an_arm_that_is_hidden_leaves_charts_and_tables(page: Browser) -> None:
    dots = "document.querySelectorAll('[data-figure=steps] [aria-label*=\"arm: maml; steps\"]')"
    assert page.evaluate(f"{dots}.length") == 3
    page.evaluate("document.querySelector('[data-arm=maml]').click()")
    page.wait(f"{dots}.length === 0")
    assert "maml" not in names(page)
    assert page.evaluate("[...document.querySelectorAll('tr[data-name=maml]')].length") > 3
    assert page.evaluate(
        "[...document.querySelectorAll('tr[data-name=maml]')].every((r) => r.hidden)"
    )
    page.evaluate("document.querySelector('[data-arm=maml]').click()")
    page.wait(f"{dots}.length === 3")
    assert "maml" in names(page)


def test_a_metric_that_is_chosen_is_drawn(page: Browser) -> None:
    page.evaluate(
        "(() => { const select = document.querySelector('[data-figures~=steps]');"
        "select.value = 'wer'; select.dispatchEvent(new Event('change')); })()"
    )
    page.wait("document.querySelector('[data-figure=steps]').textContent.includes('WER (%)')")


def test_a_head_sorts_by_keyboard_and_ceilings_stay(page: Browser, report: Report) -> None:
    before = names(page)
    values = {arm: report.comparison.value(arm, "mel_distortion") for arm in report.comparison.arms}
    page.evaluate(f"{head(page, 'mel_distortion')}.querySelector('button').focus()")
    for order, reverse in (("ascending", False), ("descending", True)):
        page.press("Enter")
        assert page.evaluate(f"{head(page, 'mel_distortion')}.ariaSort") == order
        ranked = sorted(values, key=lambda arm: values[arm], reverse=reverse)
        assert names(page) == ["natural", "copy_synthesis", *ranked]
    page.press("Enter")
    assert names(page) == before


def test_what_is_missing_comes_last_either_way(page: Browser) -> None:
    page.evaluate(
        f"(() => {{ const cell = {CELL}[1]; cell.dataset.value = '';"
        "cell.innerHTML = '–<small>48 missing</small>'; })()"
    )
    for _ in ("ascending", "descending"):
        page.evaluate(f"{head(page, 'mel_distortion')}.querySelector('button').click()")
        assert names(page)[-1] == "maml"


def test_another_point_and_a_speaker_can_be_chosen(page: Browser, report: Report) -> None:
    template = page.evaluate(f"{HEADLINE}.innerText")
    choose(page, "choose-steps", "0")
    title = page.evaluate("document.querySelector('#headline h2').textContent")
    assert title == "At 5 shots and 0 steps"
    assert "after 0 steps" in page.evaluate(f"{HEADLINE}.caption.textContent")
    points = report.comparison.points.set_index(["arm", "shots", "steps", "metric"])
    value = points.at[("maml", 5, 0, "mel_distortion"), "value"]
    assert page.evaluate(f"{CELL}[1].textContent").startswith(f"{value:.2f}")
    choose(page, "choose-speaker", SPEAKERS[1])
    assert SPEAKERS[1] in page.evaluate(f"{HEADLINE}.caption.textContent")
    assert page.evaluate(f"{HEADLINE}.querySelectorAll('td.best, td.tie').length") == 0
    # Back at the headline, the script writes what the template wrote.
    choose(page, "choose-speaker", "all")
    choose(page, "choose-steps", "10")
    assert page.evaluate(f"{HEADLINE}.innerText") == template


def test_a_cell_opens_by_keyboard_what_it_is_made_of(page: Browser) -> None:
    choose(page, "choose-speaker", SPEAKERS[1])
    page.evaluate(f"{HEADLINE}.querySelector('td[tabindex=\"0\"]').focus()")
    wer = page.evaluate(f"{head(page, 'wer')}.cellIndex")
    page.press(*["ArrowRight"] * (wer - 1), *["ArrowDown"] * (len(names(page)) - 1), "Enter")
    panel = "document.getElementById('panel')"
    assert page.evaluate(f"{panel}.open")
    text = page.evaluate(f"{panel}.textContent")
    for told in ("maml: WER (%)", *TEXTS, HYPOTHESIS, "f00d", "beef", "aa.dir", "cc.dir",
                 "0123abc", "copy_synthesis"):  # fmt: skip
        assert told in text
    assert "cafe" not in text  # the run of the whole experiment
    assert page.evaluate(f"{panel}.querySelector('.origins a').href").endswith("/runs/f00d")
    page.wait(f"[...{panel}.querySelectorAll('img')].every((image) => image.naturalHeight === 80)")
    assert page.evaluate(f"{panel}.querySelectorAll('img').length") == 2 * 3
    page.evaluate(f"{panel}.querySelectorAll('.play')[2].click()")
    page.wait(f"{panel}.querySelectorAll('.play')[2].ariaPressed === 'true'")
    page.press("Escape")
    page.wait(f"!{panel}.open")
    assert page.evaluate(f"document.activeElement === {CELL}[{wer}]")
    page.wait("document.querySelectorAll('.play[aria-pressed=true]').length === 0")


def test_a_cell_without_sound_says_which_point_is_heard(page: Browser) -> None:
    choose(page, "choose-steps", "2")
    column = page.evaluate(f"{head(page, 'mel_distortion')}.cellIndex")
    told = "document.getElementById('panel-elsewhere').textContent"
    figures = "[...document.querySelectorAll('#panel .measured')].map((each) => each.textContent)"
    page.evaluate(f"{CELL}[{column}].click()")
    assert page.evaluate(told) == "No sound at 5 shots, 2 steps; this is 5 shots, 10 steps."
    assert any("at 5 shots, 10 steps" in figure for figure in page.evaluate(figures))
    choose(page, "panel-point", "5 shots, 0 steps")
    assert page.evaluate(told) == "No sound at 5 shots, 2 steps; this is 5 shots, 0 steps."
    assert any("at 5 shots, 0 steps" in figure for figure in page.evaluate(figures))
    page.press("Escape")
    choose(page, "choose-steps", "0")
    page.evaluate(f"{CELL}[{column}].click()")
    assert page.evaluate(told) == ""
    choose(page, "panel-point", "5 shots, 10 steps")
    assert page.evaluate(told) == "Below: 5 shots, 10 steps, not 5 shots, 0 steps."
    page.press("Escape")
    # An arm without gradient steps sounds alike at all of them.
    choose(page, "choose-steps", "2")
    page.evaluate(f"{CELL.replace('maml', 'average')}[{column}].click()")
    assert page.evaluate(told) == ""


def test_the_tab_key_stays_in_the_panel(page: Browser) -> None:
    page.evaluate(f"{CELL}[1].click()")
    stops = page.evaluate("document.querySelectorAll('#panel :is(button, select, a[href])').length")
    seen = []
    for _ in range(stops + 1):
        page.press("Tab")
        assert page.evaluate("document.activeElement.closest('#panel') !== null")
        seen.append(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert len(set(seen)) == stops
    assert seen[0] == seen[-1]


def test_pictures_of_a_panel_have_one_scale_of_time(page: Browser) -> None:
    page.evaluate(f"{CELL}[1].click()")
    pictures = "[...document.querySelectorAll('#panel img')]"
    page.wait(f"{pictures}.every((picture) => picture.complete && picture.style.width)")
    scales = page.evaluate(
        f"{pictures}.map((one) => parseFloat(one.style.width) / one.naturalWidth)"
    )
    assert max(scales) == pytest.approx(min(scales))
    # The fixture's sounds are equally long: one is made shorter.
    page.evaluate(
        f"(() => {{ const canvas = document.createElement('canvas'); canvas.width = 1;"
        f"canvas.height = 80; {pictures}[0].src = canvas.toDataURL(); }})()"
    )
    page.wait(f"{pictures}[0].naturalWidth === 1")
    longest = page.evaluate(f"{pictures}[1].naturalWidth")
    page.wait(f"parseFloat({pictures}[0].style.width) < 100")
    width = page.evaluate(f"parseFloat({pictures}[0].style.width)")
    assert width == pytest.approx(100 / longest, rel=1e-3)


def test_values_of_a_chart_are_a_table_that_tab_reaches(page: Browser, report: Report) -> None:
    folded = "document.querySelector('[data-figure=steps]').nextElementSibling"
    page.evaluate(f"{folded}.querySelector('summary').focus()")
    page.press("Enter")
    page.wait(f"{folded}.querySelector('table')")
    rows = page.evaluate(
        f"[...{folded}.querySelector('table').rows]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert rows[0] == ["arm", "steps", "value", "low", "high"]
    points = report.comparison.along("steps")
    own = points[points["metric"] == "mel_distortion"].set_index(["arm", "steps"])["value"]
    found = {(row[0], int(row[1])): float(row[2]) for row in rows[1:] if row[1] != "–"}
    assert found.keys() == set(own.index)
    assert all(found[key] == pytest.approx(own[key], rel=1e-4) for key in found)
    page.evaluate("document.querySelector('[data-arm=maml]').click()")
    page.wait(f"!{folded}.textContent.includes('maml')")


def test_the_table_as_shown_is_a_csv_with_literal_texts(page: Browser) -> None:
    choose(page, "choose-speaker", SPEAKERS[1])
    page.evaluate("document.querySelector('[data-arm=average]').click()")
    text = page.evaluate(
        "new Promise((done) => {"
        "URL.createObjectURL = (blob) => { blob.text().then(done); return 'data:,'; };"
        "HTMLAnchorElement.prototype.click = () => {};"
        "document.querySelector('button[data-csv=headline]').click(); })"
    )
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row[0] for row in rows] == ["Arm", *names(page)]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[0][1] == "Mel distortion ↓ dB"
    assert rows[0][-3:] == ["Shots", "Steps", "Speaker"]
    assert {tuple(row[-3:]) for row in rows[1:]} == {("5", "10", SPEAKERS[1])}
    assert rows[1][:2] == ["natural", ""]  # of which there is no distortion
    assert float(rows[-1][1]) == pytest.approx(
        float(page.evaluate(f"{CELL}[1].dataset.value")), rel=1e-9
    )


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(page: Browser, written: Path, mode: str) -> None:
    page.resize(390, 800)
    page.prefer(prefers_color_scheme=mode)
    page.open(written / "index.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate(f"{CELL}[1].click()")
    panel = "document.getElementById('panel')"
    assert page.evaluate(f"{panel}.scrollWidth <= {panel}.clientWidth")
    small = page.evaluate(
        "[...document.querySelectorAll('nav a, .files a, button, select, summary')]"
        ".filter((node) => node.checkVisibility())"
        ".map((node) => [node.getBoundingClientRect(), node])"
        ".filter(([box]) => box.width < 24 || box.height < 24).map(([, node]) => node.outerHTML)"
    )
    assert small == []


def test_every_control_is_reached_by_tab_with_a_name(page: Browser) -> None:
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, a[href], [tabindex=\"0\"]')]"
        ".filter((node) => !node.closest('dialog') && (node.tabIndex < 0 || "
        "!(node.ariaLabel || node.textContent.trim() || node.labels?.[0]?.textContent.trim())))"
        ".map((node) => node.outerHTML)"
    )
    assert unnamed == []
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_page_that_was_moved_alone_still_opens(page: Browser, written: Path, tmp_path) -> None:
    shutil.copy(written / "index.html", tmp_path)
    page.open(tmp_path / "index.html")
    page.evaluate(f"{CELL}[1].click()")
    page.wait("[...document.querySelectorAll('#panel img')].every((image) => image.complete)")
    assert all("ERR_FILE_NOT_FOUND" in complaint for complaint in page.complaints)
    page.complaints.clear()


def test_what_is_folded_away_is_drawn_when_it_opens(page: Browser) -> None:
    width = "document.querySelector('[data-figure=ranks] svg').getBoundingClientRect().width"
    page.evaluate("document.getElementById('standings').open = true")
    page.wait(f"{width} > 400")


def test_the_page_recommends_what_the_tables_do(page: Browser, report: Report) -> None:
    answer = "document.getElementById('decide-answer').textContent"
    assert "stopped after 10 steps" in page.evaluate(answer)

    def ask(speech: str, compute: str) -> str:
        return page.evaluate(
            "(() => { const { speech, compute } = document.getElementById('decide-form').elements;"
            f"speech.value = {speech!r}; compute.value = {compute!r};"
            "compute.dispatchEvent(new Event('input', { bubbles: true }));"
            f"return {answer}; }})()"
        )

    for budgets in ((0.3, 0.1), (9, 0)):
        option = report.decision.recommend(*budgets)
        assert option is not None
        text = ask(*map(str, budgets))
        steps = f"{option['steps']} step" + ("" if option["steps"] == 1 else "s")
        assert text.startswith(f"{option['arm']}, with {option['shots']} utterance")
        assert f"stopped after {steps}." in text
        assert f"validation voices: {option['validation']:.2f}\u00a0dB" in text
        assert f"test voices, {option['value']:.2f}\u00a0dB ({option['low']:.2f} to" in text
    assert ask("0.3", "0.1").startswith("pretrain_finetune, with 5")
    assert ask("9", "0").startswith("prototype, with 1 utterance, stopped after 0 steps.")
    assert ask("0.01", "9") == "Nothing fits: one needs 0.05\u00a0s of speech at least."
    assert ask("", "-1").startswith("Give both budgets")
