from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from adaptts.evaluation.statistics import holm
from adaptts.params import ComparisonParams, PairedMetric
from adaptts.reporting.comparison import Comparison, compare
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results, ResultsError

# One speaker with two sentences and two with one, and one seed each.
SENTENCES = [("ann", "a0"), ("ann", "a1"), ("bob", "b0"), ("cyd", "c0")]


def rows(arm: str, metric: str, values: list[float], steps: int = 10) -> list[dict]:
    return [
        {"arm": arm, "speaker": speaker, "seed": 0, "draw": 0, "shots": 5, "steps": steps,
         "utterance": utterance, "metric": metric, "value": value, "note": ""}
        for (speaker, utterance), value in zip(SENTENCES, values, strict=True)
    ]  # fmt: skip


def compared(results: Results, table: list[dict]) -> Comparison:
    """The comparison of arms with these measures and nothing else."""
    empty = results.verification.iloc[:0]
    return compare(
        replace(
            results,
            measures=pd.DataFrame(table),
            references=results.references.iloc[:0],
            verification=empty,
        )
    )


def figure(table: pd.DataFrame, **key: object) -> pd.Series:
    """The only row of `table` with these values."""
    for column, value in key.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_a_value_is_the_mean_over_utterances(results: Results) -> None:
    found = compared(results, rows("maml", "mel_distortion", [1.0, 2.0, 4.0, 5.0]))
    row = figure(found.points, arm="maml", metric="mel_distortion")
    assert row["value"] == 3.0
    assert row["low"] < 3.0 < row["high"]
    assert (row["measured"], row["missing"]) == (4, 0)


def test_missing_values_are_counted_and_left_out(results: Results) -> None:
    found = compared(results, rows("maml", "mel_distortion", [1.0, np.nan, 4.0, np.nan]))
    row = figure(found.points, arm="maml", metric="mel_distortion")
    assert row["value"] == 2.5
    assert (row["measured"], row["missing"]) == (2, 2)


def test_a_word_error_rate_is_of_all_words_together(results: Results) -> None:
    table = [
        *rows("maml", "word_errors", [1.0, 0.0, 0.0, 0.0]),
        *rows("maml", "words", [1.0, 9.0, 5.0, 5.0]),
        *rows("maml", "wer", [100.0, 0.0, 0.0, 0.0]),
    ]
    row = figure(compared(results, table).points, arm="maml", metric="wer")
    assert row["value"] == pytest.approx(100 * 1 / 20)


def test_one_speaker_has_a_value_and_no_interval(results: Results) -> None:
    table = rows("maml", "mel_distortion", [1.0, 2.0, 4.0, 5.0])[:2]
    row = figure(compared(results, table).points, arm="maml", metric="mel_distortion")
    assert row["value"] == 1.5
    assert np.isnan([row["low"], row["high"]]).all()


def test_arms_that_differ_by_chance_are_tied_and_others_are_not(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "mel_distortion", [2.0, 2.1, 2.2, 2.3]),
            *rows("maml", "mel_distortion", [1.9, 2.2, 2.3, 2.1]),
            *rows("average", "mel_distortion", [4.0, 4.1, 4.2, 4.3], steps=0),
        ],
    )
    assert found.best["mel_distortion"] == "maml"
    assert found.verdicts["mel_distortion"].tied == {"pretrain_finetune"}
    assert found.verdicts["mel_distortion"].worse == {"average"}


def test_higher_is_better_for_similarity(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "similarity", [0.8, 0.81, 0.82, 0.83]),
            *rows("maml", "similarity", [0.7, 0.71, 0.72, 0.73]),
        ],
    )
    assert found.best["similarity"] == "pretrain_finetune"
    assert found.verdicts["similarity"].worse == {"maml"}


def test_differences_are_of_the_same_utterances(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "mel_distortion", [2.0, 9.0, 3.0, 4.0]),
            *rows("maml", "mel_distortion", [1.0, np.nan, 2.5, 2.0]),
        ],
    )
    row = figure(found.differences, arm="maml", metric="mel_distortion")
    assert row["baseline"] == "pretrain_finetune"
    assert row["difference"] == pytest.approx(-(1.0 + 0.5 + 2.0) / 3)
    assert row["improvement"] == 1.0
    assert row["p"] == 0.25  # 2 of the 8 patterns of signs of three speakers


def test_planned_comparisons_are_adjusted_together_and_no_others(report: Report) -> None:
    own = report.comparison.differences
    planned = own["metric"] == "mel_distortion"
    p = own.loc[planned, "p"].to_numpy()
    assert own.loc[planned, "p_holm"].to_numpy() == pytest.approx(holm(p))
    assert own.loc[~planned, "p_holm"].isna().all()


def test_a_family_over_two_metrics_holds_twice_as_many(results: Results) -> None:
    plan = ComparisonParams("maml", ["mel_distortion", "mcd"])
    params = replace(results.experiment.report, comparisons=plan)
    experiment = replace(results.experiment, report=params)
    own = compare(replace(results, experiment=experiment)).differences
    assert set(own["baseline"]) == {"maml"}
    planned = own[own["metric"].isin(plan.metrics)]
    assert len(planned) == 6
    assert planned["p_holm"].to_numpy() == pytest.approx(holm(planned["p"].to_numpy()))


