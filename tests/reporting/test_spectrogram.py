from pathlib import Path

import numpy as np
import pytest
import soundfile
from fabricated import make_experiment
from PIL import Image

from adaptts.reporting.spectrogram import COLOURS, LEVELS, draw

RATE = 16000


def picture(tmp_path: Path, waveform: np.ndarray) -> np.ndarray:
    soundfile.write(tmp_path / "clip.flac", waveform, RATE)
    draw(tmp_path / "clip.flac", tmp_path / "clip.png", make_experiment().features)
    return np.asarray(Image.open(tmp_path / "clip.png"))


def test_a_rising_tone_rises_from_left_to_right(tmp_path: Path) -> None:
    seconds = np.arange(RATE) / RATE
    image = picture(tmp_path, 0.3 * np.sin(2 * np.pi * (200 + 1500 * seconds) * seconds))
    assert image.shape == (80, 1 + RATE // 256)
    brightest = image.argmax(axis=0)[3:-3]
    assert brightest[0] > 60
    assert brightest[-1] < brightest[0] - 20
    assert image.max() == LEVELS - 1


def test_a_clip_shorter_than_a_frame_is_a_dark_pixel(tmp_path: Path) -> None:
    assert picture(tmp_path, np.zeros(100)).tolist() == [[0]]


def test_the_colours_brighten_evenly() -> None:
    lightness = COLOURS.astype(float) @ [0.2126, 0.7152, 0.0722]
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() == pytest.approx(steps.mean(), rel=1.0)
