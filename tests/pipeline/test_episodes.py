"""A split goes from one experiment into another, by way of its file."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from small_corpus import EPISODES
from small_experiment import ROOT, open_stage, set_param

from adaptts.corpora.manifest import CorpusInfo
from pipeline import episodes

TABLES = Path("data/episodes")


def say_where_the_corpus_is_from() -> None:
    info = CorpusInfo("small", "1", "none", "none", "a test", 8000, "en", False)
    episodes.CORPUS.mkdir(parents=True)
    (episodes.CORPUS / "corpus.json").write_text(json.dumps(asdict(info)), encoding="utf-8")


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in TABLES.iterdir()}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.episodes", *arguments],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


@pytest.mark.usefixtures("small")
def test_an_exported_split_gives_the_same_bytes_where_it_is_imported() -> None:
    say_where_the_corpus_is_from()
    drawn = contents()
    done = command("--export", "paper.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(pd.read_csv('paper.csv'))} rows" in done.stdout
    # Elsewhere, where another seed would draw other episodes.
    set_param("episodes.seed", EPISODES.seed + 5)
    episodes.main(open_stage("episodes"))
    assert contents()["episodes.parquet"] != drawn["episodes.parquet"]
    Path("splits").mkdir()
    shutil.move("paper.csv", "splits/paper.csv")
    set_param("episodes.manifest", "splits/paper.csv")
    episodes.main(open_stage("episodes"))
    assert contents() == drawn


@pytest.mark.usefixtures("small")
def test_a_file_that_dvc_does_not_watch_is_refused() -> None:
    for name in ("paper.csv", "splits/../paper.csv", "/splits/paper.csv", "splits/old/paper.csv"):
        set_param("episodes.manifest", name)
        with pytest.raises(ValueError, match=f"must name a file in splits/.* got '{name}'"):
            episodes.main(open_stage("episodes"))


@pytest.mark.usefixtures("small")
def test_a_leak_in_an_imported_split_fails_the_stage_and_leaves_the_old_outputs() -> None:
    say_where_the_corpus_is_from()
    drawn = contents()
    table = pd.read_parquet(TABLES / "episodes.parquet")
    queries = table[table["role"] == "query"]
    training = table.index[table["role"] == "train"]
    index = pd.read_parquet(episodes.FEATURES / "index.parquet").set_index("utterance")
    # A training speaker reads a query's text.
    index.loc[table.loc[training[0], "utterance"], "text"] = index.loc[
        queries["utterance"].iloc[0], "text"
    ]
    index.reset_index().to_parquet(episodes.FEATURES / "index.parquet", index=False)
    episodes.SPLITS.mkdir()
    episodes.export(episodes.SPLITS / "leak.csv")
    set_param("episodes.manifest", "splits/leak.csv")
    with pytest.raises(ValueError, match="no query text is read in training or support"):
        episodes.main(open_stage("episodes"))
    assert contents() == drawn


def test_without_episodes_the_export_says_what_to_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("--export", "paper.csv")
    assert done.returncode == 1
    assert "run the stage features" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
