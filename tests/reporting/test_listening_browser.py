"""A listener takes the whole listening test in a real browser, by keyboard alone."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from browser import CHROMIUM, Browser, browsing
from fabricated import PROVENANCE, make_experiment

from adaptts.reporting import answers
from adaptts.reporting.answers import Key
from adaptts.reporting.listening_test import ListeningTest
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results
from pipeline import listening

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"
)

CODES = {"Enter": 13, "Tab": 9, "End": 35, "Home": 36, "PageUp": 33, "Escape": 27}
# What the listener of these tests thinks of whom, in tens.
TASTE = {"natural": 10, "anchor": 0, "mid_anchor": 8, "copy_synthesis": 9, "average": 2,
         "prototype": 3, "pretrain_finetune": 6, "maml": 7}  # fmt: skip
OPINIONS = {"natural": 5, "copy_synthesis": 4, "average": 1, "prototype": 2}


@dataclass
class Listener:
    """Somebody at the keyboard, who knows the key."""

    browser: Browser
    key: Key

    def open(self, reports: Path) -> None:
        self.browser.open(reports / "listening/index.html", "document.querySelector('#screen h1')")

    def press(self, *keys: str) -> None:
        for key in keys:
            code = CODES.get(key) or ord(key.upper())
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            event = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
            self.browser.call("Input.dispatchKeyEvent", type="keyDown", **event)
            self.browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def focus(self, selector: str) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(100):
            if self.browser.evaluate(f'document.activeElement.matches("{selector}")'):
                return
            self.press("Tab")
        raise AssertionError(f"{selector} cannot be reached by Tab")

    def go_on(self) -> None:
        """Press Enter; the next screen must come."""
        position = self.position()
        self.press("Enter")
        assert self.position() == position + 1, self.message()

    def position(self) -> int:
        return int(self.browser.evaluate("document.querySelector('#screen').dataset.position"))

    def checked(self) -> str | None:
        return self.browser.evaluate("document.querySelector('input:checked')?.value")

    def message(self) -> str:
        return self.browser.evaluate("document.querySelector('#message').textContent")

    def title(self) -> str:
        return self.browser.evaluate("document.querySelector('#screen h1').textContent")

    def sounds(self) -> dict[str, str]:
        """Which arm is behind each letter on the screen."""
        shown = self.browser.evaluate(
            "[...document.querySelectorAll('.sound')].map((each) => "
            "[each.textContent.slice(2, 3), each.dataset.sound])"
        )
        return {letter: self.key.sounds[name].arm for letter, name in shown}

    def hear_all(self) -> None:
        for letter in self.sounds():
            self.press(letter.lower())
            self.browser.wait("!document.querySelector('.sound[aria-pressed=true]')")
        unheard = "document.querySelectorAll('.sound').length - document.querySelectorAll("
        assert self.browser.evaluate(f"{unheard}'.sound[aria-label$=heard]').length") == 0

    def answer(self) -> None:
        """Say what this listener thinks of what is on the screen."""
        heard = {letter: arm for letter, arm in self.sounds().items() if letter != "R"}
        if "natural" in self.title():
            self.press(str(OPINIONS.get(heard["A"], 3)))
        elif "Which" in self.title():
            better = TASTE[heard["A"]] > TASTE[heard["B"]]
            self.press("1" if better else "3")
        else:
            for letter, arm in heard.items():
                self.focus(f"[aria-label='Rating of sound {letter}']")
                self.press(*(["End"] if TASTE[arm] == 10 else ["Home"] + TASTE[arm] * ["PageUp"]))

    def take_the_test(self) -> None:
        """From the first screen to the last."""
        self.go_on()
        while self.title() != "Thank you":
            self.hear_all()
            if "Get used" not in self.title():
                self.answer()
            self.go_on()

    def save(self, folder: Path) -> Path:
        """Save the answers; returns the file."""
        self.browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.focus(".save")
        self.press("Enter")
        for _ in range(600):
            found = list(folder.glob("listening-*.json"))
            if found:
                return found[0]
            time.sleep(0.05)
        raise TimeoutError(f"nothing was saved in {folder}")


@pytest.fixture(scope="module")
def short(results: Results) -> Results:
    """The experiment with few trials."""
    report = asdict(results.experiment.report)
    report |= {"bootstrap_samples": 50, "listening": {"acr": 4, "ab": 3, "mushra": 1}}
    return replace(results, experiment=make_experiment(report=report))


@pytest.fixture(scope="module")
def reports(short: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    test = ListeningTest.make(short, "pretrain_finetune")
    test.write(folder / "listening", folder / "listening_key.json")
    return folder


@pytest.fixture
def listener(reports: Path) -> Iterator[Listener]:
    """Before the first screen."""
    with browsing() as browser:
        listener = Listener(browser, answers.read_key(reports / "listening_key.json"))
        listener.open(reports)
        yield listener


def test_answers_go_from_the_keyboard_into_the_tables(
    listener: Listener, short: Results, reports: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    listener.take_the_test()
    sheet = listener.save(tmp_path)
    assert listener.browser.complaints == []

    monkeypatch.chdir(tmp_path)
    values = asdict(short.experiment)
    values["split"]["test"] = ["any"]
    Path("params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(values))), "utf-8")
    listening.main([str(sheet), "--key", str(reports / "listening_key.json")])
    assert "| maml | " in capsys.readouterr().out

    kept = answers.read(Path("listening/answers.csv"))
    rated = kept[kept["part"] == "mushra"]
    taste = {arm: 10 * tens for arm, tens in TASTE.items()}
    assert dict(zip(rated["arm"], rated["value"], strict=True)) == taste
    opinions = kept[kept["part"] == "acr"]
    assert len(opinions) == 4
    assert all(opinions["value"] == opinions["arm"].map(lambda arm: OPINIONS.get(arm, 3)))
    votes = kept[kept["part"] == "ab"]
    assert set(votes["other"]) == {"pretrain_finetune", "anchor"}
    better = votes["arm"].map(TASTE) > votes["other"].map(TASTE)
    assert all(votes["value"] == better)
    assert (kept["plays"] >= 1).all()

    Report.make(replace(short, answers=kept)).write(tmp_path, PROVENANCE)
    table = pd.read_csv("tables/listening.csv").set_index(["part", "arm"])
    assert table.loc[("mushra", "maml"), "value"] == 70
    assert table.loc[("mushra_difference", "maml"), "value"] == 10
    assert "| maml | " in Path("tables/listening.md").read_text("utf-8")
    assert "What listeners say" in Path("index.html").read_text("utf-8")


def test_nobody_goes_on_before_all_is_heard_and_judged(listener: Listener) -> None:
    listener.go_on()
    listener.press("Enter")
    assert listener.position() == 1
    assert listener.message().startswith("Play to the end: the reference, A, B, C")
    listener.hear_all()
    assert listener.message() == ""
    listener.go_on()
    listener.hear_all()
    listener.press("Enter")
    assert listener.message() == "Choose an answer."


def test_an_interruption_loses_nothing(listener: Listener, reports: Path) -> None:
    listener.go_on()
    listener.hear_all()
    listener.go_on()
    listener.hear_all()
    listener.answer()
    shown, checked = listener.sounds(), listener.checked()
    assert checked is not None
    listener.go_on()
    listener.open(reports)  # the page closes, and opens again
    assert listener.position() == 3
    listener.focus("#back")
    listener.press("Enter")
    assert (listener.sounds(), listener.checked()) == (shown, checked)
    listener.go_on()  # nothing needs to be heard again


def test_another_listener_begins_anew(listener: Listener, reports: Path) -> None:
    orders = []
    for _ in range(3):
        with browsing() as browser:
            other = Listener(browser, listener.key)
            other.open(reports)
            other.go_on()
            orders.append(tuple(other.sounds().items()))
    assert len(set(orders)) > 1


def test_the_page_fits_a_phone(listener: Listener) -> None:
    listener.browser.resize(390, 844)
    listener.go_on()
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    while "How close" not in listener.title():
        listener.hear_all()
        if "Get used" not in listener.title():
            listener.answer()
        assert not listener.browser.evaluate(wide), listener.title()
        listener.go_on()
    assert not listener.browser.evaluate(wide)
