"""Where an arm's training begins, and what it may spend from there."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from small_experiment import open_stage, set_param

from adaptts import params
from adaptts.strategies.learner import Learner, read_tensors, seeded
from pipeline import train, trunk
from pipeline.arms import open_arm, open_data, precondition, start_arm

WEIGHTS = Path("models/trunk/0/weights.safetensors")


def run_trunk() -> None:
    trunk.main(open_stage("trunk", seed="0"))


def run_arm(arm: str) -> dict:
    train.main(open_stage("train", arm=arm, seed="0"))
    return json.loads(Path("models", arm, "0/cost.json").read_text(encoding="utf-8"))


def start(arm: str):
    experiment = params.read(Path("params.yaml"))
    data = open_data(experiment)
    return data, start_arm(experiment, data, arm, 0)


@pytest.mark.usefixtures("small")
def test_an_arm_starts_from_the_trunk_unless_it_says_scratch() -> None:
    run_trunk()
    _, arm = start("maml")
    trained = read_tensors(WEIGHTS)
    for name, value in trained.items():
        torch.testing.assert_close(arm.learner.state_dict()[name], value, rtol=0, atol=0)
    set_param("strategies.maml.start", "scratch")
    data, arm = start("maml")
    with seeded(0):
        fresh = Learner(data.setting).state_dict()
    for name, value in fresh.items():
        torch.testing.assert_close(arm.learner.state_dict()[name], value, rtol=0, atol=0)
    assert not torch.equal(fresh["speakers.weight"], trained["speakers.weight"])


@pytest.mark.usefixtures("small")
def test_nothing_of_the_trunk_reaches_an_arm_from_scratch() -> None:
    run_trunk()
    set_param("strategies.maml.start", "scratch")
    run_arm("maml")
    former = read_tensors(Path("models/maml/0/weights.safetensors"))
    shutil.rmtree("models")
    run_arm("maml")
    for name, value in read_tensors(Path("models/maml/0/weights.safetensors")).items():
        torch.testing.assert_close(value, former[name], rtol=0, atol=0)


@pytest.mark.usefixtures("small")
def test_a_trained_arm_keeps_the_preconditioner_of_its_start() -> None:
    set_param("strategies.maml.start", "scratch")
    data, started = start("maml")
    expected = precondition(started.learner, data, 0)
    run_arm("maml")
    arm = open_arm(params.read(Path("params.yaml")), data, "maml", 0)
    assert arm.strategy.preconditioner.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(arm.strategy.preconditioner[name], value, rtol=0, atol=0)


@pytest.mark.usefixtures("small")
def test_arms_spend_the_same_in_all_wherever_they_start() -> None:
    run_trunk()
    from_trunk = run_arm("prototype_finetune")
    set_param("strategies.prototype_finetune.start", "scratch")
    from_scratch = run_arm("prototype_finetune")
    assert (from_trunk["start"], from_scratch["start"]) == ("trunk", "scratch")
    assert from_scratch["trunk_utterance_gradients"] == 0
    step = from_trunk["utterance_gradients_per_step"]
    for cost in (from_trunk, from_scratch):
        assert abs(cost["total_utterance_gradients"] - 240) <= step / 2
    for key in ("utterance_gradients", "wall_seconds", "cpu_seconds"):
        for cost in (from_trunk, from_scratch):
            assert cost[f"total_{key}"] == cost[key] + cost[f"trunk_{key}"]


@pytest.mark.usefixtures("small")
def test_an_unknown_start_names_arm_and_choices() -> None:
    set_param("strategies.maml.start", "trunks")
    with pytest.raises(
        params.ParamsError, match=r"maml.start: got 'trunks'.*\['scratch', 'trunk'\]"
    ):
        run_arm("maml")
