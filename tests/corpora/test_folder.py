import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from adaptts.corpora import audio, manifest
from adaptts.corpora.manifest import ManifestError
from adaptts.corpora.readers import READERS
from adaptts.params import CorpusParams

RATE = 16000
HEADER = ["path", "speaker", "text"]


def noise(seconds: float = 0.5, rate: int = RATE, channels: int = 1) -> np.ndarray:
    shape = (round(seconds * rate), channels)
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape)


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with one good recording and no metadata."""
    path = tmp_path / "mine"
    path.mkdir()
    soundfile.write(path / "good.wav", noise(), RATE)
    return path


def describe(source: Path, *rows: list[str], header: list[str] = HEADER) -> None:
    with (source / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def prepare(source: Path, **changes) -> manifest.Manifest:
    target = source.parent / "corpus"
    target.mkdir()
    values = {"reader": "folder", "sampling_rate": RATE, "seed": 1, "path": str(source)}
    READERS["folder"].prepare(CorpusParams(**{**values, **changes}), target, target)
    return manifest.read(target)


def refuse(source: Path, *parts: str, **changes) -> str:
    """Check that the folder is refused with `parts` in the message, and nothing written."""
    with pytest.raises(ManifestError) as error:
        prepare(source, **changes)
    message = str(error.value)
    for part in parts:
        assert part in message
    assert not (source.parent / "corpus" / "manifest.csv").exists()
    return message


def test_a_folder_becomes_a_corpus(source):
    (source / "deep").mkdir()
    soundfile.write(source / "deep" / "Ä one.flac", noise(rate=44100), 44100)
    describe(
        source,
        ["deep/Ä one.flac", "anna", "Hello,\n  “World”!", "x, y"],
        ["good.wav", "Bert_2", "It's *b* me & b", "NA"],
        header=[*HEADER, "mood"],
    )
    corpus = prepare(source)
    assert corpus.table["utterance"].tolist() == ["deep-_one", "good"]
    assert corpus.table["text"].tolist() == ["Hello, “World”!", "It's *b* me & b"]
    assert corpus.table["mood"].tolist() == ["x, y", "NA"]
    assert corpus.table["seconds"].tolist() == pytest.approx([0.6, 0.6])
    assert "hello world | it's b me and b;" in (corpus.folder / "grammar.jsgf").read_text("utf-8")
    assert corpus.info.notes == []


def test_a_byte_order_mark_and_blank_lines_are_overlooked(source):
    text = "\ufeffpath,speaker,text\r\n\r\ngood.wav,anna,Hello\r\n\r\n"
    (source / "metadata.csv").write_bytes(text.encode())
    assert prepare(source).table["speaker"].tolist() == ["anna"]


def test_channels_are_averaged_and_noted(source):
    soundfile.write(source / "stereo.wav", noise(channels=2), RATE)
    describe(source, ["stereo.wav", "anna", "Hello"])
    notes = prepare(source).info.notes
    assert notes == [manifest.Remark("stereo", "the mean of 2 channels is used")]


def test_clipping_is_noted_and_kept(source):
    soundfile.write(source / "clipped.wav", np.clip(noise() * 8, -1, 1), RATE)
    describe(source, ["clipped.wav", "anna", "Hello"], ["good.wav", "anna", "Hello"])
    corpus = prepare(source)
    assert len(corpus.table) == 2
    assert [note.utterance for note in corpus.info.notes] == ["clipped"]
    assert "samples at full scale" in corpus.info.notes[0].reason


HEADERS_TELL = {"empty.wav", "text.wav", "folder.wav", "none.wav"}


def write_bad_recordings(source: Path) -> dict[str, str]:
    """One recording of each kind that cannot be used → what must be said of it."""
    broken = noise()
    broken[100:103] = [[np.nan], [np.inf], [-np.inf]]
    opposite = np.concatenate([noise(), -noise()], axis=1)
    for name, samples in {
        "nan.wav": broken,
        "empty.wav": noise(0.0),
        "short.wav": noise(0.01),
        "silent.wav": np.zeros(RATE),
        "offset.wav": np.full(RATE, 0.3),
        "opposite.wav": opposite,
    }.items():
        soundfile.write(source / name, samples, RATE, subtype="FLOAT")
    (source / "text.wav").write_text("no audio", encoding="utf-8")
    (source / "folder.wav").mkdir()
    return {
        "nan.wav": "nan.wav holds 3 samples that are NaN or infinite",
        "empty.wav": "empty.wav is empty",
        "short.wav": "short.wav lasts 0.010 s; at least 0.1 s",
        "silent.wav": "silent.wav is silent",
        "offset.wav": "offset.wav is silent",
        "opposite.wav": "opposite.wav is silent once its channels are averaged",
        "text.wav": "text.wav cannot be read as audio",
        "folder.wav": "folder.wav cannot be read as audio",
        "none.wav": "none.wav cannot be read as audio: no such file",
    }


def test_what_headers_tell_is_told_before_any_recording_is_read(source):
    said = write_bad_recordings(source)
    describe(source, ["good.wav", "anna", "Hello"], *([name, "anna", "Hello"] for name in said))
    message = refuse(source, *(said[name] for name in HEADERS_TELL))
    assert not any(f"{name} " in message for name in {"good.wav", *said} - HEADERS_TELL)


def test_all_recordings_without_a_sound_that_can_be_used_are_named_at_once(source):
    said = write_bad_recordings(source)
    names = said.keys() - HEADERS_TELL
    describe(source, ["good.wav", "anna", "Hello"], *([name, "anna", "Hello"] for name in names))
    message = refuse(source, *(said[name] for name in names))
    assert "good.wav" not in message


def test_all_that_cannot_be_used_is_left_out_and_listed_where_that_is_asked_for(source):
    said = write_bad_recordings(source)
    rows = [[name, "anna", "Hello"] for name in said]
    describe(source, ["good.wav", "anna", "Hello"], *rows, ["../x.wav", "anna", "Hello"])
    corpus = prepare(source, tolerate=True)
    assert corpus.table["utterance"].tolist() == ["good"]
    reasons = {remark.utterance: remark.reason for remark in corpus.info.exclusions}
    assert len(reasons) == len(said) + 1
    for name, reason in said.items():
        assert reason in reasons[name.removesuffix(".wav")]


def test_a_long_list_of_problems_is_cut(source):
    describe(source, *([f"{number}.wav", "anna", "Hello"] for number in range(25)))
    message = refuse(source, "19.wav", "… and 5 more")
    assert "20.wav" not in message


@pytest.mark.parametrize(
    "path",
    ["../good.wav", "/good.wav", "a/../../good.wav", "..\\good.wav", "", ".", "C:\\good.wav"],
)
def test_paths_that_leave_the_folder_are_refused(source, path):
    describe(source, [path, "anna", "Hello"])
    refuse(source, "line 2", repr(path), "stay within the folder")


@pytest.mark.parametrize(
    "speaker",
    ["", "<script>", 'a"b', "a,b", "../a", "a/b", "a b", "-a", ".a", "é", "a" * 61, "a-b", "con:"],
)
def test_speakers_that_cannot_name_a_folder_are_refused(source, speaker):
    describe(source, ["good.wav", speaker, "Hello"])
    refuse(source, f"speaker {speaker!r} must be 1 to 60 of", "rename the speaker")


@pytest.mark.parametrize("text", ["", "   ", "?!", "'"])
def test_texts_without_a_word_are_refused(source, text):
    describe(source, ["good.wav", "anna", text])
    refuse(source, "line 2: there is no word in the text")


def test_recordings_that_would_share_a_name_are_refused(source):
    describe(source, ["good.wav", "anna", "Hello"], ["good.flac", "anna", "Hello"])
    refuse(source, "line 3: becomes the utterance 'good', as", "line 2 does")


@pytest.mark.parametrize("column", ["seconds", "frames", "utterance", "a b", "<i>", ""])
def test_columns_that_later_stages_cannot_carry_are_refused(source, column):
    describe(source, ["good.wav", "anna", "Hello", "x"], header=[*HEADER, column])
    refuse(source, f"column {column!r} must begin with a letter")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"path;speaker;text\ngood.wav;anna;Hello\n",
            "comma-separated columns path, speaker, text",
        ),
        (b"path,speaker\ngood.wav,anna\n", "lacks text"),
        (b"", "lacks path, speaker, text"),
        (b"path,speaker,text\n", "has no rows"),
        (b"path,speaker,text,text\ngood.wav,anna,a,b\n", "['text'] more than once"),
        (b"path,speaker,text\ngood.wav,anna,Hello, world\n", "line 2: 4 cells where"),
        (b'path,speaker,text\ngood.wav,anna,"Hello\n', "is not CSV in UTF-8"),
        (
            "path,speaker,text\ngood.wav,anna,Grüße\n".encode("latin-1"),
            "line 2: is not text in UTF-8",
        ),
        (b"path,speaker,text\ngood.wav,anna,He\0llo\n", "line 2: has control characters"),
    ],
)
def test_metadata_of_another_form_is_refused(source, content, message):
    (source / "metadata.csv").write_bytes(content)
    refuse(source, "metadata.csv", message)


def test_missing_metadata_is_named(source):
    refuse(source, "metadata.csv is missing; write it with the columns path, speaker, text")


@pytest.mark.parametrize("path", [None, "nowhere"])
def test_a_missing_folder_is_named(source, path):
    refuse(source, f"corpus.path must be a folder for the reader folder, got {path!r}", path=path)


def test_speakers_and_a_seeded_subset_can_be_asked_for(source):
    rows = []
    for speaker in ("anna", "bert", "carl"):
        for number in range(6):
            soundfile.write(source / f"{speaker}{number}.wav", noise(0.2), RATE)
            rows.append([f"{speaker}{number}.wav", speaker, "Hello"])
    describe(source, *rows)
    table = prepare(source, speakers=["carl", "anna"], utterances_per_speaker=4).table
    assert table.groupby("speaker").size().to_dict() == {"anna": 4, "carl": 4}
    assert table["utterance"].is_monotonic_increasing


def test_recordings_of_speakers_not_asked_for_are_not_read(source):
    describe(source, ["good.wav", "anna", "Hello"], ["none.wav", "bert", "Hello"])
    assert prepare(source, speakers=["anna"]).table["utterance"].tolist() == ["good"]


def test_resampled_recordings_sound_the_same(source):
    seconds = np.arange(48000) / 48000
    soundfile.write(source / "tone.wav", 0.1 * np.sin(2 * np.pi * 440 * seconds), 48000)
    describe(source, ["tone.wav", "anna", "Hello"])
    corpus = prepare(source)
    waveform = audio.read_mono(corpus.folder / "audio/anna/tone.wav", RATE)
    spectrum = np.abs(np.fft.rfft(waveform[800:-800]))
    assert np.argmax(spectrum) == 440
