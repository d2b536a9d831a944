"""Folds of a cross-validation, pooled, say what one experiment on all their speakers would."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import PROVENANCE, make_experiment, write_tree

from adaptts.params import Experiment
from adaptts.reporting import costs, methods, tables
from adaptts.reporting.comparison import compare
from adaptts.reporting.pooling import pool
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results, ResultsError, load

SPEAKERS = ["ann", "bob", "cid", "dan"]
ALONE = [{"test": [name], "validation": [SPEAKERS[number - 1]]}
         for number, name in enumerate(SPEAKERS)]  # fmt: skip
PAIRS = [{"test": ["ann", "bob"], "validation": ["cid"]},
         {"test": ["cid", "dan"], "validation": ["ann"]}]  # fmt: skip


def experiment_of(folds: list[dict[str, list[str]]]) -> Experiment:
    return make_experiment(split={"test": SPEAKERS, "validation": ["val"]}, folds=folds)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One experiment that tests all speakers."""
    experiment = experiment_of([])
    return load(write_tree(tmp_path_factory.mktemp("tree"), experiment), experiment)


def cut(whole: Results, experiment: Experiment) -> list[Results]:
    """What each fold would have left if it had trained the same models."""
    folds = []
    for fold in experiment.folds:
        own = {
            name: table[table["speaker"].isin(fold.test)].reset_index(drop=True)
            for name in ("measures", "references", "verification", "voice_costs", "clips")
            for table in [getattr(whole, name)]
        }
        # Nobody of another fold is enrolled.
        trials = own["verification"]
        own["verification"] = trials[trials["enrolled"].isin(fold.test)]
        split = replace(whole.experiment.split, test=fold.test, validation=fold.validation)
        folds.append(replace(whole, experiment=replace(whole.experiment, split=split), **own))
    return folds


Pooled = Callable[[list[dict[str, list[str]]]], Results]


@pytest.fixture
def pooled(whole: Results) -> Pooled:
    return lambda folds: pool(experiment_of(folds), cut(whole, experiment_of(folds)))


@pytest.mark.parametrize("folds", [ALONE, PAIRS])
def test_figures_intervals_and_tests_are_those_of_all_speakers_at_once(
    pooled: Pooled, whole: Results, folds: list[dict[str, list[str]]]
) -> None:
    together, apart = compare(whole), compare(pooled(folds))
    # Verification holds a voice against those of its own fold alone.
    kinds = ["eer", "min_dcf", "eer_other_text"]
    for name in ("points", "references", "speakers", "differences", "by_step"):
        one, other = (
            table[~table["metric"].isin(kinds)]
            for table in (getattr(together, name), getattr(apart, name))
        )
        keys = [
            column for column in ("arm", "speaker", "metric", "shots", "steps") if column in one
        ]
        expected = one.sort_values(keys).reset_index(drop=True)
        pd.testing.assert_frame_equal(expected, other.sort_values(keys).reset_index(drop=True))


def test_trainings_and_tuning_are_told_apart_by_fold(pooled: Pooled, whole: Results) -> None:
    results = pooled(PAIRS)
    runs = results.training.groupby(["arm", "seed"]).size()
    assert len(runs) == 2 * len(whole.training.groupby(["arm", "seed"]).size())
    assert {"0, fold 1", "0, fold 2"} <= set(results.training["seed"])
    names = [row.name for row in tables.tuning(results).rows]
    assert [name for name in names if name.startswith("maml")] == ["maml, fold 1", "maml, fold 2"]


def test_a_step_size_is_told_only_where_all_folds_have_the_same_search(
    pooled: Pooled, whole: Results
) -> None:
    one, several = (costs.summarise(each).set_index("arm") for each in (whole, pooled(ALONE)))
    assert several["trials"].to_dict() == one["trials"].to_dict()
    assert several.loc["maml", "rule"] == "adam"
    assert one.loc["maml", "step_size"] == 0.002
    assert np.isnan(several.loc["maml", "step_size"])
    assert several.loc["maml", "seeds"] == len(ALONE) * one.loc["maml", "seeds"]


def test_an_arm_that_failed_in_one_fold_is_left_out_of_all(whole: Results) -> None:
    experiment = experiment_of(ALONE)
    folds = cut(whole, experiment)
    without = folds[2].measures[folds[2].measures["arm"] != "maml"]
    folds[2] = replace(folds[2], measures=without, failed={"maml": "train@maml-0: diverged"})
    results = pool(experiment, folds)
    assert results.failed == {"maml": "fold 3: train@maml-0: diverged"}
    assert "maml" not in results.arms
    assert "maml" not in set(results.clips["arm"]) | set(results.trials["arm"])
    Report.make(results)


