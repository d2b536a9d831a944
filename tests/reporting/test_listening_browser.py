"""A listener takes the whole listening test in a real browser, by keyboard alone."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from browser import CHROMIUM, Browser, browsing
from fabricated import PROVENANCE, make_experiment

from adaptts.reporting import answers
from adaptts.reporting.answers import Key
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results
from pipeline import listening

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"
)

CODES = {"Enter": 13, "Tab": 9, "End": 35, "Home": 36, "PageUp": 33, "Escape": 27}
# What the listener of these tests thinks of whom, in tens.
TASTE = {"natural": 10, "anchor": 0, "copy_synthesis": 9, "average": 2, "prototype": 3,
         "pretrain_finetune": 6, "maml": 7}  # fmt: skip
OPINIONS = {"natural": 5, "copy_synthesis": 4, "average": 1, "prototype": 2}


@dataclass
class Listener:
    """Somebody at the keyboard, who knows the key."""

    browser: Browser
    key: Key

    def press(self, *keys: str) -> None:
        for key in keys:
            code = CODES.get(key) or ord(key.upper())
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            event = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
            self.browser.call("Input.dispatchKeyEvent", type="keyDown", **event)
            self.browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def go_on(self) -> None:
        """Press Enter; the next screen must come."""
        position = self.position()
        self.press("Enter")
        assert self.position() == position + 1, self.message()

    def position(self) -> int:
        return int(self.browser.evaluate("document.querySelector('#screen').dataset.position"))

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
        if "natural?" in self.title():
            self.press(str(OPINIONS.get(heard["A"], 3)))
        elif "Which" in self.title():
            better = TASTE[heard["A"]] > TASTE[heard["B"]]
            self.press("1" if better else "3")
        else:
            for letter, arm in heard.items():
                label = f"document.activeElement.getAttribute('aria-label') === '{{}} {letter}'"
                while not self.browser.evaluate(label.format("Rating of sound")):
                    self.press("Tab")
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
        while not self.browser.evaluate("document.activeElement.className === 'save'"):
            self.press("Tab")
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
    listening = {"acr": 6, "ab": 3, "mushra": 2}
    report = {"bootstrap_samples": 50, "confidence": 0.95, "seed": 1, "listening": listening}
    return replace(results, experiment=make_experiment(report=report))


@pytest.fixture(scope="module")
def reports(short: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    Report.make(short).write(folder, PROVENANCE)
    return folder


@pytest.fixture
def listener(reports: Path) -> Iterator[Listener]:
    """Before the first screen."""
    with browsing() as browser:
        listener = Listener(browser, answers.read_key(reports / "listening_key.json"))
        browser.open(reports / "listening/index.html", "document.querySelector('#screen h1')")
        yield listener


def test_answers_go_from_the_keyboard_into_the_table(
    listener: Listener, short: Results, reports: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    listener.take_the_test()
    path = listener.save(tmp_path)
    assert listener.browser.complaints == []

    monkeypatch.chdir(tmp_path)
    text = "\n".join(json.dumps({"report": 1}))
    del text
    table = answers.accept([path], listener.key)
    judged = table[table["part"] == "mushra"]
    assert dict(zip(judged["arm"], judged["value"], strict=True)) == {
        arm: 10 * TASTE[arm] for arm in judged["arm"]
    }
    assert (table["plays"] >= 1).all()

    answers.write(table, tmp_path / "listening/answers.csv")
    shown = replace(short, answers=answers.read(tmp_path / "listening/answers.csv"))
    (tmp_path / "reports").mkdir()
    Report.make(shown).write(tmp_path / "reports", PROVENANCE)
    found = pd.read_csv(tmp_path / "reports/tables/listening.csv").set_index(["part", "arm"])
    assert found.loc[("mushra", "natural"), "value"] == 100
    assert found.loc[("mushra", "maml"), "value"] == 70
    page = (tmp_path / "reports/index.html").read_text(encoding="utf-8")
    assert "What listeners say" in page
    assert listening.KEPT.name == "answers.csv"
