"""Log-mel spectrograms: the acoustic model's target and the vocoder's input.

Natural logarithms of mel magnitudes (not powers) under a periodic Hann window, with reflected ends.
As the parameters stand in the presets, the convention is that of torchaudio's `MelSpectrogram` with
its defaults and `power=1.0`: frames centred at multiples of the hop, triangular filters on the HTK
mel scale with peak 1. `features.mel_*` has what vocoders differ in; tests hold it against
torchaudio, librosa, and the front ends of HiFi-GAN and Vocos. numpy computes it, so that worker
processes need not import torch.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from adaptts.params import FeatureParams

# Slaney's scale is linear below this and logarithmic above (Slaney 1998, Auditory Toolbox).
_BEND_HZ, _HZ_PER_MEL = 1000.0, 200.0 / 3
_BEND_MEL, _LOG_STEP = _BEND_HZ / _HZ_PER_MEL, np.log(6.4) / 27


def frame_count(samples: int, params: FeatureParams) -> int:
    """Mel frames of a waveform of `samples` samples.

    Their centres are at 0, hop, 2 hop, … up to its end; not centred, in the middle of every hop.
    """
    if params.mel_centred:
        return 1 + samples // params.hop_samples
    return samples // params.hop_samples


def first_centre(params: FeatureParams) -> float:
    """Where the first frame has its centre, in hops; each other lies a hop behind the last."""
    return 0.0 if params.mel_centred else 0.5


def log_mel(
    waveform: NDArray[np.floating], sampling_rate: int, params: FeatureParams
) -> NDArray[np.float32]:
    """Natural logarithm of the mel magnitudes of `waveform` [samples]: [frames, mels].

    Raises `ValueError` if the waveform is too short to reflect half a window at its ends.
    """
    reach = (params.n_fft - (0 if params.mel_centred else params.hop_samples)) // 2
    least = max(reach, 0 if params.mel_centred else params.hop_samples - 1)
    if len(waveform) <= least:
        raise ValueError(
            f"{len(waveform)} samples are too few for a window of features.n_fft {params.n_fft}: "
            f"more than {least} are needed; leave the recording out"
        )
    padded = np.pad(waveform.astype(np.float64), reach, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, params.n_fft)
    spectra = np.fft.rfft(windows[:: params.hop_samples] * _window(params.n_fft))
    bands = _magnitudes(spectra, params.mel_epsilon) @ filterbank(sampling_rate, params)
    return np.log(np.maximum(bands, params.mel_floor)).astype(np.float32)


def _magnitudes(spectra: NDArray[np.complex128], epsilon: float) -> NDArray[np.float64]:
    if epsilon == 0:
        return np.abs(spectra)
    return np.sqrt(spectra.real**2 + spectra.imag**2 + epsilon)


@cache
def filterbank(sampling_rate: int, params: FeatureParams) -> NDArray[np.float64]:
    """Triangular mel filters, [n_fft // 2 + 1 bins, mels]. Not to be written to.

    Raises `ValueError` if a filter is so narrow that no bin lies in it.
    """
    bins_hz = np.linspace(0, sampling_rate / 2, params.n_fft // 2 + 1)
    edges_hz = _edges(params)
    widths_hz = np.diff(edges_hz)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / widths_hz[:-1]
    falling = (edges_hz[2:] - bins_hz[:, None]) / widths_hz[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    if params.mel_norm == "slaney":
        filters *= 2 / (edges_hz[2:] - edges_hz[:-2])
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


def _edges(params: FeatureParams) -> NDArray[np.float64]:
    """Where the filters begin, peak and end, in Hz: [mels + 2], evenly spaced on the mel scale."""
    to_mel, to_hz = {
        "htk": (_hz_to_mel, _mel_to_hz),
        "slaney": (_hz_to_slaney, _slaney_to_hz),
    }[params.mel_scale]
    return to_hz(np.linspace(to_mel(params.mel_min_hz), to_mel(params.mel_max_hz), params.mels + 2))


def _hz_to_mel(hz: float) -> float:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def _hz_to_slaney(hz: float) -> float:
    if hz < _BEND_HZ:
        return hz / _HZ_PER_MEL
    return _BEND_MEL + np.log(hz / _BEND_HZ) / _LOG_STEP


def _slaney_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BEND_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BEND_MEL) - _BEND_MEL))
    return np.where(mel < _BEND_MEL, mel * _HZ_PER_MEL, above)
