"""How loud a sound is, and making sounds equally loud."""

import numpy as np

from adaptts.corpora.audio import PEAK, Waveform

# A sound whose largest sample is smaller, a few steps of 16 bits, holds no speech.
LEAST_PEAK = 1e-4


def is_audible(waveform: Waveform) -> bool:
    """Whether [samples] are finite and somewhere louder than silence."""
    return bool(np.isfinite(waveform).all() and np.abs(waveform).max(initial=0.0) >= LEAST_PEAK)


def scale_to_peak(waveform: Waveform) -> Waveform:
    """Scale [samples] to the peak of the corpora; a sound that is not audible stays as it is."""
    if not is_audible(waveform):
        return waveform
    return waveform * (PEAK / np.abs(waveform).max())
