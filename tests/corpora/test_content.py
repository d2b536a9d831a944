import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from miniatures import prepare, record, write

from adaptts.corpora import inspection
from adaptts.corpora.content import content_hash, copies

RATE = 16000


@pytest.fixture
def speech() -> np.ndarray:
    """Noise of 16 bits, as a recording on a disk is."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    return np.rint(noise * 32767) / 32768


def stored(samples: np.ndarray, form: str, subtype: str) -> np.ndarray:
    """[samples] or [samples, channels] after they have been a file of that form."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=form, subtype=subtype)
    file.seek(0)
    return soundfile.read(file, always_2d=True)[0].mean(axis=1)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("AIFF", "PCM_16"),
    ],
)
def test_the_form_of_a_file_does_not_count(speech, form, subtype):
    assert content_hash(stored(speech, form, subtype)) == content_hash(speech)


def test_channels_silence_around_and_level_do_not_count(speech):
    expected = content_hash(speech)
    assert content_hash(stored(np.stack([speech, speech], axis=1), "WAV", "PCM_16")) == expected
    assert content_hash(np.pad(speech, (100, 3000))) == expected
    assert content_hash(speech * 0.3) == expected


@given(place=st.integers(0, RATE - 1))
def test_one_sample_counts(place):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    changed = noise.copy()
    changed[place] = 0.4 if noise[place] < 0 else -0.4
    assert content_hash(changed) != content_hash(noise)


def test_copies_name_the_first():
    contents = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")]
    assert copies(contents) == {"c": "a", "d": "a"}


def test_a_corpus_knows_its_contents_and_tells_of_copies(tmp_path):
    folder = tmp_path / "mine"
    record(folder / "a.wav", RATE)
    samples, _ = soundfile.read(folder / "a.wav", dtype="int16")
    soundfile.write(folder / "b.flac", samples, RATE)
    record(folder / "c.wav", RATE, seed=1)
    write(folder / "metadata.csv", "path,speaker,text\na.wav,x,One\nb.flac,y,Two\nc.wav,x,Three\n")
    corpus = prepare("folder", tmp_path / "corpus", path=str(folder))
    hashes = corpus.table.set_index("utterance")["content_hash"]
    waveform, _ = inspection.read(folder / "c.wav")
    assert hashes["c"] == content_hash(waveform)
    assert hashes["a"] == hashes["b"] != hashes["c"]
    notes = {remark.utterance: remark.reason for remark in corpus.info.notes}
    assert notes == {"b": "has the samples of a"}
    # Once in the corpus, the two differ: each has noise of its own.
    files = [(corpus.folder / path).read_bytes() for path in corpus.table["path"].iloc[:2]]
    assert files[0] != files[1]
