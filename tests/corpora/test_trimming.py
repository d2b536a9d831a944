import numpy as np
import pytest
from spoken_corpus import make_corpus

from adaptts.corpora import audio
from adaptts.corpora.trimming import speech_span
from adaptts.params import TrimParams

RATE = 16000
TRIM = TrimParams(threshold_db=40.0, margin_seconds=0.1)
LATE = 0.04  # seconds: frames last 20 ms, and the filter against rumble rings as long


def quiet(seconds: float, level_db: float = -80.0, seed: int = 0) -> np.ndarray:
    """Noise of a level below full scale."""
    generator = np.random.default_rng(seed)
    return 10 ** (level_db / 20) * generator.standard_normal(round(seconds * RATE))


def voice(seconds: float, level_db: float = -10.0) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    harmonics = sum(np.sin(2 * np.pi * 120 * n * times) / n for n in range(1, 20))
    return 10 ** (level_db / 20) * harmonics


def placed(before: float, sound: np.ndarray, after: float, noise_db: float = -80.0) -> np.ndarray:
    waveform = quiet(before + len(sound) / RATE + after, noise_db)
    start = round(before * RATE)
    waveform[start : start + len(sound)] += sound
    return waveform


def span(waveform: np.ndarray, params: TrimParams = TRIM) -> tuple[float, float]:
    """Where speech begins and how much is left behind it, in seconds."""
    start, end = speech_span(waveform, RATE, params)
    return start / RATE, (len(waveform) - end) / RATE


@pytest.mark.parametrize("noise_db", [-90.0, -60.0, -40.0])
@pytest.mark.parametrize("margin", [0.0, 0.1, 0.3])
def test_ends_are_cut_but_for_the_margins(noise_db, margin):
    waveform = placed(1.0, voice(0.8), 0.6, noise_db)
    before, after = span(waveform, TrimParams(margin_seconds=margin))
    assert 1.0 - margin - LATE <= before <= 1.0 - margin
    assert 0.6 - margin - LATE <= after <= 0.6 - margin


def test_pauses_within_are_kept():
    words = np.concatenate([voice(0.4), np.zeros(2 * RATE), voice(0.4)])
    before, after = span(placed(0.5, words, 0.5))
    assert before == pytest.approx(0.4, abs=LATE)
    assert after == pytest.approx(0.4, abs=LATE)


def test_a_weak_fricative_at_either_end_is_kept():
    fricative = quiet(0.12, -42.0, seed=1)  # 30 dB below the vowel
    spoken = np.concatenate([fricative, voice(0.4), fricative])
    waveform = placed(0.5, spoken, 0.5)
    before, after = span(waveform)
    assert 0.3 < before <= 0.5
    assert 0.3 < after <= 0.5


def test_a_fricative_under_the_noise_is_what_margins_are_for():
    fricative = quiet(0.1, -42.0, seed=1)
    spoken = np.concatenate([fricative, voice(0.4), fricative])
    before, after = span(placed(0.5, spoken, 0.5, noise_db=-38.0))
    assert before <= 0.5
    assert after <= 0.5


def test_clicks_do_not_count_as_speech():
    waveform = placed(1.0, voice(0.5), 1.0)
    for place in (0.2, 2.3):
        waveform[round(place * RATE) :][:16] = 0.9
    before, after = span(waveform)
    assert before == pytest.approx(0.9, abs=LATE)
    assert after == pytest.approx(0.9, abs=LATE)


def test_hum_rumble_and_a_constant_do_not_count_as_speech():
    times = np.arange(2 * RATE) / RATE
    hum = 0.05 * np.sin(2 * np.pi * 20 * times) + 0.1
    before, after = span(placed(0.8, voice(0.4), 0.8) + hum)
    assert before == pytest.approx(0.7, abs=LATE)
    assert after == pytest.approx(0.7, abs=LATE)


@pytest.mark.parametrize("noise_db", [-12.0, -18.0])
def test_where_noise_is_nearly_as_loud_as_speech_nothing_of_the_speech_is_cut(noise_db):
    before, after = span(placed(0.5, voice(0.5), 0.5, noise_db))
    assert before <= 0.5
    assert after <= 0.5


@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.059])
def test_what_is_shorter_than_a_sound_is_kept_whole(seconds):
    waveform = voice(seconds)
    assert speech_span(waveform, RATE, TRIM) == (0, len(waveform))


@pytest.mark.parametrize("threshold_db", [25.0, 40.0, 60.0])
def test_level_does_not_matter(threshold_db):
    waveform = placed(0.7, voice(0.5), 0.7)
    params = TrimParams(threshold_db=threshold_db)
    assert speech_span(waveform, RATE, params) == speech_span(waveform * 1e-3, RATE, params)


def test_a_lower_threshold_keeps_more():
    dying = voice(1.0) * np.geomspace(1, 1e-4, RATE)
    waveform = placed(0.3, dying, 0.3, noise_db=-100.0)
    ends = [speech_span(waveform, RATE, TrimParams(threshold_db=db))[1] for db in (20, 40, 60)]
    assert ends == sorted(set(ends))


def test_real_phones_are_kept(tmp_path):
    """Of the embedded voices, whose silences are known: no phone is cut, most silence is."""
    corpus = make_corpus(tmp_path, 3)
    for row in corpus.table.to_dict("records"):
        waveform = audio.read_mono(corpus.folder / row["path"], RATE)
        padded = np.concatenate([quiet(0.5), waveform, quiet(0.5)])
        start, end = speech_span(padded, RATE, TRIM)
        own = corpus.phones[corpus.phones["utterance"] == row["utterance"]]
        spoken = own[own["phone"] != "sil"]
        assert start / RATE - 0.5 <= spoken["start_seconds"].min()
        assert end / RATE - 0.5 >= spoken["end_seconds"].max()
        assert start > 0.3 * RATE
        assert end < len(padded) - 0.3 * RATE
