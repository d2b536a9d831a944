"""Which arm is called best, and which are told apart from it: sounds that failed speak for none."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import PROVENANCE, make_experiment

from adaptts.evaluation.statistics import draw, interval, mean
from adaptts.reporting.answer import answer
from adaptts.reporting.comparison import Comparison, compare
from adaptts.reporting.metrics import BY_NAME
from adaptts.reporting.page import render
from adaptts.reporting.panel import Sample
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results
from adaptts.reporting.verdicts import Verdict, judge
from benchmarks.inference import UTTERANCES, Noise, simulate

MCD = BY_NAME["mcd"]


def judged(values: np.ndarray) -> Verdict:
    """The verdict on arms a, b, … with these values [arms, speakers, utterances, seeds]."""
    generator = np.random.default_rng(1)
    draws = draw(np.ones(values.shape[1:3], dtype=bool), values.shape[3], 500, generator)
    found = judge(MCD, [chr(97 + arm) for arm in range(len(values))], Sample(values, None), draws,
                  0.95)  # fmt: skip
    assert found is not None
    return found


def noisy(arms: int, speakers: int = 12) -> np.ndarray:
    noise = Noise(speaker=0.2, utterance=0.1, speaker_seed=0.1, rest=0.1)
    return 5 + simulate((arms, speakers, UTTERANCES, 3), noise, np.random.default_rng(5))


def fail(results: Results, arm: str, count: int) -> Results:
    """The worst `count` sounds of an arm at the headline fail, and all that is heard of them."""
    measures, point = results.measures.copy(), results.experiment.evaluation.headline
    heard = measures["metric"].isin(["mcd", "similarity", "f0_rmse", "words", "word_errors", "wer"])
    own = heard & (measures["arm"] == arm) & (measures["shots"] == point.shots)
    own &= measures["steps"] == point.steps
    worst = measures[own & (measures["metric"] == "mcd")].sort_values("value").tail(count)
    keys = ["speaker", "seed", "utterance"]
    gone = own & pd.MultiIndex.from_frame(measures[keys]).isin(
        pd.MultiIndex.from_frame(worst[keys])
    )
    measures.loc[gone, "value"] = np.nan
    return replace(results, measures=measures)


@pytest.mark.parametrize("count", [6, 18])
def test_an_arm_whose_sounds_fail_is_never_best_by_them(results: Results, count: int) -> None:
    broken = fail(results, "pretrain_finetune", count)
    comparison = compare(broken)
    assert comparison.best["mel_distortion"] == "pretrain_finetune"  # that needs no sound
    for metric in ("mcd", "similarity", "f0_rmse", "wer"):
        assert compare(results).best[metric] == "pretrain_finetune"
        assert comparison.best[metric] == "maml"
        assert comparison.verdicts[metric].lacking == {"pretrain_finetune": count}
    heard = next(said for said in answer(broken, comparison).details if said.startswith("MCD"))
    assert f"missing values keep pretrain_finetune ({count} of 24) from being best" in heard
    assert "maml 6" in heard
    if count == 6:  # with more, no two speakers are left whom all arms have
        (standing,) = [own for own in comparison.standings if own.metric is MCD]
        shares = standing.ranks.set_index("arm")["best_share"]
        assert np.isnan(shares["pretrain_finetune"])
        assert shares.drop("pretrain_finetune").sum() == pytest.approx(1)


def test_an_arm_that_lacks_the_primary_metric_is_named_in_the_verdict(results: Results) -> None:
    measures = results.measures.copy()
    own = (measures["arm"] == "pretrain_finetune") & (measures["metric"] == "mel_distortion")
    headline = own & (measures["shots"] == 5) & (measures["steps"] == 10)
    measures.loc[measures.index[headline][:3], "value"] = np.nan
    broken = replace(results, measures=measures)
    verdict = answer(broken, compare(broken)).verdict
    assert "pretrain_finetune is best" not in verdict
    assert verdict.endswith("Missing values keep pretrain_finetune (3 of 24) from being best.")


def test_what_all_arms_lack_is_held_against_none() -> None:
    values = noisy(3)
    values[:, 0, 0] = np.nan  # as where a recording has no voice to compare with
    assert judged(values).lacking == {}
    values[:, 1, 0, 0] = np.nan
    values[0, 2, 0, 0] = np.nan
    assert judged(values).lacking == {"a": 1}


def test_where_every_arm_lacks_something_none_is_best() -> None:
    values = noisy(2)
    values[0, 0, 0, 0] = values[1, 1, 0, 0] = np.nan
    found = judged(values)
    assert found.best is None
    assert found.lacking == {"a": 1, "b": 1}


def test_without_an_interval_nothing_is_tied_nor_worse() -> None:
    values = noisy(3, speakers=2) + 4 * np.arange(3)[:, None, None, None]
    found = judged(values)
    assert found.best == "a"
    assert found.tied == found.worse == frozenset()
    values = noisy(3)
    values[2, 2:] = np.nan  # two speakers are left of this arm
    found = judged(values)
    assert "c" not in found.tied | found.worse | {found.best}


def test_intervals_hold_for_all_pairs_of_arms_together() -> None:
    values = noisy(14)
    values[1:] += 0.25
    draws = draw(np.ones((12, UTTERANCES), dtype=bool), 3, 500, np.random.default_rng(1))
    gaps = values[1:] - values[0]
    best = int(np.argmin(mean(values)))
    assert best == 0
    single = interval(gaps, draws.means(gaps), 0.95)
    wide = interval(gaps, draws.means(gaps), 0.95, together=91)
    assert (wide.low < single.low).all()
    assert (wide.high > single.high).all()
    found = judged(values)
    assert found.pairs == 91
    assert len(found.worse) == (wide.low > 0).sum() < single.apart.sum()


def test_three_arms_and_many_speakers_are_told_apart() -> None:
    values = noisy(3, speakers=30) + 0.5 * np.arange(3)[:, None, None, None]
    assert judged(values).worse == {"b", "c"}


def of_two_speakers(results: Results) -> Results:
    experiment = make_experiment()
    kept = experiment.split.test[:2]
    object.__setattr__(experiment.split, "test", kept)
    names = ("measures", "references", "verification", "clips")
    tables = {name: getattr(results, name) for name in names}
    left = {name: table[table["speaker"].isin(kept)] for name, table in tables.items()}
    left["verification"] = left["verification"].query("enrolled in @kept")
    return replace(results, experiment=experiment, **left)


def test_two_speakers_tell_nothing_and_every_part_of_the_page_says_so(
    results: Results,
) -> None:
    report = Report.make(of_two_speakers(results))
    said = answer(report.results, report.comparison)
    assert "whether that is chance cannot be told with 2 test speakers" in said.verdict
    assert not any("a tie" in line or "told apart from" in line
                   for line in [said.verdict, *said.details])  # fmt: skip
    assert report.comparison.mark("maml", "mcd") == ""
    (flag,) = [check for check in report.checks if "enough test speakers" in check.check]
    assert flag.outcome == "flag"
    page = render(report.results, report.comparison, report.checks, report.decision,
                  defaultdict(dict), PROVENANCE)  # fmt: skip
    shown = page[: page.index("</main>")]
    for claim in ("95% interval", "Bands:", "best in 1", '<span class="near">≈', "≈ marks"):
        assert claim not in shown, claim
    assert "With 2 test speakers there are no intervals" in shown
    assert "There are no intervals: 2 test speakers are too few" in shown


def test_captions_call_single_intervals_single_and_count_them(written: Path) -> None:
    page = (written / "index.html").read_text(encoding="utf-8")
    assert "which holds for all 6 pairs of arms at once (Bonferroni)" in page
    assert "These are 9 single intervals" in page  # of three arms after three numbers of steps
    assert "each a single one" in page


def test_one_verdict_is_on_every_metric_that_is_measured(report: Report) -> None:
    comparison: Comparison = report.comparison
    assert set(comparison.verdicts) >= {"mel_distortion", "mcd", "wer", "similarity"}
    assert "eer" not in comparison.verdicts
