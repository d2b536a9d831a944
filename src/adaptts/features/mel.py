"""Log-mel spectrograms: the acoustic model's target and the vocoder's input.

The convention is that of torchaudio's `MelSpectrogram` with its defaults and `power=1.0`: frames
centred at multiples of the hop with reflected ends, a periodic Hann window, magnitudes (not
powers), triangular filters on the HTK mel scale with peak 1. numpy computes it, so that worker
processes need not import torch; a test holds it against torchaudio and librosa.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from adaptts.params import FeatureParams

# Magnitudes below this are inaudible at any listening level; it keeps the logarithm finite.
LEAST_MAGNITUDE = 1e-5


def frame_count(samples: int, params: FeatureParams) -> int:
    """Mel frames of a waveform of `samples` samples: centres at 0, hop, 2 hop, … up to its end."""
    return 1 + samples // params.hop_samples


def log_mel(
    waveform: NDArray[np.floating], sampling_rate: int, params: FeatureParams
) -> NDArray[np.float32]:
    """Natural logarithm of the mel magnitudes of `waveform` [samples]: [frames, mels].

    Raises `ValueError` if the waveform is too short to reflect half a window at its ends.
    """
    half = params.n_fft // 2
    if len(waveform) <= half:
        raise ValueError(
            f"{len(waveform)} samples are too few for a window of features.n_fft {params.n_fft}: "
            f"more than {half} are needed; leave the recording out"
        )
    padded = np.pad(waveform.astype(np.float64), half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, params.n_fft)
    spectra = np.abs(np.fft.rfft(windows[:: params.hop_samples] * _window(params.n_fft)))
    magnitudes = spectra @ filterbank(sampling_rate, params)
    return np.log(np.maximum(magnitudes, LEAST_MAGNITUDE)).astype(np.float32)


@cache
def filterbank(sampling_rate: int, params: FeatureParams) -> NDArray[np.float64]:
    """Triangular mel filters, [n_fft // 2 + 1 bins, mels]. Not to be written to.

    Raises `ValueError` if a filter is so narrow that no bin lies in it.
    """
    bins_hz = np.linspace(0, sampling_rate / 2, params.n_fft // 2 + 1)
    edges_hz = _mel_to_hz(
        np.linspace(_hz_to_mel(params.mel_min_hz), _hz_to_mel(params.mel_max_hz), params.mels + 2)
    )
    widths_hz = np.diff(edges_hz)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / widths_hz[:-1]
    falling = (edges_hz[2:] - bins_hz[:, None]) / widths_hz[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    empty = np.flatnonzero(filters.max(axis=0) == 0)
    if len(empty):
        raise ValueError(
            f"mel filters {empty.tolist()} of features.mels {params.mels} hold no bin of the "
            f"spectrum; take fewer mels or a larger features.n_fft than {params.n_fft}"
        )
    return filters


@cache
def _window(samples: int) -> NDArray[np.float64]:
    return np.hanning(samples + 1)[:-1]


def _hz_to_mel(hz: float) -> float:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
