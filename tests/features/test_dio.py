import numpy as np
import pytest
from evaluation.voice_like import make_sound
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.corpora import audio
from adaptts.features.dio import dio
from adaptts.features.prosody import pyworld

# Its Fourier transforms are of other lengths, and an interval is a small difference of places.
HZ = 1e-4


def compare(samples: np.ndarray, rate: int, bounds_hz: tuple[float, float], frame_ms: float):
    theirs, their_times = pyworld.dio(
        samples, rate, f0_floor=bounds_hz[0], f0_ceil=bounds_hz[1], frame_period=frame_ms
    )
    f0, times = dio(samples, rate, bounds_hz, frame_ms)
    assert np.array_equal(times, their_times)
    assert np.array_equal(f0 > 0, theirs > 0)
    assert np.allclose(f0, theirs, rtol=0, atol=HZ)
    return f0


@given(
    pitch_hz=st.floats(70, 450),
    seconds=st.floats(0.3, 1.2),
    tract=st.floats(0.8, 1.2),
    rate=st.sampled_from([8000, 16000, 22050, 48000]),
    bounds_hz=st.sampled_from([(60.0, 500.0), (71.0, 800.0), (40.0, 300.0)]),
    frame_ms=st.sampled_from([5.0, 10.0, 12.5]),
)
@settings(max_examples=25, deadline=None)
def test_figures_are_those_of_world(pitch_hz, seconds, tract, rate, bounds_hz, frame_ms) -> None:
    samples = make_sound(seconds, pitch_hz, tract, seed=0, rate=rate)
    compare(samples, rate, bounds_hz, frame_ms)


@pytest.mark.parametrize("utterance", range(4))
def test_figures_of_speech_are_those_of_world(corpus, utterance: int) -> None:
    recording = audio.read_mono(corpus.folder / corpus.table["path"][utterance], 16000)
    assert (compare(recording, 16000, (60.0, 500.0), 5.0) > 0).sum() > 100


@pytest.mark.parametrize("count", [1, 2, 79, 80, 81, 400, 1000, 4000])
def test_short_sounds_have_worlds_frames(count: int) -> None:
    compare(make_sound(1.0, 150, 1.0, 0)[2000 : 2000 + count], 16000, (60.0, 500.0), 5.0)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_what_never_changes_is_unvoiced(value: float) -> None:
    f0, _ = dio(np.full(16000, value), 16000, (60.0, 500.0), 5.0)
    assert not f0.any()


def test_a_tone_has_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
    f0, times = dio(tone, 16000, (60.0, 500.0), 5.0)
    middle = (times > 0.2) & (times < 0.8)
    assert f0[middle] == pytest.approx(220, abs=0.01)
