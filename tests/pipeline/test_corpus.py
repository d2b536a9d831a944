"""A corpus appears whole or not at all, by way of its stage script."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from adaptts.corpora import READERS, manifest

ROOT = Path(__file__).parents[2]


def run_stage(folder: Path, largest_file_bytes: int, text: str) -> subprocess.CompletedProcess[str]:
    """Run pipeline.corpus in `folder` with a limit on file sizes, which acts as a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))

    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pipeline.corpus"],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def params() -> str:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    return text.replace("utterances_per_speaker: 60", "utterances_per_speaker: 1", 1)


def test_the_stage_makes_a_corpus(tmp_path, params):
    done = run_stage(tmp_path, 10_000_000, params)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(manifest.read(tmp_path / "data" / "corpus").table) == 24


def test_a_full_disk_leaves_nothing_behind(tmp_path, params):
    done = run_stage(tmp_path, 30_000, params)
    assert done.returncode == 1
    assert done.stderr.startswith("corpus: [Errno")
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "data").iterdir()) == []


def test_an_unknown_reader_is_named(tmp_path, params):
    done = run_stage(tmp_path, 10_000_000, params.replace("reader: synthetic", "reader: vinyl"))
    assert f"corpus.reader must be one of {sorted(READERS)}, got 'vinyl'" in done.stderr
    assert done.returncode == 1
