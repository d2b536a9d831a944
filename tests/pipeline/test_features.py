"""The stage features under DVC, which removes its output before each run."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from small_experiment import ROOT
from spoken_corpus import FEATURES, make_corpus

# DVC's tries, not ours, use what pygtrie will change.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


def test_the_stage_analyses_another_speaker_alone_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    values = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    values["features"] = asdict(FEATURES)
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    stage = {
        "cmd": f"{sys.executable} -m pipeline.features",
        "deps": ["data/corpus"],
        "params": ["features"],
        "outs": ["data/features"],
    }
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"features": stage}}), encoding="utf-8")
    said = []
    for speakers in (["paul", "f3"], ["linda", "paul", "f3"]):
        shutil.rmtree("data/corpus", ignore_errors=True)
        make_corpus(Path("data/corpus"), 1, speakers)
        capfd.readouterr()
        with Repo.init(no_scm=True, force=True) if not said else Repo() as repo:
            repo.reproduce()
        said += [line for line in capfd.readouterr().out.splitlines() if "shards:" in line]
    first, second = said
    assert first.startswith("features: 2 shards: 2 analysed (")
    assert second == ("features: 3 shards: 2 reused from the last run, 1 analysed (linda-000: new)")
    assert not Path("scratch/features").exists()