def test_folds_without_a_common_arm_are_refused(whole: Results) -> None:
    experiment = experiment_of(PAIRS)
    folds = cut(whole, experiment)
    folds[1] = replace(folds[1], measures=folds[1].measures.iloc[:0])
    with pytest.raises(ResultsError, match="average: fold 2: it has no results"):
        pool(experiment, folds)


def test_a_fold_that_was_run_with_another_split_is_refused(whole: Results) -> None:
    folds = cut(whole, experiment_of(PAIRS))
    other = [PAIRS[0], {**PAIRS[1], "validation": ["bob"]}]
    with pytest.raises(ResultsError, match="fold 2 tests .* validates .'ann'., params.yaml says"):
        pool(experiment_of(other), folds)


def test_the_audits_are_summed(whole: Results) -> None:
    experiment = experiment_of(PAIRS)
    first, second = cut(whole, experiment)
    [check] = whole.audit["checks"]
    broken = {"checks": [{**check, "breaches": 2, "example": "ann"}], "relaxed": ["ten texts"]}
    audit = pool(experiment, [first, replace(second, audit=broken)]).audit
    assert audit["relaxed"] == ["ten texts"]
    assert audit["checks"] == [{**check, "breaches": 2, "example": "fold 2: ann"}]


def test_retakes_of_some_speakers_alone_are_no_row(whole: Results) -> None:
    experiment = experiment_of(PAIRS)
    first, second = (replace(fold, retake_note="") for fold in cut(whole, experiment))
    retakes = first.references[first.references["arm"] == "natural"].assign(arm="retake")
    first = replace(first, references=pd.concat([first.references, retakes]))
    assert "retake" in set(pool(experiment, [first, second]).references["arm"])
    without = pool(experiment, [first, replace(second, retake_note="no text is read twice")])
    assert set(without.references["arm"]) == {"natural", "copy_synthesis"}
    assert without.retake_note == "in fold 2 no text is read twice"


def test_the_methods_tell_of_the_folds_and_what_they_do_to_the_statistics(pooled: Pooled) -> None:
    alone, pairs = (
        methods.write(results, compare(results), {}) for results in map(pooled, (ALONE, PAIRS))
    )
    assert "cross-validation of 4 folds, each speaker was tested in exactly one fold; " in alone
    assert (
        "In fold 2, 2 speakers served for training, 1 speaker (ann) for validation and 1 speaker "
        "(bob) for the test." in alone
    )
    assert "independent across folds" in alone
    assert "which speakers of a fold share" not in alone
    assert "which speakers of a fold share" in pairs
    assert "over 4 test speakers" in pairs


def test_the_report_on_all_folds_is_whole(pooled: Pooled, tmp_path: Path) -> None:
    report = Report.make(pooled(ALONE))
    checks = {check.check: check for check in report.checks}
    assert checks[
        "Every arm measured every speaker, sentence and seed at the headline"
    ].outcome == ("pass")
    edges = checks["The chosen step sizes lie inside the space that was searched"].finding
    assert "maml in fold 4 adam" in edges
    outputs = {f"folds/{fold}/results/maml": f"hash{fold}" for fold in (1, 2)}
    report.write(tmp_path, replace(PROVENANCE, outputs=outputs))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "4, each with models of its own" in page
    assert "4 test speakers" in page
    assert "a speaker that validates in one fold is tested in another" in page
    assert '"DVC hash of folds/2/results/maml","hash2"' in page
    headline = (tmp_path / "tables/headline.md").read_text(encoding="utf-8")
    assert all(arm.replace("_", "\\_") in headline for arm in report.results.arms)


def test_a_fold_that_tests_one_speaker_has_a_report_of_its_own(
    whole: Results, tmp_path: Path
) -> None:
    fold = cut(whole, experiment_of(ALONE))[0]
    similar = fold.measures[fold.measures["metric"] == "similarity"]
    # There is nobody to take one for: what every arm has is missing, and so are all error rates.
    nobody = similar.assign(metric="identification", value=np.nan, note="one enrolled speaker")
    fold = replace(fold, measures=pd.concat([fold.measures, nobody]))
    Report.make(fold).write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "1 test speaker" in page
    assert "one enrolled speaker" in page
