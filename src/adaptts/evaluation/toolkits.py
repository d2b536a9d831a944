"""Mel-cepstral distortion between two sounds by any of the `conventions`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter

from adaptts.corpora.audio import Waveform
from adaptts.evaluation.conventions import Analysis, Convention, Periodogram, World
from adaptts.evaluation.distortion import (
    DECIBELS,
    Alignment,
    align,
    cepstral_speech,
    check_frames,
)
from adaptts.evaluation.fast_alignment import align_fast
from adaptts.evaluation.level import flaw
from adaptts.evaluation.measure import Measure, NotMeasurableError, take
from adaptts.evaluation.mel_cepstra import mel_cepstra
from adaptts.features.prosody import cepstrum_matrix, mel_warping, pysptk, pyworld, track_f0

# VERSA pairs frames one by one only where the lengths differ by less than this part of their sum.
LARGEST_MISMATCH = 0.1
# VERSA leaves out the frames whose power lies this far below the mean power.
QUIET_BELOW_MEAN_DB = 20.0
LOW_CUT_TAPS = 255  # of VERSA's filter

Value = TypeVar("Value", int, float)


@dataclass(frozen=True)
class Frames:
    """A sound's mel-cepstra."""

    cepstra: NDArray[np.float64]  # [frames, order + 1], c0 first
    power_db: NDArray[np.float64]  # [frames], of the mean frame's; of World alone, else zeros


def distortion(
    convention: Convention,
    synthesised: Waveform,
    reference: Waveform,
    sampling_rate: int,
    reference_rate: int | None = None,
) -> float:
    """The distortion in dB of `synthesised` from `reference`, [samples] within ±1.

    `sampling_rate` is that of both sounds unless there is a `reference_rate`; then the higher rate
    is brought to the lower one. Raises `NotMeasurableError` where a sound is empty, silent, not
    finite or shorter than a frame, and where the convention does not cover the pair.
    """
    for name, sound in (("prediction", synthesised), ("reference", reference)):
        check_sound(sound, name)
    rate = min(sampling_rate, reference_rate or sampling_rate)
    said = _resample(synthesised, sampling_rate, rate)
    true = _resample(reference, reference_rate or sampling_rate, rate)
    return _Pair(said, true, rate).distortion(convention)


def distortions(
    conventions: Sequence[Convention],
    synthesised: Waveform,
    reference: Waveform,
    sampling_rate: int,
) -> list[Measure]:
    """A measure by each convention, in their order; NaN, with the reason, where there is none.

    Conventions of the same analysis share it.
    """
    pair = _Pair(synthesised, reference, sampling_rate)

    def measure(convention: Convention) -> Sequence[float]:
        check_sound(synthesised, "prediction")
        check_sound(reference, "reference")
        return [pair.distortion(convention)]

    return [
        measured
        for convention in conventions
        for measured in take([convention.metric], lambda each=convention: measure(each))
    ]


@dataclass(frozen=True)
class _Pair:
    """Two sounds of one rate, and their analyses so far."""

    synthesised: Waveform
    reference: Waveform
    sampling_rate: int
    _analysed: dict[Analysis, tuple[Frames, Frames]] = field(default_factory=dict)

    def distortion(self, convention: Convention) -> float:
        if convention.alignment == "padded":
            return compare(convention, *self._padded(convention.analysis))
        if convention.analysis not in self._analysed:
            self._analysed[convention.analysis] = (
                analyse(self.synthesised, self.sampling_rate, convention.analysis),
                analyse(self.reference, self.sampling_rate, convention.analysis),
            )
        return compare(convention, *self._analysed[convention.analysis])

    def _padded(self, analysis: Analysis) -> tuple[Frames, Frames]:
        """Of both sounds, with zeros after the shorter one."""
        # At the analysis' own rate, as resampling would smear the edge.
        rate = analysis.sampling_rate or self.sampling_rate
        sounds = [
            _resample(sound, self.sampling_rate, rate)
            for sound in (self.synthesised, self.reference)
        ]
        length = max(map(len, sounds))
        said, true = (np.pad(sound, (0, length - len(sound))) for sound in sounds)
        return analyse(said, rate, analysis), analyse(true, rate, analysis)


def check_sound(waveform: NDArray[np.floating], name: str) -> None:
    """Raise `NotMeasurableError` where there is nothing to compare in `waveform`.

    Raises `ValueError` where it is not mono.
    """
    if waveform.ndim != 1:
        raise ValueError(
            f"the {name} must be mono, [samples], got {list(waveform.shape)}; mix or choose a "
            "channel first"
        )
    if waveform.size == 0:
        raise NotMeasurableError(f"the {name} holds no sample")
    reason = flaw(waveform)
    if reason:
        raise NotMeasurableError(f"the {name} cannot be heard: {reason}")


