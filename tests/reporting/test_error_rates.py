from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from adaptts.evaluation.verification import equal_error_rate
from adaptts.reporting.comparison import POINTS, compare
from adaptts.reporting.error_rates import LEAST_TRIALS, crossings, detection, error_rates
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


def test_equal_error_rates_are_marked_as_the_tables_have_them(results: Results) -> None:
    table = trials()
    (marked,) = crossings(table).to_dict("records")
    assert marked["eer"] == rates(table, results).loc["eer", "value"]
    assert marked["exact"]
    assert marked["place"] == pytest.approx(norm.ppf(marked["eer"] / 100))


def test_an_equal_error_rate_of_nothing_stands_where_the_drawn_line_crosses() -> None:
    table = trials()
    table["similarity"] += 99.0 * table["target"]
    (marked,) = crossings(table).to_dict("records")
    assert marked["eer"] == 0
    assert not marked["exact"]
    line = detection(table)
    # 80 targets and 240 others: half a trial of the fewer.
    assert marked["place"] == pytest.approx(norm.ppf(0.5 / 80))
    assert line["y"].min() == pytest.approx(marked["place"])
    assert line["x"].min() < marked["place"]


def test_few_trials_are_not_drawn() -> None:
    table = trials(names="ab")
    table = table[table.groupby(["speaker", "enrolled"]).cumcount() < LEAST_TRIALS // 2]
    assert set(detection(table)["arm"]) == set(crossings(table)["arm"]) == {"maml"}
    assert detection(table.iloc[1:]).empty  # 19 targets
    assert crossings(table.iloc[1:]).empty


def test_the_tradeoff_of_the_report_is_at_the_headline(results: Results) -> None:
    comparison = compare(results)
    # Recordings have a trial per sentence, 12 targets in all: fewer than LEAST_TRIALS.
    arms = ["average", "prototype", "pretrain_finetune", "maml"]
    assert sorted(detection(comparison.trials)["arm"].unique()) == sorted(arms)
    stepping = comparison.trials[comparison.trials["arm"] == "maml"]
    assert set(zip(stepping["shots"], stepping["steps"], strict=True)) == {(5, 10)}


def test_results_without_trials_have_no_tradeoff(results: Results) -> None:
    empty = replace(results, verification=results.verification.iloc[:0])
    assert detection(compare(empty).trials).empty
