"""Loudness by Recommendation ITU-R BS.1770-4, in LUFS, of one channel.

A sound is filtered as the head and the ear weigh it (K-weighting), its power is taken in blocks of
400 ms that overlap by three quarters, and blocks that are much quieter than the others, such as
pauses, are left out. The blocks of several sounds together give the loudness of all of them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from adaptts.corpora.audio import Waveform

BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS; LU from what the absolute gate leaves
OFFSET = -0.691  # K-weighting's gain at 1 kHz, taken away
SILENCE = 1e-20  # power, of which a logarithm can be taken


def block_powers(waveform: Waveform, sampling_rate: int) -> NDArray[np.float64]:
    """The K-weighted mean square of each block of [samples]; what is left at the end is no block.

    Of a sound shorter than a block, which the Recommendation does not measure, all is one block.
    """
    energy = np.cumsum(np.square(sosfilt(_weighting(sampling_rate), waveform)))
    energy = np.concatenate([[0.0], energy])
    length = min(round(BLOCK_SECONDS * sampling_rate), len(waveform))
    count = 1 + int((len(waveform) - length) / (STEP_SECONDS * sampling_rate))
    starts = np.rint(np.arange(count) * STEP_SECONDS * sampling_rate).astype(np.int64)
    starts = np.minimum(starts, len(waveform) - length)
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


def _weighting(sampling_rate: int) -> NDArray[np.float64]:
    """K-weighting as second-order sections: a high shelf and a high-pass.

    The Recommendation has coefficients for 48 kHz alone; these analogue prototypes give them to
    twelve places there, and the same curve at other rates (Mansbridge, Finn and Reiss 2012).
    """
    frequency, gain_db, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = np.tan(np.pi * frequency / sampling_rate)
    high = 10 ** (gain_db / 20)
    band = high**0.4996667741545416
    shelf = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    frequency, highpass_q = 38.13547087602444, 0.5003270373238773
    low = np.tan(np.pi * frequency / sampling_rate)
    return np.array(
        [
            [*(np.array(shelf) / (1 + k / q + k * k)), *_poles(k, q)],
            [1.0, -2.0, 1.0, *_poles(low, highpass_q)],
        ]
    )


def _poles(k: float, q: float) -> list[float]:
    scale = 1 + k / q + k * k
    return [1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]
