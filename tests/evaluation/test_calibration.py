"""Simulated experiments whose truth is known: intervals, tests and promises of power hold."""

import numpy as np
import pytest
from scipy.stats import binom

from adaptts.evaluation.power import effect_size
from adaptts.evaluation.statistics import speaker_means
from benchmarks.inference import (
    ALPHA,
    CONFIDENCE,
    NOISES,
    UTTERANCES,
    Noise,
    apart_error,
    coverage,
    family_error,
    found_share,
    promised,
    simulate,
)

TRIALS = 2000
DOUBT = 1e-3  # of a test that fails although all is right


def plausible(share: float, trials: int, least: float, most: float) -> bool:
    """Whether a true rate between `least` and `most` could have given `share` of the trials."""
    hits = round(share * trials)
    return binom.cdf(hits, trials, least) > DOUBT and binom.sf(hits - 1, trials, most) > DOUBT


@pytest.mark.parametrize("speakers", [6, 12, 30])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_intervals_cover_at_their_nominal_rate(speakers: int, seeds: int) -> None:
    source = np.random.default_rng([1, speakers, seeds])
    values = simulate((TRIALS, speakers, UTTERANCES, seeds), Noise(), source)
    assert plausible(coverage(values, 600, source), TRIALS, 0.94, 0.965)


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.88), (3, 0.92), (5, 0.94)])
@pytest.mark.parametrize("noise", list(NOISES)[1:])
def test_seeds_that_move_every_speaker_are_covered(seeds: int, least: float, noise: str) -> None:
    # With one seed they cannot be: one training tells nothing of others.
    source = np.random.default_rng([2, seeds])
    values = simulate((TRIALS, 12, UTTERANCES, seeds), NOISES[noise], source)
    assert plausible(coverage(values, 600, source), TRIALS, least, 0.97)


@pytest.mark.parametrize(("seeds", "seed_effect"), [(1, 0.0), (2, 0.2), (3, 0.5), (3, 1.0)])
def test_a_family_of_true_nulls_is_rejected_no_more_often_than_it_should(
    seeds: int, seed_effect: float
) -> None:
    trials, source = 600, np.random.default_rng([3, seeds])
    values = simulate((trials, 10, 12, UTTERANCES, seeds), Noise(seed=seed_effect), source)
    assert plausible(family_error(values, source), trials, 0.0, ALPHA)


@pytest.mark.parametrize(
    ("speakers", "seeds", "seed_effect"), [(6, 2, 0.0), (6, 2, 0.5), (6, 3, 0.2), (12, 3, 0.0)]
)
def test_no_two_of_many_equal_arms_are_told_apart_more_often_than_they_should(
    speakers: int, seeds: int, seed_effect: float
) -> None:
    trials, source = 200, np.random.default_rng([8, speakers, seeds])
    values = simulate((trials, 14, speakers, UTTERANCES, seeds), Noise(seed=seed_effect), source)
    assert plausible(apart_error(values, 200, source), trials, 0.0, ALPHA)


def test_single_intervals_would_tell_equal_arms_apart() -> None:
    source = np.random.default_rng(9)
    values = simulate((200, 14, 6, UTTERANCES, 2), Noise(), source)
    assert apart_error(values, 200, source, together=1) > 0.5


def test_a_test_that_knows_no_seeds_would_break_the_family() -> None:
    """The same as above with the seeds hidden: what the second test is for."""
    values = simulate((300, 10, 12, UTTERANCES, 3), Noise(seed=1.0), np.random.default_rng(4))
    hidden = values.mean(axis=-1, keepdims=True)
    assert family_error(hidden, np.random.default_rng(4)) > 0.3


@pytest.mark.parametrize("speakers", [6, 12, 30])
def test_known_effects_are_found_as_often_as_promised(speakers: int) -> None:
    source = np.random.default_rng([5, speakers])
    difference, _ = promised(speakers, 1, Noise(), 1)
    values = simulate((TRIALS, speakers, UTTERANCES, 1), Noise(), source)
    assert plausible(found_share(difference, values, ALPHA, source), TRIALS, 0.76, 0.84)
    assert found_share(2 * difference, values, ALPHA, source) > 0.98


def test_known_effects_are_found_after_correction() -> None:
    source, tests = np.random.default_rng(6), 9
    _, difference = promised(12, 1, Noise(), tests)
    values = simulate((TRIALS, 12, UTTERANCES, 1), Noise(), source)
    assert plausible(found_share(difference, values, ALPHA / tests, source), TRIALS, 0.74, 0.86)


def test_too_few_speakers_can_never_be_found_after_correction() -> None:
    assert promised(6, 1, Noise(), 13)[1] == np.inf


@pytest.mark.parametrize("true_size", [0.0, 0.8])
def test_intervals_of_effect_sizes_cover_theirs(true_size: float) -> None:
    source = np.random.default_rng(7)
    values = simulate((TRIALS, 8, 1, 1), Noise(1.0, 0.0, 0.0, 0.0, 0.0), source) + true_size
    found = effect_size(speaker_means(values), CONFIDENCE)
    # Hedges' correction moves value and interval together, by 11 % with 8 speakers.
    correction = 0.888
    share = np.mean((found.low <= correction * true_size) & (correction * true_size <= found.high))
    assert plausible(float(share), TRIALS, 0.94, 0.96)
    assert found.value.mean() == pytest.approx(true_size, abs=0.04)
