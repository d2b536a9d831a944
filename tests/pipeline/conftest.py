from pathlib import Path

import pytest
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
