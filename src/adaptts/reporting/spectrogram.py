"""Pictures of clips, to be looked at beside the picture of the recording."""

from pathlib import Path

import numpy as np
import soundfile
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from adaptts.features.mel import log_mel
from adaptts.params import FeatureParams

RANGE = 7.0  # nepers below the loudest place of a clip, 61 dB; the rest is as good as silence
LEVELS = 32  # of colour: more are hard to tell apart, and compress worse
# Perceptually uniform, and readable without colour.
COLOURS = (255 * colormaps["viridis"](np.linspace(0, 1, LEVELS))[:, :3]).round().astype(np.uint8)


def draw(clip: Path, picture: Path, params: FeatureParams) -> None:
    """Write the log-mel spectrogram of the sound in `clip` as PNG, a frame and a mel per pixel.

    These are the features that the acoustic model predicts, as the vocoder has rendered them. Time
    goes right and pitch goes up. A clip too short for a frame gives one dark pixel.
    """
    waveform, rate = soundfile.read(clip, dtype="float32")
    image = Image.fromarray(_levels(waveform, rate, params))
    image.putpalette(COLOURS.tobytes())
    image.save(picture)


def _levels(waveform: NDArray[np.float32], rate: int, params: FeatureParams) -> NDArray[np.uint8]:
    """The colour of each pixel [mels, frames]; the highest mel first."""
    if len(waveform) <= params.n_fft // 2:
        return np.zeros((1, 1), dtype=np.uint8)
    mel = log_mel(waveform, rate, params)
    above = np.clip(1 + (mel - mel.max()) / RANGE, 0, 1)
    return np.ascontiguousarray((above * (LEVELS - 1)).round().astype(np.uint8).T[::-1])
