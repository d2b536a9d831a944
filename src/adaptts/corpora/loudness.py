"""Loudness by Recommendation ITU-R BS.1770-4, in LUFS, of one channel.

A sound is filtered as the head and the ear weigh it (K-weighting), its power is taken in blocks of
400 ms that overlap by three quarters, and blocks that are much quieter than the others, such as
pauses, are left out. The blocks of several sounds together give the loudness of all of them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from adaptts.corpora import audio
from adaptts.corpora.audio import Waveform

# K-weighting, a high shelf and a high-pass: the Recommendation's tables, which are for this rate.
RATE = 48000
SHELF = [1.53512485958697, -2.69169618940638, 1.19839281085285]
SHELF += [1.0, -1.69065929318241, 0.73248077421585]
HIGHPASS = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]

BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS; LU from what the absolute gate leaves
OFFSET = -0.691  # K-weighting's gain at 1 kHz, taken away
SILENCE = 1e-20  # power, of which a logarithm can be taken


def block_powers(waveform: Waveform, sampling_rate: int) -> NDArray[np.float64]:
    """The K-weighted mean square of each block of [samples]; what is left at the end is no block.

    It is taken at 48 kHz, whatever the rate of the samples, so that it is the Recommendation's. Of
    a sound shorter than a block, which the Recommendation does not measure, all is one block.
    """
    weighted = sosfilt([SHELF, HIGHPASS], audio.resample(waveform, sampling_rate, RATE, "soxr"))
    energy = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    length = min(round(BLOCK_SECONDS * RATE), len(weighted))
    starts = np.arange(0, len(weighted) - length + 1, round(STEP_SECONDS * RATE))
    return (energy[starts + length] - energy[starts]) / length


def integrated(powers: NDArray[np.float64]) -> float:
    """The gated loudness, in LUFS, of all blocks together.

    Where every block is below the absolute gate, which is meant for the pauses of a programme at
    its usual level, a recording is a quiet one, and no block is left out for it.
    """
    loud = powers[_lufs(powers) > ABSOLUTE_GATE]
    loud = loud if len(loud) else powers
    gate = _lufs(loud.mean()) + RELATIVE_GATE
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return OFFSET + 10 * np.log10(np.maximum(power, SILENCE))
