"""What the last run of a stage has left is found in DVC's cache, unless its code is another now."""

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo
from small_experiment import open_stage

from pipeline.former import former_files

# DVC's tries, not ours, use what pygtrie will change.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

STAGES = """
stages:
  report:
    cmd: mkdir -p out/parts && cp recordings out/parts/a && cp src/code.py out/b
    deps: [recordings, src/code.py]
    outs: [out]
"""


@pytest.fixture
def run(folder: Path) -> Path:
    """A folder in which DVC has run a stage, whose output is gone."""
    (folder / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    (folder / "src").mkdir()
    (folder / "src/code.py").write_text("ONE = 1\n", encoding="utf-8")
    (folder / "recordings").write_text("speech", encoding="utf-8")
    with Repo.init(no_scm=True) as repo:
        repo.reproduce()
    shutil.rmtree(folder / "out")
    return folder


def test_the_files_of_the_last_run_are_found_whatever_its_data_are_now(run: Path) -> None:
    (run / "recordings").write_text("other speech", encoding="utf-8")
    found = former_files(open_stage("report"), "out")
    texts = {name: path.read_text(encoding="utf-8") for name, path in found.items()}
    assert texts == {"parts/a": "speech", "b": "ONE = 1\n"}


def test_nothing_is_found_after_an_edit_of_the_code(run: Path) -> None:
    (run / "src/code.py").write_text("ONE = 2\n", encoding="utf-8")
    assert former_files(open_stage("report"), "out") == {}


def test_nothing_is_found_without_the_cache(run: Path) -> None:
    shutil.rmtree(run / ".dvc/cache")
    assert former_files(open_stage("report"), "out") == {}


@pytest.mark.usefixtures("folder")
def test_nothing_is_found_where_no_dvc_runs_the_stage() -> None:
    assert former_files(open_stage("report"), "out") == {}
