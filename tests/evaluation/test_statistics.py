import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import f as f_distribution
from scipy.stats import false_discovery_control, t, ttest_1samp
from scipy.stats import permutation_test as scipy_permutation_test

from adaptts.evaluation.statistics import (
    bootstrap,
    holm,
    improvements,
    interval,
    least_p_value,
    mean,
    permutation_test,
    speaker_means,
    spread,
    widened,
)

ROUNDING = 1e-9

p_values = arrays(float, st.integers(1, 8), elements=st.floats(1e-6, 1))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_bootstrap_of_speakers_alone_has_the_textbook_variance() -> None:
    values = generator(3).normal(size=(8, 1, 1))
    resampled = bootstrap(values, 20_000, generator())
    assert resampled.mean() == pytest.approx(values.mean(), abs=0.02)
    # The plug-in variance of a mean; 20 000 draws know it to 4 % with certainty.
    assert resampled.var() == pytest.approx(values.var() / 8, rel=0.04)


def test_places_that_do_not_exist_are_never_drawn() -> None:
    values = np.full((3, 4, 1), 5.0)
    values[0, 1:] = np.nan
    values[1, 0] = np.nan
    assert bootstrap(values, 200, generator()) == pytest.approx(np.full(200, 5.0))
    assert mean(values) == 5


def test_missing_utterances_change_nothing_for_the_others() -> None:
    values = generator(4).normal(size=(4, 3, 2))
    padded = np.concatenate([np.full((4, 1, 2), np.nan), values], axis=1)
    full, ragged = bootstrap(values, 20_000, generator()), bootstrap(padded, 20_000, generator())
    assert mean(padded) == pytest.approx(mean(values), rel=ROUNDING)
    assert ragged.std() == pytest.approx(full.std(), rel=0.03)


def test_weights_make_a_rate_of_counts() -> None:
    errors, words = np.array([[[1.0], [0.0]], [[4.0], [2.0]]]), np.array([[[5.0], [5]], [[8], [2]]])
    assert mean(errors / words, words) == pytest.approx(7 / 20)
    constant = bootstrap(np.full((2, 2, 1), 0.25), 50, generator(), words)
    assert constant == pytest.approx(np.full(50, 0.25))


def test_parts_make_the_same_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = generator(5).normal(size=(5, 4, 2))
    monkeypatch.setattr("adaptts.evaluation.statistics.BLOCK_VALUES", 7 * values.size)
    resampled = bootstrap(values, 20_003, generator())
    assert len(resampled) == 20_003
    assert resampled.mean() == pytest.approx(values.mean(), abs=0.02)


def test_equal_generators_give_equal_samples() -> None:
    values = generator(6).normal(size=(4, 3, 2))
    assert np.array_equal(bootstrap(values, 50, generator(7)), bootstrap(values, 50, generator(7)))


def test_one_speaker_has_no_interval_and_one_utterance_is_enough() -> None:
    values = np.full((3, 3, 2, 1), np.nan)
    values[0, 0] = 1.0  # one speaker
    values[1, :, 0, 0] = [1.0, 2.0, 3.0]  # three of one utterance
    values[2] = 4.0  # equal throughout
    found = interval(values, bootstrap(values, 100, generator()), 0.95)
    assert found.value.tolist() == [1, 2, 4]
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert found.low[1] < 2 < found.high[1]
    assert (found.low[2], found.high[2]) == (4, 4)


def test_without_seeds_the_standard_error_is_of_speakers_means() -> None:
    values = generator(13).normal(size=(7, 3, 1))
    found, means = spread(values), values.mean(axis=(1, 2))
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(7), rel=ROUNDING)
    assert found.freedom == 6
    assert found.of_seeds == 0
    assert found.seeds_alike == 1


def test_seeds_enter_the_standard_error_by_the_two_way_analysis_of_variance() -> None:
    # Speakers −1, 0, 1 plus seeds −1, 1, without interaction: mean squares 2 and 6, over 3 · 2.
    values = np.array([-1.0, 0, 1])[:, None, None] + np.array([-1.0, 1])[None, None, :]
    found = spread(values)
    assert found.of_seeds == pytest.approx(1)
    assert found.seeds_alike < 1e-6  # without interaction nothing else explains them
    assert found.error == pytest.approx(np.sqrt((2 + 6) / 6))
    assert found.freedom == pytest.approx(8**2 / (2**2 / 2 + 6**2 / 1))


def test_the_f_test_of_seeds_is_that_of_the_two_way_analysis() -> None:
    cells = generator(16).normal(np.array([0.0, 0.5, 1.0]), size=(5, 3))
    found = spread(cells[:, None, :])
    rows, columns, centre = cells.mean(1), cells.mean(0), cells.mean()
    rest = cells - rows[:, None] - columns + centre
    ratio = 5 * ((columns - centre) ** 2).sum() / 2 / ((rest**2).sum() / 8)
    assert found.seeds_alike == pytest.approx(f_distribution.sf(ratio, 2, 8))


def test_seeds_that_disagree_weaken_the_test() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.2, 0.8])[:, None, None] + np.array([-0.8, 0.8])
    alone = permutation_test(values[..., 1:], 10, generator())
    assert alone == least_p_value(5)
    assert permutation_test(values, 10, generator()) > 0.1


