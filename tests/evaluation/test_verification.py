import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.verification import equal_error_rate, error_tradeoff

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
