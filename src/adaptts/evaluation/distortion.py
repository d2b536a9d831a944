"""Spectral distortion in decibels between two readings of a text, after exact time alignment.

Two measures share one formula, 10√2/ln 10 · mean over the path of ‖c − c′‖₂ (Kubichek 1993), and
one alignment, dynamic time warping with steps (1, 1), (0, 1) and (1, 0) of equal weight. The mean
is over the path's pairs. c0, the level, counts neither in the path nor in the sum.

`mel_cepstral_distortion` compares c1… of WORLD's envelope (the published "MCD", in the convention
just stated: toolkits disagree by several dB on the same sound). `mel_distortion` compares c1…c13
of the cosine transform of log-mel frames; it needs no sound. Silence at both ends is left out.
"""

import math
from dataclasses import dataclass

import numpy as np
from librosa.sequence import dtw
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from adaptts.evaluation.measure import NotMeasurableError

# Cepstra that differ by d describe spectra whose logs differ by Σ dₖ cos kω, √(½ Σ dₖ²) in the
# mean square; 20/ln 10 makes decibels of it.
DECIBELS = 10 * math.sqrt(2) / math.log(10)

# c1…c13, the usual number: higher ones see the harmonics of high voices through the mel bands.
MEL_COEFFICIENTS = 13

# A frame whose power lies this far below the loudest frame of the utterance is silent.
SILENCE_BELOW_PEAK_DB = 40.0

# Points of the warped frequency axis on which a mel-cepstrum's power is summed.
WARPED_POINTS = 64


@dataclass(frozen=True)
class Alignment:
    """The cheapest monotonic path between two sequences of vectors."""

    predicted: NDArray[np.intp]  # frame of the predicted sequence at each step of the path
    reference: NDArray[np.intp]  # frame of the reference at the same step
    distance: float  # mean Euclidean distance along the path


def align(predicted: NDArray[np.floating], reference: NDArray[np.floating]) -> Alignment:
    """Align `predicted` [T, D] with `reference` [U, D] exactly, by Euclidean distance.

    Raises `NotMeasurableError` where either holds no frame or a value that is not finite.
    """
    check_frames(predicted, reference)
    costs = cdist(predicted, reference)
    totals, path = dtw(C=costs)
    return Alignment(path[::-1, 0], path[::-1, 1], float(totals[-1, -1]) / len(path))


def check_frames(predicted: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    """Raise `NotMeasurableError` where either holds no frame or a value that is not finite."""
    for name, frames in (("prediction", predicted), ("reference", reference)):
        if len(frames) == 0:
            raise NotMeasurableError(f"the {name} holds no frame")
        if not np.isfinite(frames).all():
            raise NotMeasurableError(f"the {name} holds values that are not finite")


def speech(log_magnitudes: NDArray[np.floating]) -> slice:
    """Return the frames from the first to the last that is not silent.

    `log_magnitudes` [T, M] are natural logs of magnitudes on a mel or warped frequency axis. A
    frame is silent where its power, summed over M, lies more than `SILENCE_BELOW_PEAK_DB` below
    the loudest frame's. Pauses inside stay. Frames that are not finite are never silent: it is for
    `align` to refuse them.
    """
    if len(log_magnitudes) == 0:
        return slice(0, 0)
    levels_db = 10 / math.log(10) * logsumexp(2 * log_magnitudes, axis=1)
    silent = levels_db < levels_db.max() - SILENCE_BELOW_PEAK_DB
    loud = np.flatnonzero(~silent)
    return slice(int(loud[0]), int(loud[-1]) + 1)


def cepstral_speech(mel_cepstra: NDArray[np.floating]) -> slice:
    """Return the frames of `mel_cepstra` [T, order + 1] from the first to the last not silent."""
    order = mel_cepstra.shape[1] - 1
    angles = np.pi * (np.arange(WARPED_POINTS) + 0.5) / WARPED_POINTS
    return speech(mel_cepstra @ np.cos(np.outer(np.arange(order + 1), angles)))


def mel_cepstral_alignment(
    synthesised: NDArray[np.floating], reference: NDArray[np.floating]
) -> Alignment:
    """Align mel-cepstra [T, order + 1] and [U, order + 1] by c1…, silence at the ends left out.

    The path's frames count from the first frame given, silent or not. `DECIBELS · distance` is
    the mel-cepstral distortion. Raises `NotMeasurableError` as `align` does.
    """
    ours, theirs = cepstral_speech(synthesised), cepstral_speech(reference)
    found = align(synthesised[ours, 1:], reference[theirs, 1:])
    return Alignment(found.predicted + ours.start, found.reference + theirs.start, found.distance)


def mel_cepstral_distortion(
    synthesised: NDArray[np.floating], reference: NDArray[np.floating]
) -> float:
    """Return the MCD in dB between mel-cepstra [T, order + 1] and [U, order + 1] of WORLD.

    Raises `NotMeasurableError` as `align` does.
    """
    return DECIBELS * mel_cepstral_alignment(synthesised, reference).distance


def mel_distortion(
    predicted_log_mel: NDArray[np.floating], reference_log_mel: NDArray[np.floating]
) -> float:
    """Return the distortion in dB of `predicted_log_mel` [T, M] from `reference_log_mel` [U, M].

    Both are natural logs of mel magnitudes. Raises `NotMeasurableError` as `align` does.
    """
    return DECIBELS * align(_cepstra(predicted_log_mel), _cepstra(reference_log_mel)).distance


def _cepstra(log_mel: NDArray[np.floating]) -> NDArray[np.float64]:
    """c1…c13 [T, 13] of natural-log mel magnitudes, silence at the ends left out.

    Scaled as a mel-cepstrum, ln|H| = Σ cₖ cos kω, so that both distortions are of one kind:
    cₖ = (2/M) Σ ln|H| cos kω, where SciPy's transform has the factor 2 but not 1/M.
    """
    frames = np.asarray(log_mel, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] <= MEL_COEFFICIENTS:
        raise ValueError(
            f"log mel frames must be [frames, more than {MEL_COEFFICIENTS} mels], got "
            f"{list(frames.shape)}; raise features.mels"
        )
    cosines = np.asarray(dct(frames[speech(frames)], type=2, axis=1))
    return cosines[:, 1 : MEL_COEFFICIENTS + 1] / frames.shape[1]
