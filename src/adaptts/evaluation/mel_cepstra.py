"""Mel-cepstral analysis of many frames at once (Tokuda, Kobayashi, Masuko and Imai 1994).

The mel-cepstrum c of a frame minimises 1/2π ∫ (I/|H|² − ln(I/|H|²) − 1) dω, with I the periodogram
and |H| the spectrum of c on the warped frequency axis. Newton's method finds it: with r the warped
autocorrelation of I/|H|², a step d solves Σⱼ (r|i−j| + r(i+j)) dⱼ = rᵢ − (−α)ⁱ. This is SPTK's
`mcep`, with its starting point and its rule to stop, so that its figures are met; SPTK goes frame
by frame, and recursion by recursion.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from adaptts.features.prosody import cepstrum_matrix, pysptk

# SPTK's: a frame stops after these steps, or when r₀ changes by less than this part.
LEAST_STEPS, MOST_STEPS, SMALL_CHANGE = 2, 30, 1e-3


def mel_cepstra(periodograms: NDArray[np.float64], order: int, warping: float) -> NDArray:
    """Fit mel-cepstra [frames, order + 1] to positive `periodograms` [frames, bins].

    `bins` are those of a real FFT of an even number of samples; `warping` is α.
    """
    bins = periodograms.shape[1]
    to_spectrum, to_correlation = _transforms(bins, order, warping)
    cepstra = np.log(periodograms) @ cepstrum_matrix(bins, order, warping)
    signs = (-warping) ** np.arange(order + 1)
    index = np.arange(order + 1)
    apart, together = np.abs(index[:, None] - index), index[:, None] + index
    # SPTK compares the first step with half of the mean log periodogram.
    before = _mean_over_circle(np.log(periodograms)) / 2
    left = np.arange(len(periodograms))
    for step in range(1, MOST_STEPS + 1):
        ratios = periodograms[left] * np.exp(-2 * (cepstra[left] @ to_spectrum))
        correlation = ratios @ to_correlation
        now = correlation[:, 0]
        if step >= LEAST_STEPS:
            moving = np.abs(now - before[left]) >= SMALL_CHANGE * np.abs(now)
            left, correlation = left[moving], correlation[moving]
            if left.size == 0:
                break
            now = now[moving]
            before[left] = now
        normal = correlation[:, apart] + correlation[:, together]
        slope = correlation[:, : order + 1] - signs
        cepstra[left] += np.linalg.solve(normal, slope[..., None])[..., 0]
    return cepstra


def _mean_over_circle(spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over all frequencies of [frames, bins], of which the inner bins stand for two."""
    doubled = 2 * spectra.sum(axis=1) - spectra[:, 0] - spectra[:, -1]
    return doubled / (2 * spectra.shape[1] - 2)


@cache
def _transforms(bins: int, order: int, warping: float) -> tuple[NDArray, NDArray]:
    """The linear parts of a step as matrices.

    From a mel-cepstrum to its log magnitudes [order + 1, bins], and from a spectrum to its warped
    autocorrelation [bins, 2 order + 1].
    """
    last = bins - 1
    cosines = np.cos(np.pi / last * np.outer(np.arange(bins), np.arange(bins)))
    to_spectrum = pysptk.freqt(np.eye(order + 1), last, -warping) @ cosines
    # Row k of the inverse Fourier transform: what bin k, and its mirror image, add to each lag.
    weights = np.where(np.arange(bins) % last == 0, 1.0, 2.0)
    lags = weights[:, None] * cosines / (2 * last)
    return to_spectrum, lags @ pysptk.frqtr(np.eye(bins), 2 * order, warping)
