"""How loud a sound is, and making sounds alike in level."""

import zlib

import numpy as np
from numpy.typing import NDArray

from adaptts.corpora.audio import FLOOR, PEAK, Waveform
from adaptts.evaluation.measure import NotMeasurableError

# A sound whose largest sample is smaller, a few steps of 16 bits, holds no speech.
LEAST_PEAK = 1e-4
# Frames of the speech itself, when its level is measured: as long, and as far below the loudest.
FRAME_SECONDS, SPEECH_RANGE = 0.02, 30.0  # seconds, dB

# Of the peak: samples above are at it, but for the noise floor and for rounding.
AT_PEAK = 0.99


def flaw(waveform: NDArray[np.floating]) -> str | None:
    """Why nothing can be heard in [samples], or None where something can."""
    if len(waveform) == 0:
        return "the sound is empty"
    if not np.isfinite(waveform).all():
        return "the sound is not finite"
    if np.abs(waveform).max(initial=0.0) < LEAST_PEAK:
        return "the sound is silent"
    return None


def clipped_share(waveform: NDArray[np.floating]) -> float:
    """The samples at the peak, in %: hundredths in speech, ones where peaks were cut off.

    Whatever the level at which that happened. Raises `NotMeasurableError` where nothing is heard.
    """
    reason = flaw(waveform)
    if reason:
        raise NotMeasurableError(reason)
    magnitudes = np.abs(waveform)
    return 100 * float(np.mean(magnitudes >= AT_PEAK * magnitudes.max()))


def scale_to_peak(waveform: NDArray[np.floating]) -> Waveform:
    """Scale [samples] to the peak of the corpora; where nothing can be heard they stay."""
    samples = np.asarray(waveform, dtype=np.float64)
    return samples if flaw(samples) else samples * (PEAK / np.abs(samples).max())


def finish(waveform: NDArray[np.floating], utterance: str) -> Waveform:
    """Give a synthesised sound the level and the noise floor that every recording has.

    Without the noise, a band or a pause that is empty would count for more than any speech: its
    logarithm has no bottom. The noise hangs on the utterance's name, and is not the recording's.
    Where nothing can be heard, [samples] stay as they are.
    """
    samples = scale_to_peak(waveform)
    if flaw(samples):
        return samples
    generator = np.random.default_rng(zlib.crc32(f"{utterance} synthesised".encode()))
    return samples + FLOOR * generator.standard_normal(len(samples))


def speech_level(waveform: Waveform, sampling_rate: int) -> float:
    """The level of the speech in [samples], in dB of full scale.

    It is the mean power of the frames that are not pauses, much as ITU-T P.56 has it: so a sound
    with long pauses is not taken for a quiet one. The sound must not be flawed.
    """
    length = max(1, round(FRAME_SECONDS * sampling_rate))
    padded = np.pad(waveform, (0, -len(waveform) % length))
    power = np.square(padded).reshape(-1, length).mean(axis=1)
    speech = power[power >= power.max() * 10 ** (-SPEECH_RANGE / 10)]
    return float(10 * np.log10(speech.mean()))
