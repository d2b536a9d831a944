"""What the last run made from the same source in the same way is taken, and nothing else."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from miniatures import record

from adaptts.corpora import origins, preparation
from adaptts.corpora.readers import READERS
from adaptts.params import CorpusParams, LoudnessParams, TrimParams

RATE, SOURCE_RATE = 8000, 16000
SPOKEN = ("anna", "anna", "bert", "bert", "cleo")
BY_SPEAKER: dict[str, Any] = {"loudness": LoudnessParams(lufs=-23.0, per="speaker")}
WAYS = {
    "peak": {},
    "everything": {
        "trim": TrimParams(),
        "resampler": "soxr",
        "loudness": LoudnessParams(lufs=-23.0),
    },
    "speakers": BY_SPEAKER,
}

Files = dict[str, bytes]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Five recordings of noise, the last one clipped and in stereo, so that it gets notes."""
    folder = tmp_path / "mine"
    for number in range(4):
        record(folder / f"{number}.wav", SOURCE_RATE, 0.5, number, level=0.1 * (number + 1))
    noise = np.clip(np.random.default_rng(4).normal(0, 1, (SOURCE_RATE, 2)), -1, 1)
    soundfile.write(folder / "4.wav", noise, SOURCE_RATE)
    describe(folder, SPOKEN)
    return folder


def describe(folder: Path, speakers: tuple[str, ...]) -> None:
    rows = [f"{number}.wav,{speaker},a word" for number, speaker in enumerate(speakers)]
    (folder / "metadata.csv").write_text("\n".join(["path,speaker,text", *rows]) + "\n")


def prepare(source: Path, former: Files | None = None, **changes) -> tuple[Files, int]:
    """The corpus folder's files, and how many recordings are of the last run."""
    values = {"reader": "folder", "sampling_rate": RATE, "seed": 1, "path": str(source)}
    params = CorpusParams(**{**values, **changes})
    target = source.parent / "corpus"
    target.mkdir()
    reused = READERS["folder"].prepare(params, target, target, (former or {}).get)
    files = {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    shutil.rmtree(target)
    return files, reused


def again(source: Path, former: Files, **changes) -> int:
    """How many of the former recordings are taken, where the whole is what nothing would give."""
    files, reused = prepare(source, former, **changes)
    assert files == prepare(source, **changes)[0]
    return reused


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nothing_is_made_again_where_nothing_changed(source: Path, way: dict) -> None:
    former, reused = prepare(source, **way)
    assert reused == 0
    assert again(source, former, **way) == 5
    assert b"clipped" in former["corpus.json"]
    assert b"the mean of 2 channels" in former["corpus.json"]


def test_neither_the_place_nor_the_name_of_a_source_counts(source: Path) -> None:
    former, _ = prepare(source)
    moved = source.rename(source.with_name("moved"))
    assert again(moved, former) == 5


@pytest.mark.parametrize(("way", "left"), [({}, 4), (BY_SPEAKER, 3)], ids=["peak", "speakers"])
def test_another_recording_is_made_alone_or_with_its_speakers(
    source: Path, way: dict, left: int
) -> None:
    former, _ = prepare(source, **way)
    record(source / "0.wav", SOURCE_RATE, 0.5, seed=77)
    assert again(source, former, **way) == left


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_another_speaker_is_made_alone(source: Path, way: dict) -> None:
    former, _ = prepare(source, **way)
    record(source / "5.wav", SOURCE_RATE, 0.5, seed=5)
    describe(source, (*SPOKEN, "dora"))
    assert again(source, former, **way) == 5


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_is_removed_is_gone(source: Path, way: dict) -> None:
    former, _ = prepare(source, **way)
    files, reused = prepare(source, former, speakers=["anna", "cleo"], **way)
    assert reused == 3
    assert files == prepare(source, speakers=["anna", "cleo"], **way)[0]
    assert b"bert" not in files[origins.FILE]


def test_a_speaker_with_one_recording_less_gets_another_level(source: Path) -> None:
    former, _ = prepare(source, **BY_SPEAKER)
    listed = source.parent / "listed.csv"
    listed.write_text("utterance,reason\n0,too soft\n")
    files, reused = prepare(source, former, exclude=str(listed), **BY_SPEAKER)
    assert files == prepare(source, exclude=str(listed), **BY_SPEAKER)[0]
    assert reused == 3
    assert files["audio/anna/1.wav"] != former["audio/anna/1.wav"]


@pytest.mark.parametrize(
    "change",
    [
        {"sampling_rate": 11025},
        {"resampler": "soxr"},
        {"trim": TrimParams()},
        {"loudness": LoudnessParams(lufs=-23.0)},
        BY_SPEAKER,
    ],
    ids=str,
)
def test_other_parameters_make_all_anew(source: Path, change: dict) -> None:
    former, _ = prepare(source)
    assert again(source, former, **change) == 0


def test_every_parameter_counts_or_is_known_not_to() -> None:
    """A new one must be put in one of the two, lest a run reuses what it would not make."""
    params = CorpusParams(reader="folder", sampling_rate=RATE, seed=1)
    counted = set(preparation.settings(params))
    # What there is, and what is said; or it is of the synthetic corpus.
    uncounted = {"reader", "seed", "utterances_per_speaker", "speakers", "accents", "subsets",
                 "path", "mirror", "exclude", "tolerate", "language"}  # fmt: skip
    assert counted | uncounted == {field.name for field in dataclasses.fields(CorpusParams)}
    assert not counted & uncounted


@pytest.mark.parametrize(
    ("lost", "left"), [("audio/anna/0.wav", 4), (origins.FILE, 0)], ids=["recording", "record"]
)
def test_what_is_lost_is_made_anew(source: Path, lost: str, left: int) -> None:
    former, _ = prepare(source, **BY_SPEAKER)
    del former[lost]
    assert again(source, former, **BY_SPEAKER) == left


def test_what_cannot_be_used_is_told_of_each_time(source: Path) -> None:
    (source / "2.wav").write_bytes((source / "2.wav").read_bytes()[:44] + bytes(9000))
    former, _ = prepare(source, tolerate=True, **BY_SPEAKER)
    assert again(source, former, tolerate=True, **BY_SPEAKER) == 4
    with pytest.raises(ValueError, match=r"2\.wav"):
        prepare(source, former, **BY_SPEAKER)
    shutil.rmtree(source.parent / "corpus")
    record(source / "2.wav", SOURCE_RATE, 0.5, seed=2)
    assert again(source, former, tolerate=True, **BY_SPEAKER) == 3
