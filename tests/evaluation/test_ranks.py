import numpy as np
import pytest
from scipy.stats import friedmanchisquare, studentized_range

from adaptts.evaluation.ranks import rank


def test_ranks_are_of_every_speaker_and_ties_share() -> None:
    values = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]])
    assert rank(values, True, 0.05).ranks.tolist() == [[1, 2, 3], [2.5, 2.5, 1]]
    assert rank(values, False, 0.05).ranks.tolist() == [[3, 2, 1], [1.5, 1.5, 3]]
    assert rank(values, True, 0.05).means.tolist() == [1.75, 2.25, 2.0]


@pytest.mark.parametrize("decimals", [8, 0])
def test_friedmans_test_is_scipys(decimals: int) -> None:
    values = np.random.default_rng(1).normal(size=(9, 4)).round(decimals) + np.arange(4)
    expected = friedmanchisquare(*values.T).pvalue
    assert rank(values, True, 0.05).p_value == pytest.approx(expected, rel=1e-9)


def test_the_critical_difference_is_demsars() -> None:
    # Demšar 2006, section 3.2.2: four classifiers on 14 data sets, q = 2.569 and CD = 1.25.
    values = np.random.default_rng(2).normal(size=(14, 4))
    found = rank(values, True, 0.05)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    q = studentized_range.ppf(0.95, 4, np.inf) / np.sqrt(2)
    assert q == pytest.approx(2.569, abs=0.001)


def test_cliques_are_the_largest_sets_within_the_critical_difference() -> None:
    # Demšar's figure 1a: mean ranks 3.143, 2.000, 2.893, 1.964, and 1.12 apart at α = 0.1. The
    # worst differs from the two best; the second worst may belong to either group.
    found = rank(np.random.default_rng(3).normal(size=(14, 4)), True, 0.1)
    means = np.array([3.143, 2.0, 2.893, 1.964])
    fixed = type(found)(np.tile(means, (14, 1)), found.p_value, found.critical_difference)
    assert [clique.tolist() for clique in fixed.cliques()] == [[3, 1, 2], [2, 0]]


def test_arms_that_are_far_apart_form_no_clique() -> None:
    values = np.tile([1.0, 2.0, 3.0], (40, 1))
    found = rank(values, True, 0.05)
    assert found.cliques() == []
    assert found.p_value < 1e-6


def test_equal_values_are_one_clique() -> None:
    found = rank(np.ones((5, 3)), True, 0.05)
    assert found.p_value == 1
    assert [sorted(clique) for clique in found.cliques()] == [[0, 1, 2]]


def test_two_arms_or_one_speaker_have_ranks_and_no_test() -> None:
    assert np.isnan(rank(np.array([[1.0, 2.0]] * 5), True, 0.05).p_value)
    alone = rank(np.array([[1.0, 2.0, 3.0]]), True, 0.05)
    assert np.isnan(alone.critical_difference)
    assert alone.cliques() == []