def analyse(waveform: Waveform, sampling_rate: int, analysis: Analysis) -> Frames:
    """Mel-cepstra of a sound that `check_sound` accepts.

    Raises `NotMeasurableError` where the analysis has no settings for the rate, or no frame.
    """
    rate = analysis.sampling_rate or sampling_rate
    samples = _resample(np.asarray(waveform, dtype=np.float64), sampling_rate, rate)
    order = _of_rate(analysis.order, rate)
    warping = _of_rate(analysis.warping, rate) if analysis.warping else mel_warping(rate)
    if isinstance(analysis.spectrum, World):
        return _world_frames(samples, rate, analysis.spectrum, order, warping)
    return _periodogram_frames(samples, analysis.spectrum, order, warping)


def compare(convention: Convention, synthesised: Frames, reference: Frames) -> float:
    """The distortion in dB between frames of the convention's analysis.

    Raises `NotMeasurableError` where the convention cannot pair them.
    """
    said = synthesised.cepstra[_speech(synthesised, convention)]
    true = reference.cepstra[_speech(reference, convention)]
    path = _pair(convention, said, true)
    first = 0 if convention.level_in_sum else 1
    apart = said[path.predicted, first:] - true[path.reference, first:]
    lengths = len(synthesised.cepstra), len(reference.cepstra)
    penalty = max(lengths) / min(lengths) if convention.length_penalty else 1.0
    return float(penalty * DECIBELS * np.linalg.norm(apart, axis=1).mean())


def _pair(convention: Convention, said: NDArray, true: NDArray) -> Alignment:
    first = 0 if convention.level_in_path else 1
    if convention.alignment in ("exact", "fastdtw"):
        warp = align if convention.alignment == "exact" else align_fast
        return warp(said[:, first:], true[:, first:])
    check_frames(said, true)
    shorter, longer = sorted((len(said), len(true)))
    if longer - shorter >= LARGEST_MISMATCH * (longer + shorter):
        raise NotMeasurableError(
            f"{convention.name} pairs frames one by one, and {len(said)} of them with {len(true)} "
            "differ by too much"
        )
    frames = np.arange(shorter)
    distance = np.linalg.norm(said[:shorter, first:] - true[:shorter, first:], axis=1).mean()
    return Alignment(frames, frames, float(distance))


def _speech(frames: Frames, convention: Convention) -> slice | NDArray[np.bool_]:
    """Which frames count: all, those between the silent ends, or those of enough power."""
    if convention.silence == "trimmed":
        return cepstral_speech(frames.cepstra)
    if convention.silence == "left out":
        return frames.power_db > -QUIET_BELOW_MEAN_DB
    return slice(None)


def _world_frames(samples: Waveform, rate: int, world: World, order: int, warping: float) -> Frames:
    samples = np.ascontiguousarray(samples * world.full_scale)
    if world.low_cut_hz:
        taps = firwin(LOW_CUT_TAPS, world.low_cut_hz / (rate // 2), pass_zero=False)
        samples = np.asarray(lfilter(taps, 1, samples))
    low, high = world.f0_bounds_hz
    if world.f0 == "dio":
        f0_hz, times = track_f0(samples, rate, world.f0_bounds_hz, world.frame_ms)
    else:
        f0_hz, times = pyworld.harvest(
            samples, rate, f0_floor=low, f0_ceil=high, frame_period=world.frame_ms
        )
    envelope = pyworld.cheaptrick(
        samples, f0_hz, times, rate, f0_floor=low, fft_size=world.fft_size
    )
    power = 2 * envelope.sum(axis=1) - envelope[:, 0] - envelope[:, -1]
    if world.power_as_magnitude is not None:
        envelope = envelope**2 + world.power_as_magnitude
    cepstra = np.log(envelope) @ cepstrum_matrix(envelope.shape[1], order, warping)
    return Frames(cepstra, 10 * np.log10(power / power.mean()))


def _periodogram_frames(samples: Waveform, kind: Periodogram, order: int, warping: float) -> Frames:
    if len(samples) < kind.window:
        raise NotMeasurableError(
            f"{len(samples)} samples are less than one window of {kind.window}"
        )
    starts = np.arange(0, len(samples) - kind.window + 1, kind.hop)
    windows = np.lib.stride_tricks.sliding_window_view(samples, kind.window)[starts]
    spectra = np.fft.rfft(kind.full_scale * windows * pysptk.hamming(kind.window))
    cepstra = mel_cepstra(np.abs(spectra) ** 2 + kind.floor, order, warping)
    return Frames(cepstra, np.zeros(len(cepstra)))


def _of_rate(setting: Value | Mapping[int, Value], rate: int) -> Value:
    if not isinstance(setting, Mapping):
        return setting
    if rate not in setting:
        known = ", ".join(map(str, setting))
        raise NotMeasurableError(f"the convention is defined at {known} Hz, not at {rate}")
    return setting[rate]


def _resample(samples: Waveform, rate: int, wanted: int) -> Waveform:
    """Band-limited resampling, as librosa's (and with it pymcd's) default does it."""
    if rate == wanted:
        return samples
    return librosa.resample(samples, orig_sr=rate, target_sr=wanted)
