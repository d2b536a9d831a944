"""The search for how an arm adapts, on a small store and a strategy that has not trained."""

import pandas as pd
import pytest
import torch
from small_corpus import SPLIT
from small_experiment import open_stage, set_param
from test_strategies import learn

from adaptts.adaptation import read_manner
from adaptts.params import TrialParams
from pipeline.arms import Arm, Data
from pipeline.tune import measure, search, validate

SPACE = {"adam": [0.001, 0.1], "sgd": [0.0001, 0.01]}


@pytest.fixture
def data(utterances, episodes, setting) -> Data:
    return Data(utterances, episodes, setting, torch.device("cpu"))


@pytest.fixture
def arms(setting) -> dict[int, Arm]:
    return {0: Arm(*learn(setting, "pretrain_finetune"))}


def run(data: Data, arms: dict[int, Arm], trials: int, **adaptation) -> pd.DataFrame:
    values = {
        "split.validation": SPLIT.validation,
        "adaptation.trials": trials,
        "adaptation.steps": [0, 1, 3],
        "strategies.pretrain_finetune.adaptation": {"space": SPACE, **adaptation},
        "evaluation.headline": {"shots": 2, "steps": 3},
        "evaluation.points": [{"shots": 2, "steps": 3}],
    }
    for key, value in values.items():
        set_param(key, value)
    return search(open_stage("tune", arm="pretrain_finetune"), data, arms)[0]


def test_the_search_starts_in_the_middle_of_each_rule(folder, data, arms) -> None:
    table = run(data, arms, 3)
    assert list(table["rule"][:2]) == ["adam", "sgd"]
    assert list(table["step_size"][:2]) == pytest.approx([0.01, 0.001])
    assert table.loc[table["chosen"], "distortion"].item() == table["distortion"].min()


def test_an_interrupted_search_ends_as_a_whole_one(folder, data, arms) -> None:
    whole = run(data, arms, 7)
    stage = open_stage("tune", arm="pretrain_finetune")
    stage.clear_scratch()
    # `trials` is no part of the stage's fingerprint here, so that the second call goes on.
    run(data, arms, 3)
    pd.testing.assert_frame_equal(run(data, arms, 7), whole)


def test_every_value_lies_in_the_space(folder, data, arms) -> None:
    table = run(data, arms, 8, anchor=[0.01, 1.0])
    assert table["step_size"].between(table["least"], table["largest"]).all()
    assert table["anchor"].between(0.01, 1.0).all()
    assert set(table["rule"]) == set(SPACE)


def test_a_diverged_trial_is_recorded_and_never_chosen(folder, data, arms) -> None:
    table = run(data, arms, 4, space={"sgd": [1e20, 1e21], "adam": [0.001, 0.01]})
    wild = table["rule"] == "sgd"
    assert set(table.loc[wild, "state"]) == {"diverged"}
    assert table.loc[wild, "distortion"].isna().all()
    assert not table.loc[wild, "chosen"].any()
    assert table["chosen"].sum() == 1


def test_if_every_trial_diverges_the_arm_is_told(folder, data, arms) -> None:
    with pytest.raises(ValueError, match="every trial of pretrain_finetune diverged; give it"):
        run(data, arms, 2, space={"sgd": [1e20, 1e21]})


def test_the_curve_of_the_chosen_trial_averages_to_its_distortion(folder, data, arms) -> None:
    run(data, arms, 3)
    table, curve = search(open_stage("tune", arm="pretrain_finetune"), data, arms)
    assert curve["steps"].tolist() == [1, 3]
    chosen = table.loc[table["chosen"], "distortion"].item()
    assert curve["distortion"].mean() == pytest.approx(chosen, rel=1e-9)


def test_all_shots_are_validated_with_the_chosen_trial(folder, data, arms) -> None:
    set_param("episodes.shots", [1, 2])
    run(data, arms, 2)
    stage = open_stage("tune", arm="pretrain_finetune")
    table, judged = search(stage, data, arms)
    row = table[table["chosen"]].to_dict("records")[0]
    chosen = TrialParams(row["rule"], row["step_size"])
    curve = validate(stage, data, arms, chosen, judged)
    places = list(curve[["shots", "steps"]].itertuples(index=False, name=None))
    assert places == [(1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (2, 3)]
    # What the trial has measured, measured again.
    manner = read_manner(stage.params, "pretrain_finetune")
    again = measure(stage, data, arms[0], 0, manner, chosen, 2, [0, 1, 3]).mean(axis=(0, 2))
    assert curve.loc[curve["shots"] == 2, "distortion"].tolist() == pytest.approx(list(again))


def test_a_voice_that_diverges_leaves_a_gap_in_the_curve(folder, data, arms) -> None:
    judged = pd.DataFrame(columns=["arm", "seed", "shots", "steps", "distortion"])
    run(data, arms, 2)
    stage = open_stage("tune", arm="pretrain_finetune")
    curve = validate(stage, data, arms, TrialParams("sgd", 1e20), judged)
    assert curve.loc[curve["shots"] != 2, "distortion"].isna().all()


def test_an_arm_without_steps_is_validated_as_it_is(folder, data, arms) -> None:
    run(data, arms, 2)
    stage = open_stage("tune", arm="pretrain_finetune")
    curve = validate(stage, data, arms, None, pd.DataFrame())
    assert set(curve["steps"]) == {0}
    assert curve["distortion"].notna().all()
