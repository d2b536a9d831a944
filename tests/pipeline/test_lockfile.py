"""Stages are recorded in the lock file as DVC does it, byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from small_experiment import set_param

from pipeline.lockfile import record_quickly, split
from pipeline.reproduce import reproduce

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

DVC = [sys.executable, "-m", "dvc"]
LOCK = Path("dvc.lock")
STAGES = """
stages:
  first:
    matrix: {seed: "${seeds}"}
    cmd: mkdir out-${item.seed} && cp code/module.py out-${item.seed}
    deps: [code]
    params: [training, strategies.maml, name]
    outs: ["out-${item.seed}"]
  second:
    cmd: 'cp out-0/module.py "second: a name"'
    deps: [out-0]
    params: [report.seed]
    outs: ["second: a name"]
"""
ADDRESSES = ["first@0", "first@1", "second"]


@pytest.fixture(autouse=True)
def _repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    set_param("seeds", [0, 1])
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([*DVC, "init", "--quiet"], check=True)
    monkeypatch.setattr(Lockfile, "dump_stages", Lockfile.dump_stages)  # what is put there goes


def reproduce_all() -> str:
    for address in ADDRESSES:
        reproduce(address)
    return LOCK.read_text(encoding="utf-8")


def test_the_file_is_what_dvc_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    by_dvc = []
    for rate in (1e-05, 0.5):
        set_param("training.arm.learning_rate", rate)
        by_dvc.append(reproduce_all())
    assert by_dvc[0] != by_dvc[1]
    LOCK.unlink()
    with monkeypatch.context():
        record_quickly()
        # None of DVC's own writing is left.
        monkeypatch.delattr("dvc.dvcfile.modify_yaml")
        for rate, expected in zip((1e-05, 0.5), by_dvc, strict=True):
            set_param("training.arm.learning_rate", rate)
            assert reproduce_all() == expected
    with Repo() as repo:
        assert repo.status() == {}


def test_what_is_not_dvcs_own_is_left_to_dvc() -> None:
    record_quickly()
    LOCK.write_text("# mine\n" + reproduce_all(), encoding="utf-8")
    set_param("report.seed", 7)
    text = reproduce_all()
    assert text.startswith("# mine\n")
    assert "report.seed: 7\n" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: x\ndatasets: []\n",
        "schema: '2.0'\nstages:\n<<<<<<< ours\n  one:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: x\n\n  two:\n    cmd: y\n",
        "schema: '2.0'\nstages:\n  one: {cmd: x}\n",
    ],
)
def test_other_files_are_not_split(text: str) -> None:
    assert split(text) is None


def test_a_file_is_split_by_stage() -> None:
    one, two = "  one@a-0:\n    cmd: x\n    deps:\n    - path: a\n", "  'two':\n    cmd: y\n"
    assert split(f"schema: '2.0'\nstages:\n{one}{two}") == {"one@a-0": one, "'two'": two}
