from pathlib import Path

import pytest
from runnable_experiment import write_small_experiment
from small_experiment import ROOT, STAGES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "presets/smoke.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/module.py").write_text("ONE = 1\n", encoding="utf-8")
    (tmp_path / "models/trunk/0").mkdir(parents=True)
    (tmp_path / "models/trunk/0/weights").write_bytes(b"weights")
    return tmp_path


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database for all runs of the small experiment: to make one takes longer than they do."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracking_uri: str) -> Path:
    """A folder with an experiment that takes seconds, in which the test runs its stages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    write_small_experiment(tmp_path)
    return tmp_path
