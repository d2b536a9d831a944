"""DIO, an F0 estimator of WORLD (Morise, Kawahara and Katayose 2009), for whole arrays at once.

The waveform passes through low-pass filters half an octave apart. Where a filter leaves the
fundamental alone, the intervals between its zero crossings, either way, and between its peaks and
dips agree; how well they do tells the best filter of a frame. Then jumps are cut out and voiced
stretches are grown again from their ends. Figures are those of `pyworld.dio`; it takes less
than half of the time, because filters are transformed once for all sounds of about one length and
Fourier transforms are not rounded up to a power of two.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

CHANNELS_PER_OCTAVE = 2.0
LOW_CUT_HZ = 50.0  # half of the width of the low-cut filter
ALLOWED_CHANGE = 0.1  # of F0 from frame to frame, as a part of it
NO_SCORE = 100000.0
LEAST_HZ = 1e-12
# Lengths are rounded up to multiples of this, so that sounds share filters.
GRAIN_SAMPLES = 4096

Array = NDArray[np.floating]


def dio(
    samples: Array, sampling_rate: int, bounds_hz: tuple[float, float], frame_ms: float
) -> tuple[Array, Array]:
    """F0 in Hz [frames], 0 where unvoiced, and the frames' times in seconds."""
    times = np.arange(int(1000.0 * len(samples) / sampling_rate / frame_ms) + 1) * frame_ms / 1000.0
    # WORLD sees one sample more, a 0.
    padded = np.append(samples, 0.0)
    padded -= padded.mean()
    grain = -(-len(padded) // GRAIN_SAMPLES) * GRAIN_SAMPLES
    boundaries, delays, filters, size = _filters(sampling_rate, bounds_hz, grain)
    bands = irfft(rfft(padded, size) * filters, size, axis=1)
    found = [
        _candidates(band[delay : delay + len(padded)], boundary, sampling_rate, bounds_hz, times)
        for band, delay, boundary in zip(bands, delays, boundaries, strict=True)
    ]
    candidates, scores = (np.array(each) for each in zip(*found, strict=True))
    best = candidates[scores.argmin(axis=0), np.arange(len(times))]
    return _fix(best, candidates, bounds_hz[0], frame_ms), times


@lru_cache(maxsize=64)
def _filters(
    rate: int, bounds_hz: tuple[float, float], longest: int
) -> tuple[Array, list[int], NDArray[np.complex128], int]:
    """Each band's upper boundary in Hz, its filter's delay and spectrum, and the FFT's size."""
    octaves = np.log(bounds_hz[1] / bounds_hz[0]) / np.log(2)
    count = 1 + int(octaves * CHANNELS_PER_OCTAVE)
    boundaries = bounds_hz[0] * 2 ** (np.arange(1, count + 1) / CHANNELS_PER_OCTAVE)
    halves = [int(rate / boundary / 2 + 0.5) for boundary in boundaries]
    reach = int(rate / LOW_CUT_HZ + 0.5)
    size = next_fast_len(longest + 2 * reach + 1 + 4 * (max(halves) + 1), real=True)
    # Everything but a mean by a Hann window, without delay: its first half stands at the end.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, 2 * reach + 2) / (2 * reach + 2))
    low_cut = np.zeros(size)
    low_cut[: 2 * reach + 1] = -hann / hann.sum()
    low_cut = np.roll(low_cut, -reach)
    low_cut[0] += 1.0
    windows = np.zeros((count, size))
    for window, half in zip(windows, halves, strict=True):
        window[: 4 * half] = _nuttall(4 * half)
    return boundaries, [2 * half for half in halves], rfft(low_cut) * rfft(windows), size


def _nuttall(length: int) -> Array:
    phase = 2 * np.pi * np.arange(length) / (length - 1)
    return (
        0.355768 - 0.487396 * np.cos(phase) + 0.144232 * np.cos(2 * phase)
        - 0.012604 * np.cos(3 * phase)
    )  # fmt: skip


def _candidates(
    band: Array, boundary: float, rate: int, bounds_hz: tuple[float, float], times: Array
) -> tuple[Array, Array]:
    """A band's F0 in every frame, 0 where there is none, and how much its intervals disagree."""
    slope = np.diff(band)
    crossings = [*_crossings(band), *_crossings(slope)[::-1]]
    if any(len(edges) < 4 for edges in crossings):
        return np.zeros(len(times)), np.full(len(times), NO_SCORE / LEAST_HZ)
    tracks = np.array([_track(edges, rate, times) for edges in crossings])
    mean = tracks.mean(axis=0)
    score = np.sqrt(((tracks - mean) ** 2).sum(axis=0) / 3)
    low, high = max(boundary / 2, bounds_hz[0]), min(boundary, bounds_hz[1])
    outside = (mean > high) | (mean < low)
    mean[outside], score[outside] = 0.0, NO_SCORE
    return mean, score / (mean + LEAST_HZ)


def _crossings(signal: Array) -> tuple[Array, Array]:
    """Where `signal` falls through 0 and where it rises, in samples between samples."""
    above, below = signal > 0, signal < 0
    falls = np.flatnonzero(above[:-1] & ~above[1:])
    rises = np.flatnonzero(below[:-1] & ~below[1:])
    step = np.diff(signal)
    return falls + 1 - signal[falls] / step[falls], rises + 1 - signal[rises] / step[rises]


def _track(edges: Array, rate: int, times: Array) -> Array:
    """The inverse of the intervals between `edges` at `times`, in Hz, on straight lines."""
    values = rate / np.diff(edges)
    places = (edges[:-1] + edges[1:]) / 2.0 / rate
    at = np.clip(np.searchsorted(places, times, side="right"), 1, len(places) - 1) - 1
    part = (times - places[at]) / np.diff(places)[at]
    return values[at] + part * np.diff(values)[at]


def _fix(best: Array, candidates: Array, lowest_hz: float, frame_ms: float) -> Array:
    """Cut out jumps and short stretches, and grow what is left by `candidates` [bands, frames]."""
    shortest = int(0.5 + 1000.0 / frame_ms / lowest_hz) * 2 + 1
    if len(best) <= shortest:
        return np.zeros(len(best))
    base = best.copy()
    base[:shortest] = base[-shortest:] = 0.0
    change = np.abs(np.diff(base, prepend=0.0) / (LEAST_HZ + base))
    steady = np.where(change < ALLOWED_CHANGE, base, 0.0)
    steady[:shortest] = 0.0
    centre = (shortest - 1) // 2
    around = np.lib.stride_tricks.sliding_window_view(steady != 0, 2 * centre + 1).all(axis=1)
    f0 = steady.copy()
    f0[centre : len(f0) - centre] *= around
    voiced = f0 != 0
    ends = np.flatnonzero(voiced[:-1] & ~voiced[1:]).tolist()
    starts = (np.flatnonzero(~voiced[:-1] & voiced[1:]) + 1).tolist()
    # Frame by frame, where lists are quicker than arrays.
    track, options = f0.tolist(), candidates.T.tolist()
    for end, limit in pairwise([*ends, len(f0) - 1]):
        _grow(track, options, range(end, limit), 1)
    for start, limit in pairwise([*starts[::-1], 1]):
        _grow(track, options, range(start, limit, -1), -1)
    return np.array(track)


def _grow(f0: list[float], options: list[list[float]], frames: range, way: int) -> None:
    """Go on from each of `frames` with the option nearest to a straight line, while it is near."""
    for frame in frames:
        expected = (f0[frame] * 3.0 - f0[frame - way]) / 2.0
        nearest = min(options[frame + way], key=lambda option: abs(expected - option))
        near = expected != 0 and abs(1.0 - nearest / expected) <= ALLOWED_CHANGE
        f0[frame + way] = nearest if near else 0.0
        if f0[frame + way] == 0:
            break
