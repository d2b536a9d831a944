from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from adaptts.evaluation.verification import equal_error_rate
from adaptts.reporting.comparison import POINTS, compare
from adaptts.reporting.error_rates import detection, error_rates
from adaptts.reporting.results import Results


def trials(
    same_text: bool = False, other: float | None = None, names: str = "abcd"
) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = [
        {"arm": "maml", "speaker": speaker, "shots": 5, "steps": 10, "enrolled": enrolled,
         "target": speaker == enrolled, "same_text": same_text,
         "similarity": generator.normal() + 2 * (speaker == enrolled)}
        for speaker in names
        for enrolled in names
        for _ in range(20)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    own = table["similarity"] if other is None else other
    return table.assign(other_text_similarity=own)


def rates(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    found = pd.DataFrame(error_rates(table, results.experiment.report), columns=POINTS)
    return found.set_index("metric")


def test_rates_are_of_all_trials_with_intervals_around_them(results: Results) -> None:
    table = trials()
    found = rates(table, results)
    values = table["similarity"].to_numpy()
    target = table["target"].to_numpy()
    assert found.loc["eer", "value"] == equal_error_rate(values[target], values[~target])
    assert found.loc["eer", "low"] < found.loc["eer", "value"] < found.loc["eer", "high"]
    assert found.loc["eer", "measured"] == 80
    assert 0 < found.loc["min_dcf", "value"] <= 1
    assert "eer_other_text" not in found.index


def test_other_texts_have_a_rate_of_their_own_where_texts_repeat(results: Results) -> None:
    table = trials(same_text=True)
    table["other_text_similarity"] = table["similarity"] + 9.0 * table["target"]
    found = rates(table, results)
    assert found.loc["eer_other_text", "value"] == 0 < found.loc["eer", "value"]


def test_trials_that_repeat_every_text_are_counted_as_missing(results: Results) -> None:
    found = rates(trials(same_text=True, other=np.nan), results)
    assert np.isnan(found.loc["eer_other_text", "value"])
    assert found.loc["eer_other_text", "missing"] == 80


def test_voices_that_cannot_be_heard_are_counted_as_missing(results: Results) -> None:
    table = trials()
    table.loc[table.index[::4], ["similarity", "other_text_similarity"]] = np.nan
    found = rates(table, results).loc["eer"]
    assert (found["measured"], found["missing"]) == (60, 20)
    assert np.isfinite(detection(table)[["x", "y"]]).all().all()


def test_one_enrolled_speaker_has_no_rate(results: Results) -> None:
    assert rates(trials(names="a"), results).empty


def test_two_speakers_have_a_rate_without_interval(results: Results) -> None:
    found = rates(trials(names="ab"), results).loc["eer"]
    assert np.isfinite(found["value"])
    assert np.isnan(found["low"])


def test_the_tradeoff_crosses_the_diagonal_at_the_rate(results: Results) -> None:
    table = trials()
    line = detection(table)
    nearest = (line["misses"] - line["false_alarms"]).abs().idxmin()
    rate = rates(table, results).loc["eer", "value"]
    # Between two corners lie three non-targets of 240 at the most.
    assert 100 * line.loc[nearest, "misses"] == pytest.approx(rate, abs=1.5)
    assert line["x"].to_numpy() == pytest.approx(norm.ppf(line["false_alarms"]))
    assert np.isfinite(line[["x", "y"]]).all(axis=None)
    assert line["false_alarms"].is_monotonic_decreasing
    assert line["misses"].is_monotonic_increasing


def test_the_tradeoff_of_the_report_is_at_the_headline(results: Results) -> None:
    comparison = compare(results)
    arms = ["average", "prototype", "pretrain_finetune", "maml", "natural", "copy_synthesis"]
    assert sorted(detection(comparison.trials)["arm"].unique()) == sorted(arms)
    stepping = comparison.trials[comparison.trials["arm"] == "maml"]
    assert set(zip(stepping["shots"], stepping["steps"], strict=True)) == {(5, 10)}


def test_results_without_trials_have_no_tradeoff(results: Results) -> None:
    empty = replace(results, verification=results.verification.iloc[:0])
    assert detection(compare(empty).trials).empty
