"""Where speech begins and ends in a recording, by its energy.

Levels are those of overlapping frames without what lies below the voice, so that hum, rumble and a
constant count for nothing. A sound must last for SUSTAINED frames: clicks and taps do not. Quiet is
what lies `threshold_db` below the loudest; where a recording's noise is louder than that, what lies
little above the noise. Weak fricatives and dying vowels at the ends are what the margins are for.
"""

import numpy as np
from scipy.signal import butter, sosfilt

from adaptts.corpora.audio import Waveform
from adaptts.params import TrimParams

STEP_SECONDS = 0.01  # frames are two steps long
SUSTAINED = 5  # frames in a row, 60 ms
LOWEST_HZ = 60.0
NOISE_FRAMES = 10  # the quietest of a recording, whose mean level is taken for its noise …
NOISE_DB = 6.0  # … above which this much is sound
NEAREST_DB = 20.0  # below the loudest at least: nearer, noise cannot be told from speech


def speech_span(waveform: Waveform, sampling_rate: int, params: TrimParams) -> tuple[int, int]:
    """Where to begin and to end, in samples of `waveform` [samples], margins included.

    All of a recording that is shorter than SUSTAINED frames is kept.
    """
    step = round(STEP_SECONDS * sampling_rate)
    levels = _levels(waveform, sampling_rate, step)
    if len(levels) < SUSTAINED:
        return 0, len(waveform)
    sustained = np.lib.stride_tricks.sliding_window_view(levels, SUSTAINED).min(axis=1)
    loudest = sustained.max()
    noise = np.sort(levels)[:NOISE_FRAMES].mean()
    above_noise = min(noise + NOISE_DB, loudest - NEAREST_DB)
    sounding = np.flatnonzero(sustained >= max(loudest - params.threshold_db, above_noise))
    margin = round(params.margin_seconds * sampling_rate)
    start = int(sounding[0]) * step - margin
    end = (int(sounding[-1]) + SUSTAINED + 1) * step + margin
    return max(start, 0), min(end, len(waveform))


def _levels(waveform: Waveform, sampling_rate: int, step: int) -> Waveform:
    """The level of each frame, in dB."""
    highpass = butter(2, LOWEST_HZ, "highpass", fs=sampling_rate, output="sos")
    # From rest at the first sample, so that a constant makes no step.
    heard = sosfilt(highpass, waveform - waveform[0])
    power = np.square(heard[: len(heard) // step * step]).reshape(-1, step).mean(axis=1)
    return 10 * np.log10(np.maximum(power[:-1] + power[1:], 1e-20) / 2)
