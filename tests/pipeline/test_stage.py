"""Stages have names, fingerprints and checkpoints; their outputs are whole or not there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_experiment import ROOT, open_stage, set_param

from pipeline.stage import Stage, alone, whole


def train() -> Stage:
    return open_stage("train", arm="maml", seed="0")


@pytest.mark.usefixtures("folder")
def test_a_stage_is_addressed_like_in_dvc() -> None:
    assert train().address == "train@maml-0"
    assert open_stage("report").address == "report"


@pytest.mark.usefixtures("folder")
def test_a_stage_has_the_parameters_of_its_item() -> None:
    parameters = train().parameters()
    assert set(parameters) == {"training.arm", "strategies.maml"}
    assert parameters["strategies.maml"]["inner_steps"] == 3


def test_the_fingerprint_changes_with_all_that_the_outputs_depend_on(folder: Path) -> None:
    seen = {train().fingerprint()}
    set_param("strategies.maml.inner_steps", 4)
    seen.add(train().fingerprint())
    (folder / "code/module.py").write_text("ONE = 2\n", encoding="utf-8")
    seen.add(train().fingerprint())
    (folder / "code/other.py").touch()
    seen.add(train().fingerprint())
    (folder / "models/trunk/0/weights").write_bytes(b"other weights")
    seen.add(train().fingerprint())
    assert len(seen) == 5


def test_the_fingerprint_stays_over_all_that_does_not_matter(folder: Path) -> None:
    former = train().fingerprint()
    set_param("strategies.average", {"strategy": "average"})
    set_param("report.seed", 100)
    set_param("training.trunk.learning_rate", 0.1)
    (folder / "code/__pycache__").mkdir()
    (folder / "code/__pycache__/module.pyc").touch()
    (folder / "models/trunk/1").mkdir()
    (folder / "models/trunk/1/weights").touch()
    assert train().fingerprint() == former


@pytest.mark.usefixtures("folder")
def test_checkpoints_are_kept_for_the_same_fingerprint_alone() -> None:
    (train().scratch() / "checkpoint").touch()
    assert (train().scratch() / "checkpoint").exists()
    set_param("strategies.maml.inner_steps", 4)
    assert not (train().scratch() / "checkpoint").exists()
    set_param("strategies.maml.inner_steps", 3)
    assert not (train().scratch() / "checkpoint").exists()
    train().clear_scratch()
    assert not Path("scratch/train@maml-0").exists()


def test_an_output_replaces_the_former_one_when_it_is_complete(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with whole(tmp_path / "outs/arm") as folder:
            (folder / text).touch()
    assert [path.name for path in (tmp_path / "outs/arm").iterdir()] == ["second"]
    assert [path.name for path in (tmp_path / "outs").iterdir()] == ["arm"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_output_that_fails_leaves_the_former_one(tmp_path: Path, error: type) -> None:
    with whole(tmp_path / "arm") as folder:
        (folder / "former").touch()
    with pytest.raises(error), whole(tmp_path / "arm") as folder:  # noqa: PT012
        (folder / "half").touch()
        raise error
    assert [path.name for path in tmp_path.rglob("*")] == ["arm", "former"]


def run_script(body: str, folder: Path) -> subprocess.Popen[str]:
    """Run a stage script whose `main` has the body `body`."""
    script = folder / "report.py"
    text = (
        f"import time\nfrom pipeline.stage import run\n\ndef main(stage):\n    {body}\n\nrun(main)"
    )
    script.write_text(text, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, they ignore interrupts, and would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_foreseen_error_is_its_message_alone(folder: Path) -> None:
    script = run_script("raise ValueError('the remedy')", folder)
    assert script.communicate()[1] == "report: the remedy\n"
    assert script.returncode == 1


def test_a_defect_keeps_its_traceback(folder: Path) -> None:
    script = run_script("{}['key']", folder)
    assert "Traceback" in script.communicate()[1]
    assert script.returncode == 1


def test_params_that_break_a_rule_are_told(folder: Path) -> None:
    set_param("model.channels", 0)
    message = run_script("pass", folder).communicate()[1]
    assert message.startswith("report: model.channels: got 0")


def test_an_interrupted_stage_says_so(folder: Path) -> None:
    script = run_script("print('ready'); time.sleep(60)", folder)
    assert script.stdout is not None
    assert script.stdout.readline() == "ready\n"
    script.send_signal(signal.SIGINT)
    assert script.communicate()[1] == "report: interrupted\n"
    assert script.returncode == 1


def test_no_two_processes_run_one_stage(folder: Path) -> None:
    with alone("report"):
        script = run_script("print('ready')", folder)
        assert script.stderr is not None
        assert script.stderr.readline() == "report waits for another process that runs it\n"
        time.sleep(0.2)
        assert script.poll() is None
    assert script.communicate()[0] == "ready\n"


def test_a_killed_process_does_not_block_its_stage(folder: Path) -> None:
    script = run_script("print('ready'); time.sleep(60)", folder)
    assert script.stdout is not None
    script.stdout.readline()
    script.kill()
    script.communicate()
    with alone("report"):
        pass
