"""F0 and spectral envelope by WORLD, and mel-cepstra of the envelope.

This is the one analysis: features of recordings and measures of synthesised speech both come from
it. F0 is DIO refined by StoneMask (a fifth of harvest's cost), the envelope CheapTrick's.
"""

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from adaptts.features import mel
from adaptts.features.dio import dio
from adaptts.params import FeatureParams

with warnings.catch_warnings():
    # Both read their version through pkg_resources, which announces its removal.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    import pysptk
    import pyworld


@dataclass(frozen=True)
class WorldAnalysis:
    """WORLD's view of a waveform, at times 0, `frame_period_ms`, 2 `frame_period_ms`, …"""

    f0_hz: NDArray[np.float64]  # [frames], 0 where unvoiced
    envelope: NDArray[np.float64]  # [frames, bins], power


def frame_count(samples: int, sampling_rate: int, params: FeatureParams) -> int:
    """Frames of WORLD's analysis of `samples` samples."""
    # Operation by operation as in WORLD's GetSamplesForDIO, whose rounding this must meet.
    return int(1000.0 * samples / sampling_rate / params.frame_period_ms) + 1


def analyse(
    waveform: NDArray[np.floating], sampling_rate: int, params: FeatureParams
) -> WorldAnalysis:
    """F0 within `f0_min_hz` to `f0_max_hz` and envelope of `waveform` [samples], peak ≤ 1."""
    samples = np.ascontiguousarray(waveform, dtype=np.float64)
    bounds_hz = (params.f0_min_hz, params.f0_max_hz)
    f0_hz, times = track_f0(samples, sampling_rate, bounds_hz, params.frame_period_ms)
    envelope = pyworld.cheaptrick(samples, f0_hz, times, sampling_rate, f0_floor=params.f0_min_hz)
    return WorldAnalysis(f0_hz, envelope)


def track_f0(
    samples: NDArray[np.float64],
    sampling_rate: int,
    bounds_hz: tuple[float, float],
    frame_period_ms: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F0 in Hz [frames], 0 where unvoiced, and the frames' times in seconds."""
    coarse_hz, times = dio(samples, sampling_rate, bounds_hz, frame_period_ms)
    f0_hz = pyworld.stonemask(samples, coarse_hz, times, sampling_rate)
    return f0_hz, np.asarray(times, dtype=np.float64)


def mel_cepstrum(
    envelope: NDArray[np.float64], sampling_rate: int, params: FeatureParams
) -> NDArray[np.float64]:
    """Mel-cepstra of power envelopes [frames, bins]: [frames, order + 1], c0 first.

    The frequency warping α approximates the mel scale at the sampling rate (SPTK's choice: 0.41 at
    16 kHz).
    """
    return np.log(envelope) @ cepstrum_matrix(
        envelope.shape[1], params.mel_cepstrum_order, mel_warping(sampling_rate)
    )


@cache
def mel_warping(sampling_rate: int) -> float:
    """The all-pass constant α whose frequency warping is nearest to the mel scale."""
    return float(pysptk.util.mcepalpha(sampling_rate))


@cache
def cepstrum_matrix(bins: int, order: int, warping: float) -> NDArray[np.float64]:
    """`pysptk.sp2mc` as a matrix [bins, order + 1] for natural logs of power: 70 times faster."""
    return pysptk.sp2mc(np.exp(np.eye(bins)), order, warping)


def at_mel_frames(
    f0_hz: NDArray[np.float64], frames: int, sampling_rate: int, params: FeatureParams
) -> NDArray[np.float32]:
    """F0 [WORLD's frames] at the centres of `frames` mel frames, from the nearest analysis frame.

    The nearest and no mean of two: a mean with an unvoiced neighbour's 0 would be no pitch at all.
    """
    centres = np.arange(frames) + mel.first_centre(params)
    centres_ms = centres * (1000.0 * params.hop_samples / sampling_rate)
    nearest = np.rint(centres_ms / params.frame_period_ms).astype(np.int64)
    return f0_hz[np.minimum(nearest, len(f0_hz) - 1)].astype(np.float32)
