import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.corpora import audio
from adaptts.features import prosody
from adaptts.features.prosody import pysptk, pyworld

RATE = 16000


@pytest.fixture(scope="module")
def waveform(corpus):
    return audio.read_mono(corpus.folder / corpus.table["path"][0], RATE)


def buzz(f0_hz: float, seconds: float = 0.6) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    harmonics = [np.sin(2 * np.pi * f0_hz * n * times) / n for n in range(1, 20)]
    return 0.2 * np.sum(harmonics, axis=0)


@pytest.mark.parametrize("f0_hz", [90.0, 220.0, 410.0])
def test_f0_of_a_buzz_is_its_pitch(params, f0_hz):
    found = prosody.analyse(buzz(f0_hz), RATE, params).f0_hz[20:-20]
    np.testing.assert_allclose(found, f0_hz, rtol=0.005)


def test_analysis_is_dio_stonemask_and_cheaptrick(waveform, params):
    coarse, times = pyworld.dio(waveform, RATE, f0_floor=60.0, f0_ceil=500.0, frame_period=5.0)
    f0_hz = pyworld.stonemask(waveform, coarse, times, RATE)
    analysis = prosody.analyse(waveform, RATE, params)
    # DIO is ours, and meets pyworld's to rounding.
    np.testing.assert_allclose(analysis.f0_hz, f0_hz, rtol=1e-9)
    envelope = pyworld.cheaptrick(waveform, f0_hz, times, RATE, f0_floor=60.0)
    np.testing.assert_allclose(analysis.envelope, envelope, rtol=1e-6)


def test_noise_has_an_envelope_and_no_pitch(params):
    noise = np.random.default_rng(0).normal(scale=0.01, size=RATE)
    noise = np.diff(noise, n=4)  # hiss: nothing where pitch could be
    analysis = prosody.analyse(noise, RATE, params)
    assert not analysis.f0_hz.any()
    assert np.isfinite(prosody.mel_cepstrum(analysis.envelope, RATE, params)).all()


def test_digital_silence_has_a_finite_cepstrum(params):
    analysis = prosody.analyse(np.zeros(RATE), RATE, params)
    assert np.isfinite(prosody.mel_cepstrum(analysis.envelope, RATE, params)).all()


def test_mel_cepstrum_agrees_with_pysptk(waveform, params):
    envelope = prosody.analyse(waveform, RATE, params).envelope
    theirs = pysptk.sp2mc(envelope, 24, pysptk.util.mcepalpha(RATE))
    np.testing.assert_allclose(prosody.mel_cepstrum(envelope, RATE, params), theirs, atol=1e-10)


def test_warping_at_16_khz_is_that_of_sptk():
    assert prosody.mel_warping(RATE) == pytest.approx(0.41)


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(1000, 60000), rate=st.sampled_from([8000, 16000, 22050, 44100]))
def test_frame_count_is_that_of_world(params, samples, rate):
    f0_hz, _ = pyworld.dio(np.zeros(samples), rate, frame_period=params.frame_period_ms)
    assert prosody.frame_count(samples, rate, params) == len(f0_hz)


def test_mel_frames_take_the_nearest_analysis_frame(params):
    # Centres at 0, 16, 32, 48 ms; analysis at 0, 5, … 45 ms.
    f0_hz = np.arange(10) * 10.0
    assert prosody.at_mel_frames(f0_hz, 4, RATE, params).tolist() == [0, 30, 60, 90]