def test_a_baseline_without_results_gives_way_to_the_first_arm(results: Results) -> None:
    left = results.measures[results.measures["arm"] != "pretrain_finetune"]
    found = compare(replace(results, measures=left))
    assert found.baseline == "average"
    assert found.planned == []  # nobody planned to compare with it
    assert found.differences["p_holm"].isna().all()


def test_intervals_end_where_a_metric_does(results: Results) -> None:
    table = [
        *rows("maml", "identification", [100.0, 100.0, 100.0, 0.0]),
        *rows("maml", "similarity", [0.9, 0.9, 0.9, 0.2]),
        *rows("maml", "mel_distortion", [2.0, 2.0, 9.0, 4.0]),
    ]
    found = compared(results, table)
    assert found.interval("maml", "identification") == (0, 100)
    assert found.interval("maml", "similarity")[1] == 1


def test_verification_without_a_trial_that_can_be_judged_is_missing(results: Results) -> None:
    deaf = results.verification.assign(similarity=np.nan, other_text_similarity=np.nan)
    points = compare(replace(results, verification=deaf)).points
    assert points.dtypes[["value", "low", "high"]].eq(float).all()
    assert (points.loc[points["metric"] == "eer", "missing"] > 0).all()


def test_params_name_the_metrics_that_can_be_planned() -> None:
    assert set(get_args(PairedMetric)) == {metric.name for metric in METRICS if metric.paired}


def test_differences_have_an_effect_size_and_say_what_could_be_found(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "mel_distortion", [2.0, 2.0, 3.0, 4.0]),
            *rows("maml", "mel_distortion", [1.0, 1.0, 2.5, 2.5]),
        ],
    )
    row = figure(found.differences, arm="maml", metric="mel_distortion")
    # Speakers differ by −1, −0.5 and −1.5: mean −1, deviation 0.5; Hedges' correction is 0.5642.
    assert row["effect"] == pytest.approx(-2 * 0.56419, rel=1e-4)
    assert row["effect_low"] < row["effect"] < row["effect_high"]
    # Three speakers cannot give p ≤ 0.05.
    assert row["detectable"] == np.inf


def test_arms_are_ranked_over_speakers(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "mel_distortion", [2.0, 2.0, 3.0, 4.0]),
            *rows("maml", "mel_distortion", [1.0, 1.0, 3.5, 3.0]),
            *rows("average", "mel_distortion", [5.0, 5.0, 6.0, 7.0], steps=0),
        ],
    )
    (standing,) = found.standings
    assert standing.ranks["arm"].tolist() == ["maml", "pretrain_finetune", "average"]
    assert standing.ranks["rank"].tolist() == pytest.approx([4 / 3, 5 / 3, 3])
    assert standing.ranks["best_share"].sum() == pytest.approx(1)
    assert standing.ranks["best_share"].iloc[2] == 0
    assert standing.speakers == 3
    pair = figure(standing.pairs, arm="average", other="pretrain_finetune")
    assert pair["difference"] == pytest.approx(3)
    assert pair["p"] == 0.25
    assert pair["p_holm"] == pytest.approx(0.75)


def test_arms_with_other_queries_are_refused_by_name(results: Results) -> None:
    table = [
        *rows("pretrain_finetune", "mel_distortion", [2.0, 2.0, 3.0, 4.0]),
        *rows("maml", "mel_distortion", [1.0, 1.0, 2.5, 2.5])[:3],
    ]
    with pytest.raises(ResultsError, match="but maml lacks c0 of cyd with seed 0, which another"):
        compared(results, table)


def test_speakers_with_one_utterance_and_equal_values_are_compared(results: Results) -> None:
    found = compared(
        results,
        [
            *rows("pretrain_finetune", "mel_distortion", [2.0] * 4),
            *rows("maml", "mel_distortion", [2.0] * 4),
        ],
    )
    row = figure(found.differences, arm="maml", metric="mel_distortion")
    assert (row["difference"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)
    assert np.isnan(row["effect"])
    assert found.verdicts["mel_distortion"].tied == {"maml"}


def test_zero_step_arms_stand_at_every_step(report: Report) -> None:
    table = report.comparison.along("steps")
    own = table[(table["arm"] == "average") & (table["metric"] == "mel_distortion")]
    assert own["steps"].tolist() == [0, 2, 10]
    assert len(set(own["value"])) == 1


def test_every_arm_stands_at_the_headline(report: Report) -> None:
    table = report.comparison.at_headline()
    own = table[table["metric"] == "mel_distortion"]
    assert own["arm"].tolist() == ["average", "prototype", "pretrain_finetune", "maml"]
    assert own["steps"].tolist() == [10] * 4 or own["steps"].tolist() == [0, 0, 10, 10]


def test_values_do_not_depend_on_the_order_of_the_measures(results: Results) -> None:
    shuffled = replace(results, measures=results.measures.sample(frac=1, random_state=1))
    key = ["arm", "shots", "steps", "metric"]
    a, b = (compare(r).points.sort_values(key).reset_index(drop=True) for r in (results, shuffled))
    pd.testing.assert_frame_equal(a, b)


def test_equal_error_rates_come_from_the_trials(report: Report) -> None:
    # Every other voice is 0.75 similar, recordings are 0.97 similar to their own.
    assert report.comparison.value("natural", "eer") == 0.0
    assert 0 < report.comparison.value("pretrain_finetune", "eer") < 100
    assert "eer" not in report.comparison.best
