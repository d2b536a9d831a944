"""Errors of pitch, voicing and duration: of each phone as predicted, of each frame as heard."""

import numpy as np
from numpy.typing import NDArray

from adaptts.evaluation.distortion import Alignment
from adaptts.evaluation.measure import NotMeasurableError

SEMITONES = 12  # of an octave


def phone_pitch(
    f0_hz: NDArray[np.floating], durations_frames: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Geometric mean F0 in Hz of each phone's voiced frames, 0 where it has none, [phones].

    The acoustic model learns the logarithm of this. `f0_hz` [frames] is 0 where unvoiced;
    `durations_frames` [phones], each at least 1, sum to the frames.
    """
    starts = np.concatenate([[0], np.cumsum(durations_frames, dtype=np.int64)[:-1]])
    voiced = f0_hz > 0
    log_f0 = np.log(np.where(voiced, f0_hz, 1.0), dtype=np.float64)
    count = np.add.reduceat(voiced.astype(np.int64), starts)
    mean = np.add.reduceat(log_f0, starts) / np.maximum(count, 1)
    return np.where(count > 0, np.exp(mean), 0.0)


def pitch_error(predicted_hz: NDArray[np.floating], reference_hz: NDArray[np.floating]) -> float:
    """Root mean square error in semitones over the phones that are voiced in both, [phones] each.

    Raises `NotMeasurableError` where there is none.
    """
    _check_same_phones(predicted_hz, reference_hz)
    return _rms_semitones(predicted_hz, reference_hz, "phone")


def duration_error(
    predicted_frames: NDArray[np.floating],
    reference_frames: NDArray[np.number],
    spoken: NDArray[np.bool_],
    frame_ms: float,
) -> float:
    """Mean absolute error in ms of the phones' durations, [phones] each.

    Only phones that are `spoken` count: how long silence lasts is the recording's business.
    Raises `NotMeasurableError` where none is spoken.
    """
    _check_same_phones(predicted_frames, reference_frames)
    if not spoken.any():
        raise NotMeasurableError("no phone is spoken, all are silence")
    errors = np.abs(predicted_frames[spoken].astype(np.float64) - reference_frames[spoken])
    return _finite(float(errors.mean()) * frame_ms, "duration")


def f0_rmse(
    synthesised_hz: NDArray[np.floating], reference_hz: NDArray[np.floating], path: Alignment
) -> float:
    """Root mean square error of F0 in semitones along `path`, over frames voiced in both.

    Raises `NotMeasurableError` where there is none.
    """
    return _rms_semitones(synthesised_hz[path.predicted], reference_hz[path.reference], "frame")


def voicing_error(
    synthesised_hz: NDArray[np.floating], reference_hz: NDArray[np.floating], path: Alignment
) -> float:
    """Percentage of the pairs along `path` of which just one is voiced."""
    ours, theirs = synthesised_hz[path.predicted] > 0, reference_hz[path.reference] > 0
    return 100.0 * float(np.mean(ours != theirs))


def _rms_semitones(
    predicted_hz: NDArray[np.floating], reference_hz: NDArray[np.floating], what: str
) -> float:
    both = (predicted_hz > 0) & (reference_hz > 0)
    if not both.any():
        sides = {"prediction": predicted_hz, "reference": reference_hz}
        unvoiced = [side for side, f0_hz in sides.items() if not (f0_hz > 0).any()]
        where = f"the {' and the '.join(unvoiced)}" if unvoiced else "both at once"
        raise NotMeasurableError(f"no {what} is voiced in {where}")
    ratio = predicted_hz[both].astype(np.float64) / reference_hz[both]
    return _finite(float(np.sqrt(np.mean((SEMITONES * np.log2(ratio)) ** 2))), "pitch")


def _finite(value: float, what: str) -> float:
    if not np.isfinite(value):
        raise NotMeasurableError(f"the predicted {what} is not finite")
    return value


def _check_same_phones(predicted: np.ndarray, reference: np.ndarray) -> None:
    if predicted.shape != reference.shape or predicted.ndim != 1:
        raise ValueError(
            f"prediction and reference must hold one value for each of the same phones, got "
            f"{list(predicted.shape)} and {list(reference.shape)}; predict from the reference's "
            "phones"
        )
