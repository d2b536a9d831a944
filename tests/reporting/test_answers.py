import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from listeners import fill, listener

from adaptts.reporting import answers
from adaptts.reporting.answers import ANSWERS, AnswersError, Key, accept
from adaptts.reporting.listening_test import ListeningTest
from adaptts.reporting.results import Results


@pytest.fixture(scope="module")
def key(results: Results) -> Key:
    return ListeningTest.make(results, "pretrain_finetune").key


def hand_in(folder: Path, sheet: Any, name: str = "sheet.json") -> Path:
    path = folder / name
    path.write_text(sheet if isinstance(sheet, str) else json.dumps(sheet), "utf-8")
    return path


def test_an_honest_sheet_becomes_rows(key: Key, tmp_path: Path) -> None:
    table = accept([hand_in(tmp_path, fill(key))], key)
    assert list(table.columns) == ANSWERS
    form = key.forms[0]
    judged = sum(1 if trial.part == "ab" else len(trial.sounds) for trial in form)
    assert len(table) == judged
    assert set(table["listener"]) == {listener(0)}
    votes = table[table["part"] == "ab"]
    # maml is preferred to the baseline, zero-step arms are not; the reference to the anchor is.
    assert set(votes.loc[votes["value"] == 1, "arm"]) == {"maml", "natural"}
    assert set(votes["other"]) == {"pretrain_finetune", "anchor"}
    assert (table.loc[table["arm"] == "natural", "value"].isin([1, 5, 100])).all()


def test_kept_answers_are_read_as_they_were(key: Key, tmp_path: Path) -> None:
    table = accept([hand_in(tmp_path, fill(key))], key)
    answers.write(table, tmp_path / "listening/answers.csv")
    kept = answers.read(tmp_path / "listening/answers.csv")
    pd.testing.assert_frame_equal(kept, table, check_dtype=False)
    assert answers.read(tmp_path / "none.csv").empty


def test_the_same_sheet_counts_once_and_another_of_the_same_listener_not_at_all(
    key: Key, tmp_path: Path
) -> None:
    sheet = fill(key)
    first = hand_in(tmp_path, sheet)
    again = hand_in(tmp_path, sheet, "again.json")
    assert len(accept([first, again], key)) == len(accept([first], key))
    sheet["answers"][0]["plays"] = [9]
    other = hand_in(tmp_path, sheet, "other.json")
    with pytest.raises(AnswersError, match=r"other.json: listener 0+ has handed in other answers"):
        accept([first, other], key)


def set_answer(part: str, **values: Any) -> Callable[[dict], None]:
    def change(sheet: dict) -> None:
        next(each for each in sheet["answers"] if each["part"] == part).update(values)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(schema=2), "has schema 2, expected 1"),
        (lambda s: s.update(listener="<script>alert(1)</script>"), "listener: String should match"),
        (lambda s: s.update(form=999), "there are 24 forms, got 999"),
        (lambda s: s.update(extra=1), "extra: Unexpected keyword"),
        (lambda s: s.pop("started"), "started: Field required"),
        (lambda s: s["answers"].pop(), "must be answered once"),
        (lambda s: s["answers"].append(s["answers"][0]), "must be answered once"),
        (lambda s: s["test"].update(sounds="f" * 16), "another build .* differs in: sounds f"),
        (set_answer("acr", values=[6]), "values must be from 1 to 5, got \\[6"),
        (set_answer("acr", values=[2.5]), "opinions must be whole"),
        (set_answer("acr", values=["5"]), "values.0: Input should be a valid number"),
        (set_answer("acr", values=[1, 1]), "sounds, values and plays differ in length"),
        (set_answer("acr", sounds=["0" * 16]), "the sounds are not those of the form"),
        (set_answer("acr", plays=[0]), "plays.0: Input should be greater"),
        (set_answer("ab", values=[1, 1]), "one of two is chosen, or neither"),
        (set_answer("ab", reference=None), "part or reference are not those of the form"),
        (set_answer("acr", seconds=-1), "seconds: Input should be greater"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    key: Key, tmp_path: Path, change: Callable[[dict], None], message: str
) -> None:
    sheet = fill(key)
    change(sheet)
    with pytest.raises(AnswersError, match=f"sheet.json.*{message}"):
        accept([hand_in(tmp_path, sheet)], key)


@pytest.mark.parametrize("text", ["", "[]", "{", "NaN", '{"schema": NaN}', "x" * 5_000_000])
def test_what_is_no_sheet_is_refused(key: Key, tmp_path: Path, text: str) -> None:
    with pytest.raises(AnswersError, match=r"sheet\.json.* leave it out"):
        accept([hand_in(tmp_path, text)], key)


def test_every_flawed_file_is_named(key: Key, tmp_path: Path) -> None:
    one, two = hand_in(tmp_path, "{", "one.json"), hand_in(tmp_path, "[", "two.json")
    with pytest.raises(AnswersError, match=r"(?s)one\.json.*two\.json.*three\.json"):
        accept([one, hand_in(tmp_path, fill(key)), two, tmp_path / "three.json"], key)


def test_kept_answers_that_somebody_broke_are_refused(key: Key, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    table = accept([hand_in(tmp_path, fill(key))], key)
    for broken, message in [
        (table.drop(columns="value"), "lacks the columns \\['value'\\]"),
        (table.assign(value=101.0), "has values of ab outside of 0 to 1"),
        (table.assign(part="mos"), "has a part 'mos'"),
    ]:
        answers.write(broken, path)
        with pytest.raises(AnswersError, match=message):
            answers.read(path)


def test_a_key_that_is_missing_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="dvc repro report"):
        answers.read_key(tmp_path / "key.json")
