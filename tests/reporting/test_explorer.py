from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from adaptts.params import PointParams
from adaptts.reporting.comparison import compare
from adaptts.reporting.explorer import View, explore, places
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results


@pytest.fixture(scope="module")
def views(report: Report) -> list[View]:
    return list(explore(report.results, report.comparison))


def find(views: Sequence[View], point: PointParams, speaker: str | None) -> View:
    (found,) = [view for view in views if (view.point, view.speaker) == (point, speaker)]
    return found


def test_the_headline_comes_first_and_is_the_comparison_itself(
    report: Report, views: list[View]
) -> None:
    assert places(report.results, report.comparison)[0] == report.comparison.headline
    assert views[0].comparison is report.comparison


def test_all_points_of_the_curves_can_be_chosen(report: Report) -> None:
    found = {(place.shots, place.steps) for place in places(report.results, report.comparison)}
    assert found == {(5, 0), (5, 2), (5, 10), (1, 10)}


def test_elsewhere_the_best_and_the_differences_are_those_of_that_point(
    report: Report, views: list[View]
) -> None:
    before = find(views, PointParams(5, 0), None).comparison
    assert report.comparison.best["mel_distortion"] == "pretrain_finetune"
    assert before.best["mel_distortion"] == "prototype"
    gap = before.value("maml", "mel_distortion") - before.value(
        "pretrain_finetune", "mel_distortion"
    )
    row = before.differences.set_index(["arm", "metric"]).loc[("maml", "mel_distortion")]
    assert row["difference"] == pytest.approx(gap)
    # These two differ by the same for every voice there, so that the interval has no width.
    assert [row["low"], row["high"]] == pytest.approx([gap, gap])


def test_only_what_was_planned_is_corrected(report: Report, views: list[View]) -> None:
    assert report.comparison.differences["p_holm"].notna().any()
    elsewhere = find(views, PointParams(5, 2), None).comparison
    assert elsewhere.planned == []
    assert elsewhere.differences["p"].notna().any()
    assert elsewhere.differences["p_holm"].isna().all()
    assert report.comparison.by_step["p_holm"].isna().all()


@pytest.mark.parametrize("speaker", [None, "f1"])
def test_a_metric_that_nobody_could_measure_is_left_out(
    results: Results, speaker: str | None
) -> None:
    measures = results.measures
    test = results.experiment.split.test
    gone = measures["metric"].isin(["wer", "word_errors", "words"])
    if speaker is not None:
        gone &= measures["speaker"] == test[0]
    deaf = replace(results, measures=measures.assign(value=measures["value"].mask(gone)))
    shown = list(explore(deaf, compare(deaf)))
    own = find(shown, shown[0].point, test[0]).comparison.differences
    assert "wer" not in set(own["metric"])
    assert "mel_distortion" in set(own["metric"])


def test_elsewhere_a_difference_that_varies_has_an_interval_around_it(views: list[View]) -> None:
    point = find(views, PointParams(5, 2), None).comparison
    row = point.differences.set_index(["arm", "metric"]).loc[("prototype", "mel_distortion")]
    assert row["low"] < row["difference"] < row["high"]


@pytest.mark.parametrize("metric", ["mel_distortion", "wer", "similarity"])
def test_a_speaker_has_means_without_intervals(
    report: Report, views: list[View], metric: str
) -> None:
    results, point = report.results, report.comparison.headline
    speaker = results.experiment.split.test[1]
    own = find(views, point, speaker).comparison
    speakers = report.comparison.speakers
    for arm in ("average", "maml", "natural"):
        chosen = (speakers["arm"] == arm) & (speakers["speaker"] == speaker)
        expected = speakers.loc[chosen & (speakers["metric"] == metric), "value"]
        if len(expected):
            assert own.value(arm, metric) == pytest.approx(float(expected.iloc[0]))
            assert np.isnan(own.interval(arm, metric)).all()
    gap = own.value("maml", metric) - own.value("pretrain_finetune", metric)
    rows = own.differences.set_index(["arm", "metric"])
    assert rows.at[("maml", metric), "difference"] == pytest.approx(gap)
    assert np.isnan(rows.at[("maml", metric), "low"])
    assert own.verdicts == {}
