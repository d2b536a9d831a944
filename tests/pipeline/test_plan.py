"""Before anything runs, the user is told what will, and why, or what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_experiment import set_param

from pipeline.plan import make_plan

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

DVC = [sys.executable, "-m", "dvc"]
STAGES = """
stages:
  first:
    matrix: {seed: "${seeds}"}
    cmd: cp code/module.py first-${item.seed}
    deps: [code]
    params: [training.loss]
    outs: ["first-${item.seed}"]
    meta: {resources: {runtime: 5, gpu: 1}}
  second:
    cmd: cp first-0 second
    deps: [first-0]
    params: [report.seed]
    outs: [second]
    meta: {resources: {runtime: 7}}
"""


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository with two small stages, which have run."""
    (folder / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([*DVC, "init", "--quiet"], check=True)
    return folder


def reproduce() -> None:
    subprocess.run([*DVC, "repro", "--quiet"], check=True)


@pytest.mark.usefixtures("repository")
def test_what_has_never_run_is_told_in_order() -> None:
    assert make_plan().summary().splitlines() == [
        "2 of 2 stages to run:",
        "  first@0, second: not run yet",
    ]


@pytest.mark.usefixtures("repository")
def test_a_change_is_told_with_both_values_and_what_comes_after_it() -> None:
    reproduce()
    assert make_plan().summary() == "All 2 stages are up to date."
    set_param("training.loss.mel", 2.0)
    assert make_plan().summary().splitlines() == [
        "2 of 2 stages to run:",
        "  first@0: training.loss.mel 1.0 → 2.0",
        "  second: after the stages that it reads from",
    ]


@pytest.mark.usefixtures("repository")
def test_a_gpu_is_asked_for_where_one_is_used() -> None:
    for device, gpus in (("cpu", 0), ("cuda", 1), ("auto", 1)):
        set_param("training.device", device)
        plan = make_plan()
        asked = {stage.addressing: plan.resources(stage) for stage in plan.graph}
        assert asked["first@0"] == {"runtime": 5, "gpu": gpus}
        assert asked["second"] == {"runtime": 7, "gpu": 0}


@pytest.mark.usefixtures("repository")
def test_stages_with_the_most_to_come_are_the_most_urgent() -> None:
    plan = make_plan()
    urgency = {stage.addressing: plan.urgency(stage) for stage in plan.graph}
    assert urgency == {"first@0": 5 + 7, "second": 7}


def test_changed_files_are_told(repository: Path) -> None:
    reproduce()
    (repository / "code/module.py").write_text("ONE = 2\n", encoding="utf-8")
    (repository / "second").unlink()
    plan = make_plan()
    assert dict(plan.reasons) == {"first@0": "code modified", "second": "second deleted"}


def test_a_folder_without_git_is_told_what_to_do(folder: Path) -> None:
    (folder / ".dvc").mkdir()
    with pytest.raises(ValueError, match="git init"):
        make_plan()


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.channels", 0, "model.channels: got 0"),
        ("strategies.maml.inner_stepz", 3, "strategies.maml.inner_stepz: unknown key"),
    ],
)
def test_params_that_break_a_rule_are_told(key: str, value: int, message: str) -> None:
    set_param(key, value)
    with pytest.raises(ValueError, match=message):
        make_plan()


@pytest.mark.usefixtures("repository")
def test_of_many_items_the_number_is_told() -> None:
    set_param("seeds", [0, 1, 2, 3, 4])
    assert "first@… (5), second: not run yet" in make_plan().summary()


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("arm", "adaptation", "message"),
    [
        ("average", {"tempo": 0.1}, "average takes no gradient steps; remove it"),
        ("maml", {"space": {"learned": [0.5, 1.0]}}, "maml learns no rates; remove the rule"),
        ("maml", {"space": {rule: [0.1, 0.2] for rule in ("sgd", "adam", "preconditioned_sgd")}},
         "3 update rules for 2 trials"),
    ],
)  # fmt: skip
def test_a_manner_that_does_not_fit_its_strategy_is_told_at_once(arm, adaptation, message) -> None:
    set_param(f"strategies.{arm}.adaptation", adaptation)
    with pytest.raises(ValueError, match=rf"strategies\.{arm}\.adaptation.*{message}"):
        make_plan()
