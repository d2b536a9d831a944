import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptts.episodes.batch import Utterances
from adaptts.evaluation.distortion import Alignment
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.prosody import (
    duration_error,
    f0_rmse,
    phone_pitch,
    pitch_error,
    voicing_error,
)
from adaptts.features import normalisation

ROUNDING = 1e-9

voiced_hz = st.lists(st.floats(60, 500), min_size=1, max_size=8).map(np.array)


@given(voiced_hz, st.floats(-24, 24))
def test_a_transposed_voice_is_off_by_the_interval(f0_hz: np.ndarray, semitones: float) -> None:
    transposed = f0_hz * 2 ** (semitones / 12)
    assert pitch_error(transposed, f0_hz) == pytest.approx(abs(semitones), abs=1e-6)


@given(voiced_hz, voiced_hz)
def test_pitch_errors_are_the_same_both_ways(a: np.ndarray, b: np.ndarray) -> None:
    count = min(len(a), len(b))
    there, back = pitch_error(a[:count], b[:count]), pitch_error(b[:count], a[:count])
    assert there == pytest.approx(back, rel=ROUNDING)


def test_only_phones_voiced_in_both_count() -> None:
    assert pitch_error(np.array([200.0, 0, 90]), np.array([100.0, 120, 0])) == 12


def test_pitch_errors_are_root_mean_squares() -> None:
    error = pitch_error(np.array([200.0, 100]), np.array([100.0, 100]))
    assert error == pytest.approx(12 / np.sqrt(2), rel=ROUNDING)


@pytest.mark.parametrize(
    ("predicted", "reference", "reason"),
    [
        ([0, 0], [100, 0], "no phone is voiced in the prediction"),
        ([100, 0], [0, 0], "no phone is voiced in the reference"),
        ([0, 0], [0, 0], "no phone is voiced in the prediction and the reference"),
        ([100, 0], [0, 100], "no phone is voiced in both at once"),
        ([np.inf, 0], [100, 0], "not finite"),
    ],
)
def test_undefined_pitch_errors_say_why(predicted: list, reference: list, reason: str) -> None:
    with pytest.raises(NotMeasurableError, match=reason):
        pitch_error(np.array(predicted, float), np.array(reference, float))


def test_other_phones_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same phones, got \[3\] and \[2\]"):
        pitch_error(np.ones(3), np.ones(2))


def test_duration_errors_are_of_spoken_phones_in_ms() -> None:
    spoken = np.array([False, True, True, False])
    error = duration_error(np.array([9.0, 3, 5, 1]), np.array([1, 2, 7, 1]), spoken, 16.0)
    assert error == 1.5 * 16


def test_silence_alone_has_no_duration_error() -> None:
    with pytest.raises(NotMeasurableError, match="no phone is spoken"):
        duration_error(np.ones(1), np.ones(1), np.array([False]), 16.0)


def test_diverged_durations_have_no_error() -> None:
    with pytest.raises(NotMeasurableError, match="duration is not finite"):
        duration_error(np.array([np.nan]), np.ones(1), np.array([True]), 16.0)


def test_frames_are_compared_along_the_path() -> None:
    path = Alignment(np.array([1, 2, 2]), np.array([0, 0, 1]), 0.0)
    said, wanted = np.array([50.0, 200, 0]), np.array([100.0, 0])
    assert f0_rmse(said, wanted, path) == 12
    # Pairs: voiced and voiced; unvoiced and voiced; both unvoiced.
    assert voicing_error(said, wanted, path) == pytest.approx(100 / 3)


def test_nothing_voiced_in_both_has_no_f0_error() -> None:
    path = Alignment(np.array([0]), np.array([0]), 0.0)
    with pytest.raises(NotMeasurableError, match="no frame is voiced in the prediction"):
        f0_rmse(np.zeros(1), np.ones(1), path)


def test_phone_pitch_is_the_geometric_mean_of_voiced_frames() -> None:
    pitch = phone_pitch(np.array([0, 100, 400, 0, 0, 50]), np.array([3, 2, 1]))
    assert pitch == pytest.approx([200, 0, 50])


def test_phone_pitch_is_what_the_model_learns(store, episodes) -> None:
    normal = normalisation.measure(store, store.index.index[:12])
    utterance = store.index.index[0]
    batch = Utterances(store, normal, episodes).batch([utterance])
    learnt = np.exp(batch.pitch[0].numpy() * normal.log_f0_scale + normal.log_f0_mean) * (
        batch.voicing[0].numpy() > 0
    )
    ours = phone_pitch(store.f0(utterance), store.durations(utterance))
    assert ours == pytest.approx(learnt, rel=1e-5)  # of float32
