"""What was analysed once is not analysed again: after an interruption, or with another speaker."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from spoken_corpus import SPEAKERS, make_corpus
from test_extraction import contents
from written_store import overwrite

from adaptts.corpora import manifest
from adaptts.features import extraction, shards
from adaptts.features.shards import Done, Earlier
from adaptts.features.store import FeatureStore

INTERRUPTED = """
import sys
from pathlib import Path
from adaptts.features import extraction
from adaptts.features.shards import Earlier
from spoken_corpus import FEATURES

if __name__ == "__main__":
    corpus, kept, folder = map(Path, sys.argv[1:])
    extraction.extract(corpus, FEATURES, folder, 1, Earlier(kept, {}))
"""


@pytest.fixture(scope="module")
def whole(corpus, params, tmp_path_factory) -> Path:
    """Features made in one go."""
    folder = tmp_path_factory.mktemp("whole")
    extraction.extract(corpus.folder, params, folder, 1)
    return folder


def former(features: Path) -> dict[str, Path]:
    return {path.stem: path for path in (features / "shards").iterdir()}


def extract(corpus: Path, params, folder: Path, earlier: Earlier | None = None) -> list[Done]:
    folder.mkdir()
    return extraction.extract(corpus, params, folder, 1, earlier)


def origins(done: list[Done]) -> dict[str, str]:
    return {each.name: each.origin for each in done}


def test_a_killed_extraction_goes_on_where_it_was(corpus, params, whole, tmp_path):
    kept = tmp_path / "kept"
    (tmp_path / "partial").mkdir()
    command = [sys.executable, "-c", INTERRUPTED, corpus.folder, kept, tmp_path / "partial"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    while not any(kept.glob("*.safetensors")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path.stem: path.stat().st_mtime_ns for path in kept.glob("*.safetensors")}
    assert 0 < len(before) < len(SPEAKERS)
    done = extract(corpus.folder, params, tmp_path / "features", Earlier(kept, {}))
    assert {name for name, origin in origins(done).items() if origin == "kept"} == set(before)
    for name, time_ns in before.items():
        shard = tmp_path / f"features/shards/{name}.safetensors"
        assert shard.stat().st_mtime_ns == time_ns
    assert contents(tmp_path / "features") == contents(whole)


def test_another_speaker_is_all_that_is_analysed(params, whole, tmp_path):
    more = make_corpus(tmp_path / "corpus", 2, [*SPEAKERS, "belinda", "ed"])
    earlier = Earlier(tmp_path / "kept", former(whole))
    done = extract(more.folder, params, tmp_path / "features", earlier)
    analysed = {each.name: each.utterances for each in done if each.origin == "analysed"}
    assert analysed == {"belinda-000": 2, "ed-000": 2}
    assert "4 reused from the last run, 2 analysed (" in shards.summarise(done)
    for name, path in former(whole).items():
        shard = tmp_path / f"features/shards/{name}.safetensors"
        assert shard.read_bytes() == path.read_bytes()
    extract(more.folder, params, tmp_path / "anew")
    assert contents(tmp_path / "features") == contents(tmp_path / "anew")


def test_a_phone_that_a_speaker_brings_moves_the_places_of_others(corpus, params, whole, tmp_path):
    """Shards hold no places of the inventory, so they stay as they are."""
    phones = corpus.phones.copy()
    own = phones["utterance"].str.startswith("m8-") & (phones["phone"] != "sil")
    phones.loc[own[own].index[0], "phone"] = "!"
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/audio").symlink_to(corpus.folder / "audio")
    manifest.write(tmp_path / "corpus", corpus.table, corpus.info, "", phones)
    earlier = Earlier(tmp_path / "kept", former(whole))
    done = extract(tmp_path / "corpus", params, tmp_path / "features", earlier)
    assert set(origins(done).values()) == {"reused"}
    before, now = FeatureStore.open(whole), FeatureStore.open(tmp_path / "features")
    assert now.inventory == [*before.inventory[:2], "!", *before.inventory[2:]]
    other = corpus.table.loc[corpus.table["speaker"] == "linda", "utterance"].iloc[0]
    named = [[each.inventory[p] for p in each.phones(other)] for each in (before, now)]
    assert named[0] == named[1]


def test_a_recording_that_changed_has_its_shard_analysed(corpus, params, whole, tmp_path):
    altered = tmp_path / "corpus"
    table = corpus.table
    first, second = table[table["speaker"] == "paul"]["path"]
    for path in table["path"]:
        (altered / path).parent.mkdir(parents=True, exist_ok=True)
        (altered / path).write_bytes((corpus.folder / path).read_bytes())
    (altered / first).write_bytes((corpus.folder / second).read_bytes())
    seconds = table.set_index("path")["seconds"]
    table = table.assign(seconds=table["path"].map({**seconds, first: seconds[second]}))
    manifest.write(altered, table, replace(corpus.info, exact_phones=False), "")
    earlier = Earlier(tmp_path / "kept", former(whole))
    done = extract(altered, params, tmp_path / "features", earlier)
    assert [each.name for each in done if each.origin == "analysed"] == ["paul-000"]
    assert "(paul-000: other recordings)" in shards.summarise(done)


def test_other_parameters_have_all_analysed_but_those_of_the_alignment(
    corpus, params, whole, tmp_path
):
    earlier = Earlier(tmp_path / "kept", former(whole))
    iterated = replace(params, alignment_iterations=1)
    done = extract(corpus.folder, iterated, tmp_path / "iterated", earlier)
    assert set(origins(done).values()) == {"reused"}
    done = extract(corpus.folder, replace(params, mels=40), tmp_path / "narrow", earlier)
    assert {each.reason for each in done if each.origin == "analysed"} == {"other parameters"}
    assert len(done) == 4


@pytest.mark.parametrize("damage", ["truncated", "nan"])
def test_a_damaged_shard_is_made_anew_and_named(corpus, params, whole, tmp_path, damage):
    broken = tmp_path / "broken"
    extract(corpus.folder, params, broken, Earlier(tmp_path / "kept", former(whole)))
    path = broken / "shards/linda-000.safetensors"
    if damage == "nan":
        name = corpus.table.loc[corpus.table["speaker"] == "linda", "utterance"].iloc[-1]
        overwrite(broken, name, "world_f0", float("nan"))
    else:
        path.write_bytes(path.read_bytes()[:-1])
    earlier = Earlier(tmp_path / "kept", former(broken))
    done = extract(corpus.folder, params, tmp_path / "features", earlier)
    assert origins(done) == {**dict.fromkeys(former(whole), "reused"), "linda-000": "analysed"}
    assert f"linda-000: damaged: {path}" in shards.summarise(done)
    assert contents(tmp_path / "features") == contents(whole)


def test_a_speaker_fills_shards_in_order_whoever_else_speaks(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_SECONDS", 10.0)
    table = pd.DataFrame({"speaker": [*"ababbbab"], "seconds": [4.0, 9, 4, 1, 30, 2, 4, 1]})
    names = shards.assign(table)
    assert names == ["a-000", "b-000", "a-000", "b-000", "b-001", "b-002", "a-001", "b-002"]
    alone = table[table["speaker"] == "b"]
    assert shards.assign(alone) == [name for name in names if name.startswith("b")]
