import numpy as np
import pytest

from adaptts.corpora.audio import FLOOR, PEAK
from adaptts.evaluation.level import finish, flaw, scale_to_peak


def test_sounds_are_brought_to_one_peak() -> None:
    scaled = scale_to_peak(np.array([0.1, -0.3], dtype=np.float32))
    assert scaled.dtype == np.float64
    assert scaled == pytest.approx([PEAK / 3, -PEAK])


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (np.zeros(8), "silent"),
        (np.full(8, 1e-5), "silent"),
        (np.empty(0), "empty"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([0.1, np.inf]), "not finite"),
    ],
)
def test_what_cannot_be_heard_stays_as_it_is(waveform: np.ndarray, reason: str) -> None:
    assert reason in str(flaw(waveform))
    assert np.array_equal(scale_to_peak(waveform), waveform, equal_nan=True)
    assert np.array_equal(finish(waveform, "u"), waveform, equal_nan=True)


def test_synthesised_sounds_get_the_floor_of_recordings() -> None:
    pulse = np.eye(20_000)[0]
    finished = finish(pulse, "u1")
    assert finished[0] == pytest.approx(PEAK, abs=5 * FLOOR)
    # A standard deviation of 20 000 draws is known to 2 % with certainty.
    assert finished[1:].std() == pytest.approx(FLOOR, rel=0.02)
    assert np.array_equal(finished, finish(pulse, "u1"))
    assert not np.array_equal(finished, finish(pulse, "u2"))
