import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, false_discovery_control
from scipy.stats import permutation_test as scipy_permutation_test

from adaptts.evaluation.statistics import (
    bootstrap,
    compare,
    holm,
    improvements,
    interval,
    least_p_value,
    mean,
    permutation_test,
)

ROUNDING = 1e-9

p_values = arrays(float, st.integers(1, 8), elements=st.floats(1e-6, 1))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw_grid(
    source: np.random.Generator, shape: tuple[int, int, int], effects: tuple[float, ...]
) -> np.ndarray:
    """Values whose true mean is 0: effects of speakers, utterances, seeds, and what is left."""
    speakers, utterances, seeds = shape
    sizes = [(speakers, 1, 1), (speakers, utterances, 1), (1, 1, seeds), shape]
    return sum(
        effect * source.normal(size=size) for effect, size in zip(effects, sizes, strict=True)
    )


def within_binomial(successes: int, trials: int, rate: float, above: bool) -> bool:
    """Whether `successes` could come of a true rate at least (`above`) or at most `rate`."""
    doubt = 1e-3
    if above:
        return binom.cdf(successes, trials, rate) > doubt
    return binom.sf(successes - 1, trials, rate) > doubt


@pytest.mark.parametrize("effects", [(1, 0.5, 0, 0.5), (0.3, 1, 0, 1)])
def test_intervals_cover_the_truth_as_often_as_they_say(effects: tuple[float, ...]) -> None:
    source, trials, covered = generator(1), 200, 0
    for _ in range(trials):
        values = draw_grid(source, (6, 4, 2), effects)
        found = interval(mean(values), bootstrap(values, 400, source), 0.9, 6)
        covered += found.low <= 0 <= found.high
    assert within_binomial(covered, trials, 0.88, above=True)


def test_seeds_that_move_every_speaker_widen_the_interval() -> None:
    # Five seeds, each with an effect that all speakers share: resampling speakers alone would
    # take it for certain.
    source, trials, covered = generator(2), 150, 0
    for _ in range(trials):
        values = draw_grid(source, (6, 4, 5), (0.5, 0.5, 1, 0.5))
        found = interval(mean(values), bootstrap(values, 400, source), 0.9, 6)
        covered += found.low <= 0 <= found.high
    assert within_binomial(covered, trials, 0.88, above=True)


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


def test_one_speaker_has_no_interval() -> None:
    found = interval(1.0, np.ones(10), 0.95, 1)
    assert found.value == 1
    assert np.isnan([found.low, found.high]).all()


def test_nothing_measured_is_undefined_and_no_error() -> None:
    nothing = np.full((3, 2, 1), np.nan)
    assert np.isnan(mean(nothing))
    assert np.isnan(permutation_test(nothing, 10, generator()))
    found = compare(nothing, nothing, True, 20, 0.95, generator())
    assert found.pairs == 0
    assert np.isnan([found.difference.value, found.difference.low, found.improvement.value]).all()


def test_permutations_are_scipys() -> None:
    differences = generator(8).normal(0.4, 1, size=(7, 3, 2))
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


def test_a_family_of_true_nulls_is_rarely_rejected() -> None:
    source, trials, rejected = generator(10), 400, 0
    for _ in range(trials):
        tested = [permutation_test(source.normal(size=(7, 2, 1)), 10, source) for _ in range(4)]
        rejected += (holm(np.array(tested)) <= 0.1).any()
    assert within_binomial(rejected, trials, 0.1, above=False)


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


def test_a_comparison_pairs_what_both_have() -> None:
    base = generator(11).normal(size=(6, 3, 2))
    better = base - 0.5
    better[0, 0] = np.nan
    found = compare(better, base, True, 200, 0.95, generator())
    assert found.pairs == 34
    # Pairs differ by 0.5 throughout, however much speakers and utterances differ.
    difference = found.difference
    assert [difference.value, difference.low, difference.high] == pytest.approx([-0.5] * 3)
    assert found.improvement.value == 1
    assert found.p_value == least_p_value(6)


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 1, 1\] and \[3, 1, 1\]"):
        compare(np.ones((2, 1, 1)), np.ones((3, 1, 1)), True, 10, 0.95, generator())
    with pytest.raises(ValueError, match=r"speakers, utterances, seeds"):
        bootstrap(np.ones((2, 3)), 10, generator())
    with pytest.raises(ValueError, match="weights"):
        bootstrap(np.ones((2, 3, 1)), 10, generator(), np.ones((2, 3, 2)))