def test_the_interval_of_many_speakers_is_students() -> None:
    values = generator(14).normal(size=(40, 1, 1))
    found = interval(values, bootstrap(values, 20_000, generator()), 0.95)
    theirs = ttest_1samp(values[:, 0, 0], 0).confidence_interval(0.95)
    width = theirs.high - theirs.low
    # Percentiles of 20 000 resamplings, and a little skew of the sample.
    assert found.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_measurements_side_by_side_are_as_if_alone() -> None:
    values = generator(15).normal(size=(2, 3, 5, 4, 2))
    together = interval(values, bootstrap(values, 100, generator(1)), 0.9)
    alone = interval(values[1, 2], bootstrap(values[1, 2], 100, generator(1)), 0.9)
    assert together.low[1, 2] == pytest.approx(alone.low, rel=ROUNDING)
    assert together.high[1, 2] == pytest.approx(alone.high, rel=ROUNDING)
    p = permutation_test(values, 100, generator())
    assert p[1, 2] == permutation_test(values[1, 2], 100, generator())


def test_nothing_measured_is_undefined_and_no_error() -> None:
    nothing = np.full((3, 2, 1), np.nan)
    assert np.isnan(mean(nothing))
    assert np.isnan(permutation_test(nothing, 10, generator()))
    found = interval(nothing, bootstrap(nothing, 20, generator()), 0.95)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(speaker_means(nothing)).all()


def test_equal_values_differ_by_nothing() -> None:
    values = np.zeros((6, 3, 2))
    assert permutation_test(values, 10, generator()) == 1
    found = interval(values, bootstrap(values, 20, generator()), 0.95)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_permutations_are_scipys() -> None:
    differences = generator(8).normal(0.4, 1, size=(7, 3, 1))
    means = differences.mean(axis=(1, 2))
    theirs = scipy_permutation_test(
        (means, np.zeros(7)),
        lambda a, b: np.mean(a - b),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert permutation_test(differences, 10, generator()) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("speakers", [1, 2, 6, 10])
def test_agreeing_speakers_give_the_least_p_value(speakers: int) -> None:
    agreeing = np.ones((speakers, 2, 1)) * (1 + np.arange(speakers))[:, None, None]
    assert permutation_test(agreeing, 10, generator()) == least_p_value(speakers)


def test_drawn_signs_come_near_the_exact_test(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = generator(9).normal(0.3, 1, size=(8, 2, 1))
    exact = permutation_test(differences, 10, generator())
    monkeypatch.setattr("adaptts.evaluation.statistics.EXACT_SPEAKERS", 0)
    drawn = permutation_test(differences, 20_000, generator())
    # Four standard errors of a share of 20 000.
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_drawn_signs_never_prove_too_much() -> None:
    agreeing = np.ones((30, 1, 1))
    assert permutation_test(agreeing, 99, generator()) >= 1 / 100


@given(p_values)
def test_holm_is_closed_testing_with_bonferroni(p: np.ndarray) -> None:
    """A hypothesis falls when every set that holds it falls by Bonferroni's rule."""
    p = p[:5]
    closed = np.zeros(len(p))
    for size in range(1, len(p) + 1):
        for chosen in itertools.combinations(range(len(p)), size):
            level = min(1.0, size * p[list(chosen)].min())
            closed[list(chosen)] = np.maximum(closed[list(chosen)], level)
    assert holm(p) == pytest.approx(closed)


@given(p_values)
def test_holm_lies_above_control_of_false_discoveries(p: np.ndarray) -> None:
    assert (holm(p) >= false_discovery_control(p) - ROUNDING).all()
    assert (holm(p) >= p - ROUNDING).all()


def test_missing_tests_do_not_count() -> None:
    adjusted = holm(np.array([0.01, np.nan, 0.04]))
    assert adjusted == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(holm(np.array([np.nan]))).all()


@given(arrays(float, (3, 2, 2), elements=st.floats(-5, 5) | st.just(np.nan)))
@settings(max_examples=50)
def test_improvement_and_its_opposite_share_all_pairs(differences: np.ndarray) -> None:
    better, worse = improvements(differences, True), improvements(-differences, True)
    assert np.array_equal(
        better + worse, np.where(np.isnan(differences), np.nan, 1), equal_nan=True
    )
    assert np.array_equal(better, improvements(-differences, False), equal_nan=True)


def test_ties_count_half() -> None:
    differences = np.array([[[-1.0], [0.0]], [[2.0], [np.nan]]])
    assert mean(improvements(differences, lower_is_better=True)) == 0.5


def test_values_of_no_grid_are_refused() -> None:
    with pytest.raises(ValueError, match=r"speakers, utterances, seeds"):
        bootstrap(np.ones((2, 3)), 10, generator())
    with pytest.raises(ValueError, match="weights"):
        bootstrap(np.ones((2, 3, 1)), 10, generator(), np.ones((2, 3, 2)))


def test_intervals_that_hold_together_reach_as_far_as_bonferroni_s_t() -> None:
    values = generator(11).normal(size=(6, 4, 2))
    resampled = bootstrap(values, 4000, generator())
    single, wide = (interval(values, resampled, 0.95, together=count) for count in (1, 91))
    found = spread(values)
    ratio = t.isf(0.025 / 91, found.freedom) / t.isf(0.025, found.freedom)
    assert wide.high - wide.value == pytest.approx(ratio * (single.high - single.value))
    assert wide.low - wide.value == pytest.approx(ratio * (single.low - single.value))


def test_widened_resamplings_have_the_interval_s_ends_as_percentiles() -> None:
    values = generator(12).normal(size=(3, 6, 4, 2))
    values[1, 2:] = np.nan  # two speakers are left: no interval
    resampled = bootstrap(values, 400, generator())
    found = interval(values, resampled, 0.9)
    low, high = np.quantile(widened(values, resampled, 0.9), [0.05, 0.95], axis=0)
    assert low == pytest.approx(found.low, nan_ok=True)
    assert high == pytest.approx(found.high, nan_ok=True)
    assert np.isnan(low).tolist() == [False, True, False]
