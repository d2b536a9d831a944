from dataclasses import replace

import pandas as pd
import pytest

from adaptts.reporting.answer import answer, listed
from adaptts.reporting.comparison import Comparison, compare
from adaptts.reporting.report import Report


def judged(comparison: Comparison, **sets: object) -> Comparison:
    """The same with another verdict on mel distortion."""
    verdict = replace(comparison.verdicts["mel_distortion"], **sets)
    return replace(comparison, verdicts=comparison.verdicts | {"mel_distortion": verdict})


def answered(report: Report, comparison: Comparison) -> str:
    return answer(report.results, comparison).verdict


def test_a_winner_is_named_with_value_and_interval(report: Report) -> None:
    others = frozenset({"average", "prototype", "maml"})
    verdict = answered(report, judged(report.comparison, tied=frozenset(), worse=others))
    low, high = report.comparison.interval("pretrain_finetune", "mel_distortion")
    assert verdict == (
        f"With 5 utterances and 10 adaptation steps, pretrain_finetune is best: a mel "
        f"distortion of 2.45\u00a0dB ({low:.2f} to {high:.2f}), less than every other arm (at 95%, "
        f"for all 6 pairs of arms together)."
    )


def test_a_tie_is_called_a_tie(report: Report) -> None:
    tied, worse = frozenset({"maml"}), frozenset({"average", "prototype"})
    verdict = answered(report, judged(report.comparison, tied=tied, worse=worse))
    assert "it is a tie between pretrain_finetune and maml." in verdict
    assert "it is better than average and prototype (at 95%, for all 6 pairs" in verdict


def test_a_tie_of_all_is_called_a_tie(report: Report) -> None:
    tied = frozenset({"maml", "average", "prototype"})
    verdict = answered(report, judged(report.comparison, tied=tied, worse=frozenset()))
    assert "it is a tie" in verdict
    assert "is not told apart from any other arm" in verdict


def test_absent_arms_are_named(report: Report) -> None:
    comparison = replace(report.comparison, arms=["average", "pretrain_finetune"])
    verdict = answered(report, comparison)
    assert verdict.endswith("There are no results of prototype and maml.")


def test_an_arm_alone_wins_nothing(report: Report) -> None:
    comparison = judged(report.comparison, arms=("pretrain_finetune",))
    assert "no other arm to compare it with" in answered(report, comparison)


def test_an_arm_without_values_is_not_beaten(report: Report) -> None:
    measures = report.results.measures
    gone = (measures["arm"] == "maml") & (measures["metric"] == "mel_distortion")
    bare = replace(report.results, measures=measures.assign(value=measures["value"].mask(gone)))
    assert "maml" not in answered(report, compare(bare))


def test_nothing_measured_gives_no_answer(report: Report) -> None:
    assert "no answer" in answered(report, replace(report.comparison, verdicts={}))


def test_details_tell_who_leads_where(report: Report) -> None:
    details = answer(report.results, report.comparison).details
    along = next(sentence for sentence in details if "along steps" in sentence)
    assert along.endswith("prototype at 0 steps; pretrain_finetune at 2 to 10 steps.")


def test_details_admit_too_few_speakers_for_the_test(report: Report) -> None:
    details = answer(report.results, report.comparison).details
    assert "below 0.25, nor below 0.75 after Holm's correction for 3 comparisons" in details[-1]


def test_enough_speakers_need_no_excuse(report: Report) -> None:
    many = report.comparison.differences.assign(speakers=20)
    details = answer(report.results, replace(report.comparison, differences=many)).details
    assert not any("Holm" in sentence for sentence in details)


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: list[str], text: str) -> None:
    assert listed(names) == text


def test_a_single_arm_has_no_leaders(report: Report) -> None:
    points = report.comparison.points
    alone = replace(
        report.comparison,
        arms=["maml"],
        points=points[points["arm"] == "maml"],
        differences=pd.DataFrame(columns=report.comparison.differences.columns),
    )
    assert not any("Lowest" in sentence for sentence in answer(report.results, alone).details)
