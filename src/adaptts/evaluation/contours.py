"""How alike two readings of a text are in melody, loudness and tempo, each over all of it.

Along the path that time warping has found: the correlation of F0, and the error of energy. Without
it: the mean and the spread of F0, and the duration of speech. A path's frames are those of WORLD's
analysis, from the first to the last that is not silent.
"""

import numpy as np
from numpy.typing import NDArray

from adaptts.evaluation.distortion import SILENCE_BELOW_PEAK_DB, Alignment
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.prosody import SEMITONES

# Voiced frames that tell of a melody: a twentieth of a second at 5 ms.
LEAST_FRAMES = 10

# Frequencies at which an envelope's power is summed: enough for 25 mel-cepstra at any warping.
FREQUENCIES = 257


def f0_correlation(
    synthesised_hz: NDArray[np.floating], reference_hz: NDArray[np.floating], path: Alignment
) -> float:
    """Pearson's correlation of log F0 along `path`, over frames voiced in both: −1 … 1.

    Raises `NotMeasurableError` where these are fewer than `LEAST_FRAMES`, or where either's pitch
    does not move.
    """
    ours, theirs = synthesised_hz[path.predicted], reference_hz[path.reference]
    both = (ours > 0) & (theirs > 0)
    if both.sum() < LEAST_FRAMES:
        raise NotMeasurableError(
            f"{both.sum()} frames are voiced in both, a correlation takes {LEAST_FRAMES}"
        )
    logs = np.log(np.stack([ours[both], theirs[both]]), dtype=np.float64)
    if not np.isfinite(logs).all():
        raise NotMeasurableError("the pitch is not finite")
    for side, log_f0 in zip(("prediction", "reference"), logs, strict=True):
        # A constant has a spread of rounding errors.
        if np.ptp(log_f0) < 1e-9:
            raise NotMeasurableError(f"the pitch of the {side} is constant")
    return float(np.clip(np.corrcoef(logs)[0, 1], -1, 1))


def f0_moment_errors(
    synthesised_hz: NDArray[np.floating], reference_hz: NDArray[np.floating]
) -> tuple[float, float]:
    """How far mean and standard deviation of F0 are apart, in semitones, over voiced frames.

    Each reading's own, on a logarithmic scale, so without any path. Raises `NotMeasurableError`
    where either has no voiced frame.
    """
    (mean, spread), (wanted_mean, wanted_spread) = (
        _moments(f0_hz, side)
        for f0_hz, side in ((synthesised_hz, "prediction"), (reference_hz, "reference"))
    )
    return abs(mean - wanted_mean), abs(spread - wanted_spread)


def _moments(f0_hz: NDArray[np.floating], side: str) -> tuple[float, float]:
    voiced = f0_hz[f0_hz > 0]
    if len(voiced) == 0:
        raise NotMeasurableError(f"no frame is voiced in the {side}")
    semitones = SEMITONES * np.log2(voiced, dtype=np.float64)
    if not np.isfinite(semitones).all():
        raise NotMeasurableError("the pitch is not finite")
    return float(semitones.mean()), float(semitones.std())


def rate_error(path: Alignment) -> float:
    """How much longer or shorter the speech lasts than the reference's, in % of that.

    Speech lasts from the first to the last frame that is not silent, between which `path` leads.
    Both say the same phones, so this is the error of phones per second, seen as time per phone.
    """
    ours = path.predicted[-1] - path.predicted[0] + 1
    theirs = path.reference[-1] - path.reference[0] + 1
    return 100 * abs(float(ours / theirs) - 1)


def energy_error(
    synthesised: NDArray[np.floating],
    reference: NDArray[np.floating],
    path: Alignment,
    warping: float,
) -> float:
    """Root mean square difference in dB of the frames' levels along `path`.

    Of mel-cepstra [T, order + 1] and [U, order + 1], c0 first, of the frequency warping α. Both
    levels are aligned before: the mean difference along the path is taken away. A frame more than
    `SILENCE_BELOW_PEAK_DB` below its reading's loudest one counts as just that far below: how
    silent a pause is says nothing of speech.
    """
    ours, theirs = (_audible(levels_db(cepstra, warping)) for cepstra in (synthesised, reference))
    return float(np.std(ours[path.predicted] - theirs[path.reference]))


def _audible(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(levels, levels.max() - SILENCE_BELOW_PEAK_DB)


def levels_db(mel_cepstra: NDArray[np.floating], warping: float) -> NDArray[np.float64]:
    """The level of each frame in dB: its envelope's power, in the mean over frequency, [T].

    log|H(ω)| = Σ cₖ cos kβ(ω) with the all-pass phase β(ω) = ω + 2 atan(α sin ω/(1 − α cos ω))
    (Tokuda et al. 1994).
    """
    omega = np.pi * (np.arange(FREQUENCIES) + 0.5) / FREQUENCIES
    phase = omega + 2 * np.arctan2(warping * np.sin(omega), 1 - warping * np.cos(omega))
    cosines = np.cos(np.outer(np.arange(mel_cepstra.shape[1]), phase))
    log_power = 2 * np.asarray(mel_cepstra, dtype=np.float64) @ cosines
    peak = log_power.max(axis=1)
    mean = np.exp(log_power - peak[:, None]).mean(axis=1)
    return 10 / np.log(10) * (peak + np.log(mean))
