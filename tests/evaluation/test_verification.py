import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import det_curve, roc_curve

from adaptts.evaluation.verification import (
    TARGET_SHARE,
    detection_costs,
    equal_error_rate,
    equal_error_rates,
    error_tradeoff,
    resampled_interval,
    speaker_weights,
    weighted_tradeoff,
)

scores = st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(np.array)


def test_separate_speakers_are_never_confused() -> None:
    assert equal_error_rate(np.array([0.8, 0.9]), np.array([0.1, 0.7])) == 0


def test_swapped_speakers_are_always_confused() -> None:
    assert equal_error_rate(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == 100


def test_the_same_scores_are_even_chances() -> None:
    same = np.linspace(0, 1, 10)
    assert equal_error_rate(same, same) == pytest.approx(50)


def test_one_of_four_on_each_side() -> None:
    assert equal_error_rate(
        np.array([0.3, 0.7, 0.8, 0.9]), np.array([0.1, 0.2, 0.25, 0.75])
    ) == pytest.approx(25)


def test_normal_scores_have_the_textbook_rate() -> None:
    generator = np.random.default_rng(0)
    same, different = generator.normal(2, 1, 20000), generator.normal(0, 1, 20000)
    # Φ(−1) = 15.87 %; four standard errors of 20 000 draws.
    assert equal_error_rate(same, different) == pytest.approx(15.87, abs=1.1)


@given(scores, scores)
@settings(max_examples=50)
def test_rates_trade_off_from_accepting_all_to_rejecting_all(same, different) -> None:
    rejected, accepted = error_tradeoff(same, different)
    assert (rejected[0], accepted[0]) == (0, 1)
    assert (rejected[-1], accepted[-1]) == (1, 0)
    assert (np.diff(rejected) >= 0).all()
    assert (np.diff(accepted) <= 0).all()
    assert 0 <= equal_error_rate(same, different) <= 100


def test_both_kinds_of_pairs_are_needed() -> None:
    with pytest.raises(ValueError, match="0 from two"):
        equal_error_rate(np.ones(3), np.empty(0))


def drawn(same: int, different: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(1.5, 1, same), generator.normal(0, 0.7, different)


@pytest.mark.parametrize("seed", range(5))
def test_the_tradeoff_is_that_of_scikit_learn(seed: int) -> None:
    same, different = (np.round(each, 1) for each in drawn(60, 200, seed))  # with ties
    labels = np.r_[np.ones(60), np.zeros(200)]
    theirs = roc_curve(labels, np.r_[same, different], drop_intermediate=False)
    rejected, accepted = error_tradeoff(same, different)
    assert accepted[::-1] == pytest.approx(theirs[0])
    assert rejected[::-1] == pytest.approx(1 - theirs[1])
    false_alarms, misses, _ = det_curve(labels, np.r_[same, different])
    ours = set(zip(accepted.round(9), rejected.round(9), strict=True))
    assert set(zip(false_alarms.round(9), misses.round(9), strict=True)) <= ours


@pytest.mark.parametrize("seed", range(5))
def test_the_rate_is_where_the_interpolated_curve_crosses_the_diagonal(seed: int) -> None:
    same, different = drawn(60, 200, seed)
    labels = np.r_[np.ones(60), np.zeros(200)]
    false_alarms, hits, _ = roc_curve(labels, np.r_[same, different], drop_intermediate=False)
    crossing = brentq(lambda x: 1 - x - np.interp(x, false_alarms, hits), 0, 1)
    assert equal_error_rate(same, different) == pytest.approx(100 * crossing, abs=0.5)


def test_normal_scores_of_two_widths_have_the_analytic_rate() -> None:
    # Φ(−(μ₁ − μ₀)/(σ₁ + σ₀)); three standard errors of the rate of 20 000 draws.
    expected = 100 * norm.cdf(-1.5 / 1.7)
    assert equal_error_rate(*drawn(20000, 20000)) == pytest.approx(expected, abs=0.9)


def test_weights_are_repetitions() -> None:
    same, different = drawn(8, 20)
    generator = np.random.default_rng(1)
    times = generator.integers(1, 4, 28)
    similarities, target = np.r_[same, different], np.arange(28) < 8
    weighted = equal_error_rates(
        *weighted_tradeoff(similarities, target, times[None].astype(float))
    )
    repeated = equal_error_rate(np.repeat(same, times[:8]), np.repeat(different, times[8:]))
    assert weighted[0] == pytest.approx(repeated)


def test_resampled_speakers_bring_all_their_trials() -> None:
    speaker, enrolled = (each.ravel() for each in np.mgrid[0:3, 0:3])
    weights = speaker_weights(speaker, enrolled, 200, np.random.default_rng(0))
    for row in weights.reshape(-1, 3, 3):
        times = np.diag(row)  # of each speaker's own trial
        assert times.sum() == 3
        assert (
            row == np.where(np.eye(3, dtype=bool), times[:, None], np.outer(times, times))
        ).all()


def test_a_resampling_of_one_speaker_alone_has_no_rate() -> None:
    target = np.array([True, True, False])
    weights = np.array([[1.0, 1, 1], [3, 0, 0]])
    rates = equal_error_rates(*weighted_tradeoff(np.array([0.9, 0.8, 0.1]), target, weights))
    assert rates[0] == 0
    assert np.isnan(rates[1])


def test_intervals_hold_the_true_rate_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    speakers, utterances, truth = 8, 6, 100 * norm.cdf(-1)
    rows = [(s, e) for s in range(speakers) for _ in range(utterances) for e in range(speakers)]
    speaker, enrolled = np.array(rows).T
    target = speaker == enrolled
    weights = speaker_weights(speaker, enrolled, 300, np.random.default_rng(0))
    hits = 0
    for _ in range(60):
        scores = generator.normal(size=len(rows)) + 2 * target
        rates = equal_error_rates(*weighted_tradeoff(scores, target, weights))
        low, high = resampled_interval(rates, 0.95, speakers)
        hits += low <= truth <= high
    assert hits >= 52  # of 60: below 0.95 · 60 − 3 √(60 · 0.95 · 0.05) = 51.9 it would be too few


def test_few_speakers_have_no_interval() -> None:
    assert np.isnan(resampled_interval(np.arange(9.0), 0.95, 2)).all()


def test_the_detection_cost_is_the_least_of_all_thresholds() -> None:
    same, different = drawn(60, 200)
    rejected, accepted = error_tradeoff(same, different)
    thresholds = np.r_[-9, np.sort(np.r_[same, different])]
    costs = [
        TARGET_SHARE * np.mean(same <= threshold)
        + (1 - TARGET_SHARE) * np.mean(different > threshold)
        for threshold in thresholds
    ]
    found = detection_costs(rejected[None], accepted[None])[0]
    assert found == pytest.approx(min(costs) / TARGET_SHARE)
    perfect = error_tradeoff(np.ones(2), np.zeros(2))
    assert detection_costs(perfect[0][None], perfect[1][None])[0] == 0
