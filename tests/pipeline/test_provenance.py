import subprocess
from pathlib import Path

from pipeline.provenance import commit, gather, hashes, version

LOCK = """
schema: '2.0'
stages:
  features:
    cmd: python -m pipeline.features
    outs:
    - {path: data/features, hash: md5, md5: bb.dir, size: 1}
  corpus:
    cmd: python -m pipeline.corpus
    outs:
    - {path: data/corpus, hash: md5, md5: aa.dir, size: 1}
  trunk@0:
    cmd: python -m pipeline.trunk --seed 0
    outs:
    - {path: models/trunk/0, hash: md5, md5: cc.dir, size: 1}
"""


def git(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_hashes_are_of_all_outputs_and_the_data_stands_apart(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("name: x")
    (tmp_path / "dvc.lock").write_text(LOCK)
    provenance = gather(tmp_path, {"trunk@0": "12ab"}, "http://x/")
    assert provenance.data == [("data/corpus", "aa.dir"), ("data/features", "bb.dir")]
    assert provenance.outputs == {**dict(provenance.data), "models/trunk/0": "cc.dir"}
    assert (provenance.runs, provenance.run_pages) == ({"trunk@0": "12ab"}, "http://x/")


def test_without_a_lock_there_are_no_hashes(tmp_path: Path) -> None:
    assert hashes(tmp_path / "dvc.lock") == {}


def test_the_commit_tells_of_changes(tmp_path: Path) -> None:
    assert "no git commit" in commit(tmp_path)
    git(tmp_path, "init", "-q")
    assert "no git commit" in commit(tmp_path)
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "Begin")
    clean = commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == f"{clean}, with changes since"


def test_a_package_that_is_not_there_says_so() -> None:
    assert version("no-such-package-of-adaptts") == "not installed"
    assert version("numpy")[0].isdigit()


def test_the_parameters_stand_as_they_are_written(tmp_path: Path) -> None:
    text = "name: x  # a <comment>\n"
    (tmp_path / "params.yaml").write_text(text)
    assert gather(tmp_path).params_text == text
