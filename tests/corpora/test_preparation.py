"""Trimming and loudness, from the parameters to the corpus folder."""

import csv
from pathlib import Path

import miniatures
import numpy as np
import pandas as pd
import pytest
import soundfile

from adaptts.corpora import audio, loudness
from adaptts.corpora.manifest import Manifest, ManifestError
from adaptts.corpora.preparation import CEILING
from adaptts.params import LoudnessParams, TrimParams

RATE = 16000
# Speaker, peak, seconds of speech. What bert says second is short of a block.
SPOKEN = [("anna", 0.3, 1.0), ("anna", 0.03, 1.0), ("bert", 0.2, 0.8), ("bert", 0.1, 0.3)]
BEFORE, AFTER = 0.7, 0.5


def voice(peak: float, seconds: float, rate: int) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    harmonics = sum(np.sin(2 * np.pi * 130 * n * times) / n for n in range(1, 12))
    return peak * harmonics / np.abs(harmonics).max()


@pytest.fixture
def source(tmp_path) -> Path:
    """Speech between long quiet ends, at 24 kHz."""
    rate, folder = 24000, tmp_path / "mine"
    folder.mkdir()
    rows = [["path", "speaker", "text"]]
    for number, (speaker, peak, seconds) in enumerate(SPOKEN):
        generator = np.random.default_rng(number)
        parts = [np.zeros(round(BEFORE * rate)), voice(peak, seconds, rate)]
        waveform = np.concatenate([*parts, np.zeros(round(AFTER * rate))])
        waveform += 1e-5 * generator.standard_normal(len(waveform))
        soundfile.write(folder / f"{number}.wav", waveform, rate, subtype="PCM_24")
        rows.append([f"{number}.wav", speaker, "a word"])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder


def prepare(source: Path, name: str, **changes) -> Manifest:
    return miniatures.prepare("folder", source.parent / name, path=str(source), **changes)


def waveforms(corpus: Manifest) -> list[np.ndarray]:
    """Without the edges that every recording is given."""
    edge = audio.edge_samples(RATE)
    paths = (corpus.folder / path for path in corpus.table["path"])
    return [audio.read_mono(path, RATE)[edge:-edge] for path in paths]


def recorded(corpus: Manifest) -> pd.DataFrame:
    return pd.read_csv(corpus.folder / "preparation.csv", dtype={"utterance": str})


def lufs(waveform: np.ndarray) -> float:
    return loudness.integrated(loudness.block_powers(waveform, RATE))


def test_nothing_is_recorded_where_nothing_is_asked_for(source):
    corpus = prepare(source, "plain")
    assert not (corpus.folder / "preparation.csv").exists()
    for waveform, (_, _, seconds) in zip(waveforms(corpus), SPOKEN, strict=True):
        assert len(waveform) == round((BEFORE + seconds + AFTER) * RATE)
        assert np.abs(waveform).max() == pytest.approx(audio.PEAK, abs=5 * audio.FLOOR)


def test_trimmed_ends_are_recorded(source):
    corpus = prepare(source, "trimmed", trim=TrimParams(margin_seconds=0.1))
    table = recorded(corpus)
    assert table["utterance"].tolist() == corpus.table["utterance"].tolist()
    for row, seconds, (_, _, spoken) in zip(
        table.to_dict("records"), corpus.table["seconds"], SPOKEN, strict=True
    ):
        cut = row["cut_before_seconds"] + row["cut_after_seconds"]
        assert row["cut_before_seconds"] == pytest.approx(BEFORE - 0.1, abs=0.04)
        assert row["cut_after_seconds"] == pytest.approx(AFTER - 0.1, abs=0.04)
        whole = BEFORE + spoken + AFTER + 2 * audio.EDGE_SECONDS
        assert seconds + cut == pytest.approx(whole, abs=1e-3)
    assert table["measured_lufs"].isna().all()


