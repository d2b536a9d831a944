"""Folds are experiments of their own that share what does not depend on the split."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_experiment import ROOT, set_param

from pipeline.folds import is_shared, make_plans

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

# Each stage notes in ran.txt, outside of the folds, that it was computed.
STAGES = """
stages:
  corpus:
    cmd: echo corpus >> "$RAN" && date +%N > corpus.txt
    deps: [pipeline/__init__.py]
    params: [corpus]
    outs: [corpus.txt]
    meta: {resources: {runtime: 5}}
  features:
    cmd: echo features >> "$RAN" && cp corpus.txt features.txt
    deps: [corpus.txt]
    params: [features]
    outs: [features.txt]
    meta: {resources: {runtime: 5}}
  episodes:
    cmd: >-
      echo episodes >> "$RAN" && grep -A1 test params.yaml > episodes.txt &&
      if test -e broken; then echo 'episodes: it is broken' >&2; false; fi
    deps: [features.txt]
    params: [split]
    outs: [episodes.txt]
    meta: {resources: {runtime: 5}}
  report:
    cmd: echo report >> "$RAN" && cp episodes.txt report.txt
    deps: [episodes.txt]
    params: [report.seed]
    outs: [report.txt]
    meta: {resources: {runtime: 5}}
"""
TARGETS = ["folds/1/report", "folds/2/report"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two folds and four small stages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAN", str(tmp_path / "ran.txt"))
    for name in ("src", "pipeline", "profiles", "splits", "Snakefile"):
        Path(name).symlink_to(ROOT / name)
    values = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    values["folds"] = [{"test": ["f3"], "validation": ["ed"]},
                       {"test": ["ed"], "validation": ["f3"]}]  # fmt: skip
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    Path("dvc.yaml").write_text(STAGES, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    return tmp_path


def snakemake(*targets: str, ok: bool = True) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores=2", "--keep-going"]
    command += ["--config", "folds=true", "--"]
    done = subprocess.run([*command, *targets], capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, text
    return text


def ran() -> list[str]:
    """The stages that were computed since the last call."""
    path = Path(os.environ["RAN"])
    lines = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


@pytest.mark.usefixtures("repository")
def test_a_fold_differs_from_the_experiment_in_its_split_alone() -> None:
    make_plans()
    whole, fold = (yaml.safe_load(Path(path, "params.yaml").read_text(encoding="utf-8"))
                   for path in (".", "folds/2"))  # fmt: skip
    assert fold["split"] == {**whole["split"], "test": ["ed"], "validation": ["f3"]}
    assert fold["name"] == f"{whole['name']}.fold2"
    for key in ("split", "name", "folds"):
        del whole[key], fold[key]
    assert fold == whole


@pytest.mark.usefixtures("repository")
def test_only_what_knows_no_split_is_shared() -> None:
    plan = make_plans()[Path("folds/1")]
    assert {stage.name for stage in plan.graph if is_shared(plan, stage)} == {"corpus", "features"}


@pytest.mark.usefixtures("repository")
def test_corpus_and_features_are_computed_once_and_then_nothing_is_left_to_do() -> None:
    snakemake(*TARGETS)
    assert ran() == ["corpus", "episodes", "episodes", "features", "report", "report"]
    assert Path("folds/1/corpus.txt").read_bytes() == Path("folds/2/corpus.txt").read_bytes()
    assert "f3" in Path("folds/1/report.txt").read_text(encoding="utf-8")
    assert "ed" in Path("folds/2/report.txt").read_text(encoding="utf-8")
    snakemake(*TARGETS)
    assert ran() == []
    # An ordinary experiment also for DVC alone.
    status = [sys.executable, "-m", "dvc", "status"]
    assert "up to date" in subprocess.check_output(status, cwd="folds/2", text=True)


@pytest.mark.usefixtures("repository")
def test_a_change_makes_stale_in_every_fold_what_depends_on_it() -> None:
    snakemake(*TARGETS)
    ran()
    set_param("report.seed", 77)
    told = re.findall(r"(\S+): report.seed 1 → 77", snakemake(*TARGETS))
    assert sorted(told) == [*TARGETS, "report", "report"]
    assert ran() == ["report", "report"]


@pytest.mark.usefixtures("repository")
def test_a_fold_of_its_own_split_redoes_none_of_the_others() -> None:
    snakemake(*TARGETS)
    ran()
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["folds"][1]["validation"] = ["m1"]
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    snakemake(*TARGETS)
    assert ran() == ["episodes"]  # whose output is the same, so that its report is as well


@pytest.mark.usefixtures("repository")
def test_a_failing_fold_is_named_and_is_all_that_is_left_to_do() -> None:
    plans = make_plans()
    assert list(plans) == [Path("folds/1"), Path("folds/2")]
    Path("folds/2/broken").touch()
    output = snakemake(*TARGETS, ok=False)
    assert "FAILED folds/2/episodes" in output
    assert re.search(r"(?m)^folds/2: episodes: ", output)
    Path("folds/2/broken").unlink()
    assert ran().count("report") == 1
    snakemake(*TARGETS)
    assert ran() == ["episodes", "report"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "key",
    ["corpus.path", "corpus.mirror", "corpus.exclude", "model.vocoder_file.path",
     "evaluation.weights"],
)  # fmt: skip
def test_a_relative_path_means_the_same_in_a_fold(key: str) -> None:
    Path("mine").write_bytes(b"recordings, a list or a vocoder")
    set_param("model.vocoder", "exported")
    set_param("model.vocoder_file", {"path": "elsewhere", "sha256": "0" * 64})
    set_param(key, "mine")
    make_plans()
    fold = yaml.safe_load(Path("folds/1/params.yaml").read_text(encoding="utf-8"))
    for name in key.split("."):
        fold = fold[name]
    assert fold == str(Path("mine").absolute())


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("folds", [], "there are none in params.yaml"),
        ("strategies.maml.inner_stepz", 3, "fold 1: strategies.maml.inner_stepz: unknown key"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(key: str, value: object, message: str) -> None:
    set_param(key, value)
    with pytest.raises(ValueError, match=message):
        make_plans()
