"""A corpus appears whole or not at all, by way of its stage script, and what it has is reused."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from miniatures import record

from adaptts.corpora import manifest
from adaptts.corpora.readers import READERS

ROOT = Path(__file__).parents[2]
ANNA_2 = Path("data/corpus/audio/anna/2.wav")


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


@pytest.fixture
def experiment(tmp_path, monkeypatch, recordings):
    """A folder with an experiment on the recordings of three speakers, in which DVC runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    values = yaml.safe_load(recordings)
    values["corpus"]["utterances_per_speaker"] = None
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    Path("src").mkdir()
    Path("src/code.py").write_text("ONE = 1\n", encoding="utf-8")
    stage = {
        "cmd": f"{sys.executable} -m pipeline.corpus",
        "deps": ["src/code.py"],
        "params": ["corpus"],
        "outs": ["data/corpus"],
    }
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"corpus": stage}}), encoding="utf-8")
    say("anna", "anna", "bert")
    Repo.init(no_scm=True).close()


def say(*speakers: str) -> None:
    rows = []
    for number, speaker in enumerate(speakers, 1):
        record(Path("mine", f"{number}.wav"), 16000, seed=number)
        rows.append(f"{number}.wav,{speaker},Hello\n")
    Path("mine/metadata.csv").write_text("path,speaker,text\n" + "".join(rows), encoding="utf-8")


def reproduce(capfd) -> tuple[str, str]:
    """Run the stage, whatever DVC thinks of it; returns what it says, and what on stderr."""
    capfd.readouterr()
    with Repo() as repo:
        repo.reproduce(force=True)
    told = capfd.readouterr()
    (line,) = (line for line in told.out.splitlines() if "recordings:" in line)
    return line, told.err


# DVC's tries, not ours, use what pygtrie will change.
@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
@pytest.mark.usefixtures("experiment")
def test_another_speaker_alone_is_brought_to_the_corpus(capfd):
    assert reproduce(capfd)[0] == "corpus: 3 recordings: 3 made"
    say("anna", "anna", "bert", "cleo")
    line, _ = reproduce(capfd)
    assert line == "corpus: 4 recordings: 3 reused from the last run, 1 made"
    reused = contents()
    Path("src/code.py").write_text("ONE = 2\n", encoding="utf-8")
    assert reproduce(capfd)[0] == "corpus: 4 recordings: 4 made"
    assert contents() == reused


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("data/corpus").rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
@pytest.mark.usefixtures("experiment")
def test_a_damaged_file_of_dvcs_cache_is_told_of_and_replaced(capfd):
    reproduce(capfd)
    good = contents()
    (cached,) = (
        path
        for path in Path(".dvc/cache").rglob("*")
        if path.is_file() and path.read_bytes() == good[ANNA_2]
    )
    cached.chmod(0o644)
    damaged = bytearray(good[ANNA_2])
    damaged[-1] ^= 1
    cached.write_bytes(damaged)
    cached.chmod(0o444)
    line, errors = reproduce(capfd)
    assert line == "corpus: 3 recordings: 2 reused from the last run, 1 made"
    assert "(former audio/anna/2.wav) was damaged, so removed" in errors
    assert contents() == good
    assert cached.read_bytes() == good[ANNA_2]
