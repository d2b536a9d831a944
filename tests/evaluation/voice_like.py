"""Sounds that are like a voice and the same everywhere: oracle values were recorded on them."""

import numpy as np
from scipy.signal import lfilter

RATE = 16000


def make_sound(
    seconds: float, pitch_hz: float, tract: float, seed: int, rate: int = RATE
) -> np.ndarray:
    """Two vowels and a hiss between them, [samples] on the steps of 16 bits.

    The pitch falls by a fifth, `tract` scales all formants; noise stands below everything.
    """
    count = round(seconds * rate)
    time = np.arange(count) / count
    generator = np.random.default_rng(seed)
    phase = np.cumsum(pitch_hz * (1 - 0.2 * time)) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0)
    first, second = time < 0.4, time > 0.55
    hiss = 0.05 * generator.standard_normal(count) * ~(first | second)
    sound = _resonate(pulses * first, [730 * tract, 1090 * tract, 2440 * tract], rate)
    sound += _resonate(pulses * second, [270 * tract, 2290 * tract, 3010 * tract], rate)
    sound += hiss - lfilter([0.0, 0.7], [1.0], hiss)
    silent = (time < 0.08) | (time > 0.92)
    sound *= 0.5 / np.abs(sound).max() * ~silent
    sound += 3e-4 * generator.standard_normal(count)
    return np.round(sound * 2**15) / 2**15


def _resonate(source: np.ndarray, formants_hz: list[float], rate: int) -> np.ndarray:
    for formant in formants_hz:
        radius = np.exp(-np.pi * 80 / rate)
        source = lfilter(
            [1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / rate), radius**2], source
        )
    return source / np.abs(source).max()
