import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import PROVENANCE
from listeners import TASTE, fill, listener

from adaptts.reporting import opinion, tables
from adaptts.reporting.answers import Key, Trial, accept
from adaptts.reporting.listening_test import ListeningTest
from adaptts.reporting.opinion import screen, sign_test, summarise
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results


@pytest.fixture(scope="module")
def key(results: Results) -> Key:
    return ListeningTest.make(results, "pretrain_finetune").key


def ask(key: Key, folder: Path, sheets: list[dict]) -> pd.DataFrame:
    paths = [folder / f"{number}.json" for number in range(len(sheets))]
    for path, sheet in zip(paths, sheets, strict=True):
        path.write_text(json.dumps(sheet))
    return accept(paths, key)


@pytest.fixture(scope="module")
def heard(key: Key, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Twelve listeners of the same mind, but for some points up or down on the scale."""
    sheets = [fill(key, number) for number in range(12)]
    draw = np.random.default_rng(0)
    for sheet in sheets:
        shift = int(draw.integers(-5, 6))
        for answer in sheet["answers"]:
            if answer["part"] == "mushra":
                # The reference is recognised, and the anchor stays at the end of the scale.
                answer["values"] = [
                    value if value in (100, 10) else value + shift for value in answer["values"]
                ]
    return ask(key, tmp_path_factory.mktemp("sheets"), sheets)


def figure(table: pd.DataFrame, part: str, arm: str) -> pd.Series:
    return table.set_index(["part", "arm"]).loc[(part, arm)]


def test_every_arm_gets_what_listeners_think_of_it(results: Results, heard: pd.DataFrame) -> None:
    experiment = results.experiment
    found = summarise(heard, experiment.arms, experiment.report)
    assert (found.baseline, found.listeners, found.excluded) == ("pretrain_finetune", 12, {})
    assert (
        "Left out: 0 who missed the reference in more than 15% of a listener's 2 pairs of "
        "reference and anchor and 6 sets with the hidden reference"
    ) in found.caption("speaker")
    for arm, taste in TASTE.items():
        row = figure(found.table, "mushra", arm)
        assert row["value"] == pytest.approx(100 * taste, abs=3)
        assert row["low"] <= 100 * taste <= row["high"]
    assert figure(found.table, "acr", "natural")["value"] == 5
    gap = figure(found.table, "mushra_difference", "maml")
    assert gap["value"] == pytest.approx(10)  # shifts of a listener fall out
    assert gap["low"] == pytest.approx(10)
    vote = figure(found.table, "ab", "maml")
    assert vote["value"] == 100
    assert vote["p"] == pytest.approx(2 * 0.5 ** vote["listeners"])
    assert vote["p_holm"] == pytest.approx(min(1, 3 * vote["p"]))  # three arms, all as unanimous


def test_whoever_misses_the_reference_is_left_out(key: Key, tmp_path: Path) -> None:
    def asleep(trial: Trial) -> bool:
        return trial.part == "mushra"

    def careless(trial: Trial) -> bool:
        return trial.part == "ab"

    sheets = [fill(key, 0), fill(key, 1, slip=asleep), fill(key, 2, slip=careless)]
    excluded = screen(ask(key, tmp_path, sheets))
    assert excluded == {
        listener(1): "rated the hidden reference below 90 in 6 of 6 trials",
        listener(2): "did not choose the reference beside the anchor in 2 of 2 trials",
    }


def test_fifteen_in_a_hundred_slips_are_forgiven_and_one_always() -> None:
    def rated(low: int, trials: int = 20) -> pd.DataFrame:
        values = [89.0] * low + [90.0] * (trials - low)
        return pd.DataFrame({"listener": "a", "part": "mushra", "arm": "natural", "value": values})

    assert screen(rated(3)) == {}
    assert "in 4 of 20 trials" in screen(rated(4))["a"]
    assert screen(rated(1, trials=2)) == {}
    assert "in 2 of 6 trials" in screen(rated(2, trials=6))["a"]


def test_a_listener_has_one_vote_however_often_they_answer() -> None:
    votes = pd.DataFrame(
        [("a", 1.0)] * 9 + [("b", 0.0), ("c", 1.0), ("d", 1.0), ("e", 0.5)],
        columns=["listener", "value"],
    )
    assert sign_test(votes) == pytest.approx(0.625)  # 3 of 4: 2 · (4 + 1) / 16
    assert np.isnan(sign_test(votes[votes["listener"] == "e"]))


def test_two_listeners_give_no_interval(key: Key, results: Results, tmp_path: Path) -> None:
    experiment = results.experiment
    table = ask(key, tmp_path, [fill(key, 0), fill(key, 1)])
    found = summarise(table, experiment.arms, experiment.report)
    assert found.table["low"].isna().all()
    assert "2 listeners" in tables.markdown(found.grid(0.95))


def test_the_report_shows_answers_to_its_own_test_alone(
    results: Results, heard: pd.DataFrame, key: Key, tmp_path: Path
) -> None:
    assert opinion.of_test(results, key) is None
    strange = replace(results, answers=heard.assign(sounds="0" * 16))
    assert opinion.of_test(strange, key) is None
    Report.make(strange).write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "are to a listening test with other sounds" in page
    assert "What listeners say" not in page
    own = opinion.of_test(replace(results, answers=heard), key)
    assert own is not None
    text = tables.markdown(own.grid(0.95))
    assert "| maml | " in text
    assert "(95% interval" not in text
