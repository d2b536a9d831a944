import numpy as np
import pysptk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from adaptts.evaluation.contours import (
    LEAST_FRAMES,
    energy_error,
    f0_correlation,
    f0_moment_errors,
    levels_db,
    rate_error,
)
from adaptts.evaluation.distortion import Alignment
from adaptts.evaluation.measure import NotMeasurableError

WARPING = 0.41
FRAMES = 40
melodies = st.lists(st.floats(60, 500), min_size=FRAMES, max_size=FRAMES).map(np.array)
moving = melodies.filter(lambda f0_hz: np.ptp(np.log(f0_hz)) > 1e-3)
intervals = st.floats(-24, 24)


def straight(frames: int = FRAMES) -> Alignment:
    return Alignment(np.arange(frames), np.arange(frames), 0.0)


def cepstra(seed: int, frames: int = FRAMES) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 0.3 * generator.normal(size=(frames, 25)) / (1 + np.arange(25))


@given(moving, intervals)
def test_a_transposed_melody_correlates_wholly(f0_hz: np.ndarray, semitones: float) -> None:
    transposed = f0_hz * 2 ** (semitones / 12)
    assert f0_correlation(transposed, f0_hz, straight()) == pytest.approx(1, abs=1e-9)


@given(moving)
def test_an_inverted_melody_correlates_inversely(f0_hz: np.ndarray) -> None:
    assert f0_correlation(1e4 / f0_hz, f0_hz, straight()) == pytest.approx(-1, abs=1e-9)


def test_correlations_are_of_logarithms_voiced_in_both_along_the_path() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.uniform(60, 500, (2, 30))
    ours[:4] = 0
    theirs[3:7] = 0
    path = Alignment(np.arange(30)[::2], np.arange(30)[::2], 0.0)
    kept = [frame for frame in range(0, 30, 2) if ours[frame] and theirs[frame]]
    expected = pearsonr(np.log(ours[kept]), np.log(theirs[kept])).statistic
    assert f0_correlation(ours, theirs, path) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (np.zeros(FRAMES), np.full(FRAMES, 99.0), "0 frames are voiced in both"),
        (np.r_[np.zeros(31), np.full(9, 99.0)], np.full(FRAMES, 99.0), "9 frames are voiced"),
        (np.full(FRAMES, 120.0), np.linspace(80, 90, FRAMES), "pitch of the prediction is const"),
        (np.linspace(80, 90, FRAMES), np.full(FRAMES, 120.0), "pitch of the reference is const"),
        (np.full(FRAMES, np.inf), np.linspace(80, 90, FRAMES), "pitch is not finite"),
    ],
)
def test_undefined_correlations_say_why(ours, theirs, reason) -> None:
    assert LEAST_FRAMES == 10
    with pytest.raises(NotMeasurableError, match=reason):
        f0_correlation(ours, theirs, straight())


@given(melodies, intervals)
def test_transposing_moves_the_mean_and_not_the_spread(f0_hz, semitones) -> None:
    mean, spread = f0_moment_errors(f0_hz * 2 ** (semitones / 12), f0_hz)
    assert mean == pytest.approx(abs(semitones), abs=1e-6)
    assert spread == pytest.approx(0, abs=1e-6)


def test_a_doubled_range_has_the_spread_of_the_melody() -> None:
    melody = np.array([100.0, 200.0, 0.0])  # 6 semitones around its mean
    wide = np.array([50.0, 400.0])
    mean, spread = f0_moment_errors(wide, melody)
    assert mean == pytest.approx(0, abs=1e-9)
    assert spread == pytest.approx(12)


def test_nothing_voiced_has_no_moments() -> None:
    with pytest.raises(NotMeasurableError, match="no frame is voiced in the reference"):
        f0_moment_errors(np.ones(3), np.zeros(3))


def test_rates_are_of_the_time_between_the_ends_of_speech() -> None:
    half_again = Alignment(np.array([5, 19]), np.array([2, 11]), 0.0)  # 15 frames for 10
    assert rate_error(half_again) == pytest.approx(50)
    faster = Alignment(np.array([0, 7]), np.array([0, 9]), 0.0)
    assert rate_error(faster) == pytest.approx(20)
    assert rate_error(straight()) == 0


@pytest.mark.parametrize("warping", [0.31, 0.41, 0.55])
def test_levels_are_the_energy_of_the_filter(warping: float) -> None:
    frames = cepstra(0)
    energies = [pysptk.mc2e(frame, warping, 4096) for frame in frames]
    assert levels_db(frames, warping) == pytest.approx(10 * np.log10(energies), abs=1e-3)


@given(st.floats(-60, 60))
def test_gain_is_no_error_of_energy(gain_db: float) -> None:
    louder = cepstra(1)
    louder[:, 0] += gain_db / 20 * np.log(10)
    assert energy_error(louder, cepstra(1), straight(), WARPING) == pytest.approx(0, abs=1e-6)


def test_frames_that_are_louder_by_turns_are_off_by_that() -> None:
    said = cepstra(2)
    said[::2, 0] += 3 / 20 * np.log(10)
    said[1::2, 0] -= 3 / 20 * np.log(10)
    assert energy_error(said, cepstra(2), straight(), WARPING) == pytest.approx(3, abs=1e-6)


def test_how_silent_a_pause_is_does_not_count() -> None:
    quiet, quieter = cepstra(3), cepstra(3)
    quiet[:5, 0] -= 60 / 20 * np.log(10)
    quieter[:5, 0] -= 90 / 20 * np.log(10)
    assert energy_error(quieter, quiet, straight(), WARPING) == pytest.approx(0, abs=1e-6)
