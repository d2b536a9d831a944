"""A training has one run in MLflow, below the run of its experiment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_experiment import ROOT, open_stage, set_param

from pipeline import tracking
from pipeline.stage import Stage


@pytest.fixture(autouse=True)
def _local(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Track into the test's folder."""
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(variable, raising=False)


def train() -> Stage:
    return open_stage("train", arm="maml", seed="0")


def train_until(step: int, error: type[BaseException] | None = None) -> None:
    with tracking.training(train()) as log:
        for past in range(step):
            log(past + 1, {"loss": 1 / (past + 1)})
        if error:
            raise error


def find(stage: str) -> list:
    client = tracking.connect()
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return [run for run in runs if run.data.tags[tracking.STAGE] == stage]


def curve(run_id: str) -> list[tuple[int, float]]:
    history = tracking.connect().get_metric_history(run_id, "loss")
    return sorted((metric.step, metric.value) for metric in history)


def test_the_run_of_every_training_is_found_and_replaced_ones_are_not() -> None:
    command = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    assert tracking.tracked(train()) == ({}, "", command)
    train_until(1)
    (first,) = find("train@maml-0")
    assert tracking.tracked(train()) == ({"train@maml-0": first.info.run_id}, "", command)
    set_param("strategies.maml.inner_steps", 2)
    train_until(1)
    runs, *_ = tracking.tracked(train())
    assert set(runs) == {"train@maml-0"}
    assert runs["train@maml-0"] != first.info.run_id


def test_a_training_is_a_run_below_its_experiment() -> None:
    train_until(3)
    (parent,), (run,) = find(tracking.WHOLE), find("train@maml-0")
    assert parent.info.run_name == "smoke"
    assert run.info.run_name == "train@maml-0"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.params["strategies.maml.inner_steps"] == "3"
    assert run.data.params["seed"] == "0"
    assert curve(run.info.run_id) == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert run.data.metrics["system/cpu_seconds"] > 0
    assert run.data.metrics["system/peak_memory_bytes"] > 1e6


def test_a_finished_training_gets_no_second_run() -> None:
    train_until(2)
    train_until(3)
    (run,) = find("train@maml-0")
    assert len(curve(run.info.run_id)) == 2


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_an_unfinished_training_goes_on_in_its_run(error: type, status: str) -> None:
    with pytest.raises(error):
        train_until(2, error)
    (run,) = find("train@maml-0")
    assert run.info.status == status
    train_until(3)
    (run,) = find("train@maml-0")
    assert run.info.status == "FINISHED"
    assert {step for step, _ in curve(run.info.run_id)} == {1, 2, 3}


def test_a_changed_training_gets_a_run_and_marks_the_former_one() -> None:
    train_until(1)
    set_param("strategies.maml.inner_steps", 4)
    train_until(1)
    runs = find("train@maml-0")
    marks = {
        run.data.params["strategies.maml.inner_steps"]: run.data.tags[tracking.SUPERSEDED]
        for run in runs
    }
    assert marks == {"3": "true", "4": "false"}
    assert len(find(tracking.WHOLE)) == 1


def test_the_report_goes_to_the_experiment(folder: Path) -> None:
    (folder / "reports/tables").mkdir(parents=True)
    (folder / "reports/index.html").write_text("<p>", encoding="utf-8")
    (folder / "reports/tables/cost.csv").write_text("arm\n", encoding="utf-8")
    train_until(1)
    for value in (5.0, 4.0):  # of two reports; the later one stands
        tracking.conclude(open_stage("report"), {"maml/mcd": value}, folder / "reports")
    (parent,) = find(tracking.WHOLE)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["maml/mcd"] == 4.0
    kept = {path.name for path in (folder / "mlartifacts").rglob("*") if path.is_file()}
    assert kept == {"index.html", "cost.csv", "params.yaml"}


def test_first_trainings_may_start_at_once(folder: Path) -> None:
    script = (
        "from small_experiment import open_stage; from pipeline import tracking\n"
        "import sys\n"
        "with tracking.training(open_stage('train', arm='maml', seed=sys.argv[1])) as log:\n"
        "    log(1, {'loss': 1.0})\n"
    )
    (folder / "models/trunk/1").mkdir()
    path = os.pathsep.join(map(str, [ROOT, ROOT / "src", ROOT / "tests/pipeline"]))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, seed], env={**os.environ, "PYTHONPATH": path}
        )
        for seed in "01"
    ]
    assert [process.wait() for process in started] == [0, 0]
    assert len(find(tracking.WHOLE)) == 1
    assert {run.info.status for run in find("train@maml-0") + find("train@maml-1")} == {"FINISHED"}


def test_a_silent_server_is_named_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9 does not answer.*MLFLOW_TRACKING_URI"):
        train_until(1)


def test_a_server_that_falls_silent_does_not_stop_the_training(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "SEND_SECONDS", 0.0)
    with tracking.training(train()) as log:
        log(1, {"loss": 1.0})
        Path("mlflow.db").write_bytes(b"no database" * 10_000)
        log(2, {"loss": 0.5})
    assert "MLflow does not answer; going on" in capfd.readouterr().err


def test_progress_is_shown_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    train_until(3)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(tracking, "SHOW_SECONDS", 0.0)
    train_until(2)
    assert capfd.readouterr().err == "train@maml-0 step 1 loss 1\ntrain@maml-0 step 2 loss 0.5\n"
