"""An arm that diverges is a result; the others' stages and report go on."""

import json
from pathlib import Path

import pytest
from small_corpus import SPLIT
from small_experiment import open_stage, set_param

from adaptts.inner_loop import DivergedError
from pipeline import adapt, evaluate, train, trunk, tune
from pipeline.stage import Stage, carry_out, run


def reasons(folder: str) -> dict[str, str]:
    (path,) = Path(folder).iterdir()
    assert path.name == "failed.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("small")
def test_a_training_that_diverges_is_passed_on_as_a_failure() -> None:
    set_param("seeds", [0, 1])
    for seed in ("0", "1"):
        trunk.main(open_stage("trunk", seed=seed))
    carry_out(train.main, open_stage("train", arm="maml", seed="0"), DivergedError)
    set_param("strategies.maml.outer_rate", 1e30)
    stage = open_stage("train", arm="maml", seed="1")
    carry_out(train.main, stage, DivergedError)
    failed = reasons("models/maml/1")
    assert failed.keys() == {"train@maml-1"}
    assert failed["train@maml-1"].startswith("training diverged at step ")
    assert not Path("scratch", stage.address).exists()
    # The arm as a whole is out, for its means would be over fewer seeds than those of the others.
    speaker = SPLIT.test[0]
    carry_out(tune.main, open_stage("tune", arm="maml"), DivergedError)
    carry_out(adapt.main, open_stage("adapt", arm="maml", speaker=speaker))
    carry_out(evaluate.main, open_stage("evaluate", arm="maml"))
    for folder in ("tuning/maml", f"voices/maml/{speaker}", "results/maml"):
        assert reasons(folder) == failed


@pytest.mark.usefixtures("small")
def test_a_failure_goes_when_its_cause_does() -> None:
    trunk.main(open_stage("trunk", seed="0"))
    set_param("strategies.maml.outer_rate", 1e30)
    carry_out(train.main, open_stage("train", arm="maml", seed="0"), DivergedError)
    set_param("strategies.maml.outer_rate", 1e-3)
    carry_out(train.main, open_stage("train", arm="maml", seed="0"), DivergedError)
    assert Path("models/maml/0/weights.safetensors").exists()
    assert not Path("models/maml/0/failed.json").exists()
    carry_out(tune.main, open_stage("tune", arm="maml"), DivergedError)
    assert Path("tuning/maml/trials.csv").exists()


@pytest.mark.usefixtures("small")
def test_the_trunk_of_all_arms_may_not_fail() -> None:
    set_param("training.trunk.learning_rate", 1e30)
    with pytest.raises(DivergedError):
        carry_out(trunk.main, open_stage("trunk", seed="0"))
    assert not Path("models/trunk/0").exists()


@pytest.mark.usefixtures("small")
def test_an_error_of_an_arm_says_how_to_go_on_without_it(monkeypatch) -> None:
    def main(stage: Stage) -> None:
        raise ValueError("an episode is too large")

    monkeypatch.setattr("sys.argv", ["train.py", "--arm", "maml", "--seed", "0"])
    with pytest.raises(SystemExit) as error:
        run(main, ["arm", "seed"], DivergedError)
    assert str(error.value).splitlines() == [
        "train@maml-0: an episode is too large",
        "The other arms' stages go on. For a report without maml, remove it from arms in "
        "params.yaml and run again.",
    ]
