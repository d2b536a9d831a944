"""Reading, resampling and writing of recordings."""

import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from adaptts.params import Resampler

Waveform = NDArray[np.float64]

PEAK = 0.6  # so that levels say nothing about speaker or corpus, and resampling never clips
EDGE_SECONDS = 0.05
WHOLE = 0.95  # of the samples that a file announces; an MP3 file may only estimate them
FLOOR = 1e-4  # standard deviation: 76 dB below the peak, like a good recording


class AudioError(ValueError):
    """A recording cannot be used; the message names the file, the rule and the remedy."""


@dataclass(frozen=True)
class Recording:
    """A file's samples as they stand."""

    samples: Waveform  # [samples, channels], full scale is ±1
    sampling_rate: int  # Hz


def read(path: Path | zipfile.Path) -> Recording:
    """Read any file that libsndfile knows. Raises `AudioError` where it cannot."""
    try:
        file = io.BytesIO(path.read_bytes())
        with soundfile.SoundFile(file) as sound:
            told, sampling_rate = sound.frames, sound.samplerate
            samples = sound.read(dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = "no such file" if not path.exists() else str(error)
        raise AudioError(f"{path} cannot be read as audio: {reason}") from None
    if len(samples) < WHOLE * told:
        raise AudioError(f"{path} is cut short: {len(samples)} of {told} samples")
    return Recording(np.asarray(samples, dtype=np.float64), sampling_rate)


def read_mono(path: Path | zipfile.Path, sampling_rate: int) -> Waveform:
    """The mean of a file's channels, [samples] at `sampling_rate` Hz, full scale is ±1."""
    recording = read(path)
    return resample(recording.samples.mean(axis=1), recording.sampling_rate, sampling_rate)


def resample(
    waveform: Waveform, rate: int, new_rate: int, resampler: Resampler = "polyphase"
) -> Waveform:
    """Resample [samples] from `rate` to `new_rate` Hz.

    polyphase  scipy's, with the short filter that it has by default
    soxr       the SoX resampler library's at its high quality: a steeper filter, from end to end

    docs/corpora.md has what each lets through.
    """
    if rate == new_rate:
        return waveform
    if resampler == "soxr":
        return soxr.resample(waveform, rate, new_rate, quality="HQ")
    # Importing it takes a second, which those that only read recordings need not wait for.
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, new_rate)
    return resample_poly(waveform, new_rate // divisor, rate // divisor)


def finish(
    waveform: Waveform, sampling_rate: int, utterance: str, gain: float | None = None
) -> Waveform:
    """Give [samples] the level, the edges and the noise floor that every corpus has.

    They are multiplied by `gain`, or, without one, so that the peak becomes PEAK; EDGE_SECONDS are
    added before and after, and noise at FLOOR covers all. So each utterance begins and ends with
    silence, however tightly it was cut, and no frame is digital silence, whose logarithm would
    dwarf all differences between sounds. The noise hangs on the utterance's name alone. Without a
    gain, the waveform must not be all zeros.
    """
    factor = PEAK / np.abs(waveform).max() if gain is None else gain
    padded = np.pad(waveform * factor, edge_samples(sampling_rate))
    generator = np.random.default_rng(zlib.crc32(utterance.encode()))
    return padded + FLOOR * generator.standard_normal(len(padded))


def edge_samples(sampling_rate: int) -> int:
    """The samples that `finish` adds before, and again after."""
    return round(EDGE_SECONDS * sampling_rate)


def write(path: Path, waveform: Waveform, sampling_rate: int) -> None:
    """Write [samples] within ±1 as 16-bit mono WAV, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.clip(np.rint(waveform * 32767), -32768, 32767).astype(np.int16)
    # By way of memory: libsndfile reports a full disk as an error without cause.
    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, subtype="PCM_16", format="WAV")
    path.write_bytes(file.getbuffer())
