"""A corpus appears whole or not at all, by way of its stage script."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from miniatures import record

from adaptts.corpora import READERS, manifest

ROOT = Path(__file__).parents[2]


def run_stage(
    folder: Path, largest_file_bytes: int, text: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run pipeline.corpus in `folder` with a limit on file sizes, which acts as a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))

    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pipeline.corpus", *arguments],
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


@pytest.fixture
def recordings(tmp_path, params) -> str:
    """Parameters for a folder of two recordings, one of them silent."""
    for name, level in (("good", 0.5), ("silent", 0.0)):
        record(tmp_path / "mine" / f"{name}.wav", 16000, level=level)
    rows = "path,speaker,text\ngood.wav,anna,Hello\nsilent.wav,anna,Hello\n"
    (tmp_path / "mine" / "metadata.csv").write_text(rows, encoding="utf-8")
    params = params.replace("utterances_per_speaker: 1", "utterances_per_speaker: 2")
    return params.replace("reader: synthetic ", f"reader: folder\n  path: {tmp_path}/mine  ")


def test_the_check_finds_what_the_stage_then_leaves_out(tmp_path, recordings):
    done = run_stage(tmp_path, 10_000_000, recordings)
    assert done.returncode == 1
    assert "silent.wav is silent" in done.stderr
    checked = run_stage(tmp_path, 10_000_000, recordings, "--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "1  unusable" in checked.stdout
    listed = recordings.replace("  path:", "  exclude: corpus-check/exclude.csv\n  path:")
    done = run_stage(tmp_path, 10_000_000, listed)
    assert (done.returncode, done.stderr) == (0, "")
    corpus = manifest.read(tmp_path / "data" / "corpus")
    assert corpus.table["utterance"].tolist() == ["good"]
    assert [remark.utterance for remark in corpus.info.exclusions] == ["silent"]


def test_there_is_nothing_to_check_in_the_synthetic_corpus(tmp_path, params):
    done = run_stage(tmp_path, 10_000_000, params, "--check")
    assert done.returncode == 1
    assert "there are no recordings to check" in done.stderr
    assert "Traceback" not in done.stderr
