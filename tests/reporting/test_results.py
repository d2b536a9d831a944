import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import EFFECTS, PROVENANCE, SPEAKERS, TEXTS, make_experiment

from adaptts.params import Experiment
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results, ResultsError, load

Make = Callable[[Experiment], Path]


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(path)).to_parquet(path)


def test_reads_a_whole_tree_without_complaint(results: Results) -> None:
    assert results.absent == []
    assert results.arms == list(EFFECTS)
    assert results.zero_step_arms == ["average", "prototype"]
    assert set(results.references["arm"]) == {"natural", "copy_synthesis"}
    assert set(results.training["arm"]) == {"trunk", *EFFECTS}
    assert len(results.training_costs) == 2 * 5
    assert len(results.voice_costs) == len(EFFECTS) * len(SPEAKERS)
    assert results.trials.groupby("arm").size().to_dict() == {"pretrain_finetune": 3, "maml": 3}


def test_zero_step_arms_stand_at_every_step_count(results: Results) -> None:
    assert set(results.at(5, 10)["arm"]) == set(EFFECTS)
    assert set(results.at(5, 2)["arm"]) == set(EFFECTS)


def test_finds_the_sound_of_speakers_with_any_name(results: Results) -> None:
    # 2 sentences of 3 speakers: 2 references, 3 points of 2 arms, 2 of arms without steps.
    assert len(results.clips) == 2 * 3 * (2 + 2 * 3 + 2 * 2)
    assert set(results.clips["speaker"]) == set(SPEAKERS)


def test_keeps_texts_literally(tmp_path: Path, make_tree: Make) -> None:
    tree = make_tree(make_experiment())
    lines = 'utterance,speaker,text\nu1,01,NA\nu2,02,"a, ""b"""\n'
    (tree / "data/corpus/manifest.csv").write_text(lines)
    assert load(tree, make_experiment()).texts == {"u1": "NA", "u2": 'a, "b"'}


def test_texts_of_the_fixture_come_back(results: Results) -> None:
    assert results.texts["s0_0"] == TEXTS[0]
    assert results.texts["s2_1"] == TEXTS[1]


def test_names_every_absent_piece_and_goes_on(make_tree: Make) -> None:
    tree = make_tree(make_experiment())
    shutil.rmtree(tree / "results/maml")
    shutil.rmtree(tree / "results/references")
    (tree / "models/average/1/cost.json").unlink()
    (tree / "data/corpus/manifest.csv").unlink()
    results = load(tree, make_experiment())
    assert results.arms == ["average", "prototype", "pretrain_finetune"]
    told = "\n".join(results.absent)
    for piece in ("results/maml/", "results/references/", "average/1/cost.json", "manifest.csv"):
        assert piece in told


def fail(tree: Path, arm: str) -> None:
    """Leave what the stages of an arm leave whose training with one seed diverged."""
    reasons = {f"train@{arm}-1": "training diverged at <step> 3"}
    for folder in (tree / "results" / arm, tree / "tuning" / arm, tree / "models" / arm / "1"):
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "failed.json").write_text(json.dumps(reasons), encoding="utf-8")


def test_a_failed_arm_leaves_the_others_and_says_why(make_tree: Make, tmp_path: Path) -> None:
    tree = make_tree(make_experiment())
    fail(tree, "maml")
    results = load(tree, make_experiment())
    assert results.arms == ["average", "prototype", "pretrain_finetune"]
    assert results.failed == {"maml": "train@maml-1: training diverged at <step> 3"}
    assert results.absent == []
    report = Report.make(results)
    assert "maml failed. train@maml-1: training diverged at <step> 3" in report.headline()
    report.write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "maml failed and has no results. train@maml-1: training diverged at &lt;step&gt;" in page


def test_when_all_arms_failed_the_error_says_why(make_tree: Make) -> None:
    tree = make_tree(make_experiment())
    for arm in EFFECTS:
        fail(tree, arm)
    with pytest.raises(ResultsError, match="maml failed: train@maml-1: training diverged"):
        load(tree, make_experiment())


def test_no_arm_at_all_is_an_error(make_tree: Make) -> None:
    tree = make_tree(make_experiment())
    shutil.rmtree(tree / "results")
    with pytest.raises(ResultsError, match="run the evaluate stages first"):
        load(tree, make_experiment())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t.head(1)]), "twice"),
        (lambda t: t.assign(value=np.inf), "infinite"),
        (lambda t: t.assign(arm="maml"), "expected average alone"),
        (lambda t: t.drop(columns=["note"]), r"lacks the columns \['note'\]"),
    ],
)
def test_broken_measures_are_errors_that_name_the_file(
    make_tree: Make, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    tree = make_tree(make_experiment())
    path = tree / "results/average/measures.parquet"
    rewrite(path, change)
    with pytest.raises(ResultsError, match=message) as caught:
        load(tree, make_experiment())
    assert str(path) in str(caught.value)


def test_json_that_is_none_is_an_error(make_tree: Make) -> None:
    tree = make_tree(make_experiment())
    (tree / "data/episodes/audit.json").write_text("{")
    with pytest.raises(ResultsError, match=r"audit\.json is not JSON"):
        load(tree, make_experiment())
