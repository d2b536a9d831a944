"""Loudness against the reference tones of BS.1770 and the signals of EBU Tech 3341."""

import numpy as np
import pytest
from scipy.signal import lfilter

from adaptts.corpora import loudness

RATE = 48000
# The tables of the Recommendation, for 48 kHz.
SHELF = ([1.53512485958697, -2.69169618940638, 1.19839281085285],
         [1.0, -1.69065929318241, 0.73248077421585])  # fmt: skip
HIGHPASS = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])


def tone(decibels: float, seconds: float, rate: int = RATE, hz: float = 997.0) -> np.ndarray:
    """A sine whose peak is `decibels` from full scale."""
    times = np.arange(round(seconds * rate)) / rate
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * hz * times)


def measure(waveform: np.ndarray, rate: int = RATE) -> float:
    return loudness.integrated(loudness.block_powers(waveform, rate))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
def test_a_997_hz_sine_at_full_scale_reads_3_01_below_0(rate):
    assert measure(tone(0.0, 5, rate), rate) == pytest.approx(-3.01, abs=0.01)


def test_the_weighting_is_that_of_the_tables():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    theirs = lfilter(*HIGHPASS, lfilter(*SHELF, noise))
    powers = loudness.block_powers(noise, RATE)
    block, step = round(0.4 * RATE), round(0.1 * RATE)
    expected = [np.mean(theirs[start : start + block] ** 2) for start in range(0, 28801, step)]
    np.testing.assert_allclose(powers, expected, rtol=1e-9)


def test_quiet_parts_are_left_out_by_the_relative_gate():
    """EBU Tech 3341, case 3: −36, −23 and −36 dBFS, of both channels, read −23 LUFS."""
    parts = [tone(-36, 10), tone(-23, 60), tone(-36, 10)]
    assert measure(np.concatenate(parts)) == pytest.approx(-23 - 3.01, abs=0.1)


def test_silence_is_left_out_by_the_absolute_gate():
    """EBU Tech 3341, case 4, which adds parts at −72 dBFS."""
    parts = [tone(level, 10) for level in (-72, -36)] + [tone(-23, 60)]
    parts += [tone(level, 10) for level in (-36, -72)]
    assert measure(np.concatenate(parts)) == pytest.approx(-23 - 3.01, abs=0.1)


def test_loud_and_less_loud_parts_count_by_their_power():
    """EBU Tech 3341, case 5: −26, −20 and −26 dBFS read −23 LUFS."""
    parts = [tone(-26, 20), tone(-20, 20.1), tone(-26, 20)]
    assert measure(np.concatenate(parts)) == pytest.approx(-23 - 3.01, abs=0.1)


def test_several_sounds_are_measured_as_one():
    long, short = tone(-20, 6), tone(-30, 1)
    together = np.concatenate([loudness.block_powers(each, RATE) for each in (long, short)])
    assert loudness.integrated(together) == pytest.approx(
        measure(np.concatenate([long, short])), abs=0.1
    )


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.399])
def test_a_sound_shorter_than_a_block_is_one_block(seconds):
    powers = loudness.block_powers(tone(-20, seconds), RATE)
    assert len(powers) == 1
    assert loudness.integrated(powers) == pytest.approx(-23.01, abs=0.5)


@pytest.mark.parametrize(("seconds", "blocks"), [(0.4, 1), (0.499, 1), (0.5, 2), (1.0, 7)])
def test_what_is_left_at_the_end_is_no_block(seconds, blocks):
    assert len(loudness.block_powers(tone(-20, seconds), RATE)) == blocks


def test_a_recording_below_the_absolute_gate_is_measured_all_the_same():
    assert measure(tone(-90, 3)) == pytest.approx(-93.01, abs=0.05)
