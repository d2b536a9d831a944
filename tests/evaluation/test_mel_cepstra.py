import numpy as np
import pysptk
import pytest

from adaptts.evaluation.mel_cepstra import mel_cepstra
from evaluation.voice_like import make_sound


def windows(size: int, hop: int) -> np.ndarray:
    sound = 2**15 * make_sound(0.6, 130, 1.0, 0)
    starts = range(0, len(sound) - size + 1, hop)
    return np.array([sound[k : k + size] * pysptk.sptk.hamming(size) for k in starts])


@pytest.mark.parametrize(
    ("size", "order", "warping"), [(1024, 23, 0.42), (512, 12, 0.31), (2048, 39, 0.55)]
)
def test_figures_are_those_of_sptk(size: int, order: int, warping: float) -> None:
    frames = windows(size, 200)
    theirs = np.array([pysptk.mcep(x, order, warping, eps=1e-6, etype=1) for x in frames])
    periodograms = np.abs(np.fft.rfft(frames)) ** 2 + 1e-6
    assert np.allclose(mel_cepstra(periodograms, order, warping), theirs, rtol=0, atol=1e-9)


def test_a_frame_depends_on_no_other() -> None:
    periodograms = np.abs(np.fft.rfft(windows(1024, 256))) ** 2 + 1e-6
    alone = np.concatenate([mel_cepstra(each[None], 23, 0.42) for each in periodograms])
    assert np.allclose(mel_cepstra(periodograms, 23, 0.42), alone, rtol=0, atol=1e-10)


def test_gain_moves_the_level_alone() -> None:
    periodograms = np.abs(np.fft.rfft(windows(1024, 256))) ** 2 + 1.0
    quiet, loud = mel_cepstra(periodograms, 23, 0.42), mel_cepstra(4 * periodograms, 23, 0.42)
    # Half of ln 4, to where the steps stop.
    assert np.allclose(loud - quiet, np.log(2) * np.eye(24)[0], atol=1e-2)
