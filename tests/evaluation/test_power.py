import numpy as np
import pytest
from scipy.stats import nct, t

from adaptts.evaluation.power import effect_size, sensitivity


def test_an_effect_size_is_mean_over_deviation_with_hedges_correction() -> None:
    means = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # mean 3, deviation √2.5; correction of 4 is 0.7979
    found = effect_size(means, 0.95)
    assert found.value == pytest.approx(3 / np.sqrt(2.5) * 0.797885, rel=1e-5)
    assert found.low < found.value < found.high


def test_its_interval_ends_where_the_noncentral_t_says() -> None:
    means = np.array([0.4, 1.1, -0.2, 0.9, 1.5, 0.3])
    found = effect_size(means, 0.9)
    observed = means.mean() / means.std(ddof=1) * np.sqrt(6)
    correction = found.value / (means.mean() / means.std(ddof=1))
    low, high = (end / correction * np.sqrt(6) for end in (found.low, found.high))
    assert nct.sf(observed, 5, low) == pytest.approx(0.05, abs=1e-6)
    assert nct.cdf(observed, 5, high) == pytest.approx(0.05, abs=1e-6)


def test_its_sign_is_that_of_the_difference() -> None:
    means = np.array([0.4, 1.1, -0.2, 0.9])
    one, other = effect_size(means, 0.95), effect_size(-means, 0.95)
    assert other.value == pytest.approx(-one.value)
    assert other.low == pytest.approx(-one.high, rel=1e-6)


def test_missing_speakers_do_not_count() -> None:
    means = np.array([[0.4, 1.1, np.nan, 0.9], [0.4, 1.1, 0.9, np.nan]])
    found = effect_size(means, 0.95)
    assert found.value[0] == found.value[1]


@pytest.mark.parametrize(
    "means", [[1.0], [0.1, 0.1, 0.1], [0.0, 0.0], [np.nan, np.nan], [1, np.nan]]
)
def test_without_any_variation_there_is_no_effect_size(means: list[float]) -> None:
    found = effect_size(np.array(means), 0.95)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_the_detectable_difference_is_that_of_the_t_test() -> None:
    # 30 speakers attain 5 % nearly exactly; the textbook's 0.53 deviations (G*Power, d_z, 80 %).
    found = sensitivity(np.array(1 / np.sqrt(30)), np.array(29.0), 30, 1, 0.05)
    assert found.alone == pytest.approx(0.53, abs=0.005)
    bound = t.isf(0.025, 29)
    assert nct.sf(bound, 29, found.alone * np.sqrt(30)) == pytest.approx(0.8, abs=1e-4)


def test_correction_and_fewer_speakers_hide_more() -> None:
    many = sensitivity(np.array(0.3), np.array(11.0), 12, 9, 0.05)
    assert many.corrected > many.alone
    few = sensitivity(np.array(0.3), np.array(5.0), 6, 13, 0.05)
    assert few.alone > many.alone
    assert few.corrected == np.inf


def test_one_speaker_promises_nothing() -> None:
    found = sensitivity(np.array(np.nan), np.array(0.0), 1, 1, 0.05)
    assert found.alone == np.inf