def test_every_utterance_gets_the_loudness(source):
    corpus = prepare(source, "loud", trim=TrimParams(), loudness=LoudnessParams(lufs=-26.0))
    for waveform in waveforms(corpus):
        assert lufs(waveform) == pytest.approx(-26.0, abs=0.1)
    table = recorded(corpus)
    np.testing.assert_allclose(table["measured_lufs"] + table["gain_db"], -26.0, atol=0.02)
    assert corpus.info.notes == []


def test_a_speakers_utterances_keep_their_differences(source):
    per_speaker = LoudnessParams(lufs=-26.0, per="speaker")
    corpus = prepare(source, "speakers", trim=TrimParams(), loudness=per_speaker)
    found = [lufs(waveform) for waveform in waveforms(corpus)]
    assert found[0] - found[1] == pytest.approx(20, abs=0.2)
    for speaker in ("anna", "bert"):
        own = [
            loudness.block_powers(waveform, RATE)
            for waveform, name in zip(waveforms(corpus), corpus.table["speaker"], strict=True)
            if name == speaker
        ]
        assert loudness.integrated(np.concatenate(own)) == pytest.approx(-26.0, abs=0.1)
    table = recorded(corpus)
    assert table.groupby(corpus.table["speaker"])["gain_db"].nunique().tolist() == [1, 1]


def test_what_would_be_clipped_is_lowered_as_a_whole_and_noted(source):
    for path in source.glob("*.wav"):  # peaks far above the mean
        samples, rate = soundfile.read(path)
        samples[rate :: rate // 50] *= 5
        soundfile.write(path, samples / 5, rate, subtype="PCM_24")
    corpus = prepare(source, "clipped", loudness=LoudnessParams(lufs=-10.0))
    plain = waveforms(prepare(source, "plain"))
    for waveform, as_it_was in zip(waveforms(corpus), plain, strict=True):
        assert np.abs(waveform).max() == pytest.approx(CEILING, abs=5 * audio.FLOOR)
        # Nothing but the level is other than without.
        np.testing.assert_allclose(
            waveform * audio.PEAK / CEILING, as_it_was, atol=10 * audio.FLOOR
        )
    assert len(corpus.info.notes) == len(SPOKEN)
    assert "dB below corpus.loudness" in corpus.info.notes[0].reason


def test_one_that_would_be_clipped_leaves_the_speakers_others_alone(source):
    samples, rate = soundfile.read(source / "1.wav")
    samples[100:110] = 0.9  # a click in the quiet end, louder than all speech
    soundfile.write(source / "1.wav", samples, rate, subtype="PCM_24")
    level = -13.0  # 3 dB above anna's own
    per_speaker = LoudnessParams(lufs=level, per="speaker")
    corpus = prepare(source, "click", loudness=per_speaker)
    table = recorded(corpus)
    assert [remark.utterance for remark in corpus.info.notes] == ["1"]
    assert table["gain_db"][0] == pytest.approx(level - table["measured_lufs"][0], abs=0.02)
    assert table["gain_db"][1] < table["gain_db"][0]


def test_a_recording_that_cannot_be_read_is_told_of_once(source):
    (source / "2.wav").write_bytes((source / "2.wav").read_bytes()[:5000])
    with pytest.raises(ManifestError, match="2.wav is cut short") as error:
        prepare(source, "broken", loudness=LoudnessParams(lufs=-23.0, per="speaker"))
    assert str(error.value).count("2.wav") == 1


@pytest.mark.parametrize("change", [
    {"trim": TrimParams()}, {"loudness": LoudnessParams(lufs=-23.0)}, {"resampler": "soxr"},
])  # fmt: skip
def test_the_synthetic_corpus_keeps_what_its_phones_times_hold_for(tmp_path, change):
    with pytest.raises(ManifestError, match="are for recordings.*take trim: null"):
        miniatures.prepare(
            "synthetic", tmp_path / "c", speakers=["m8"], utterances_per_speaker=1, **change
        )


def test_soxr_makes_another_corpus(source):
    one, other = (
        waveforms(prepare(source, name, resampler=name)) for name in ("polyphase", "soxr")
    )
    for here, there in zip(one, other, strict=True):
        assert len(here) == len(there)
        assert (here != there).any()
        np.testing.assert_allclose(here, there, atol=0.02)
