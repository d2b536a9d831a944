"""Arms in order: mean ranks over speakers, and which of them a rank test does not tell apart.

Demšar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, with speakers in the
place of data sets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, rankdata, studentized_range

from adaptts.evaluation.statistics import Array


@dataclass(frozen=True)
class Ranking:
    """Arms by their ranks; 1 is best."""

    ranks: Array  # [speakers, arms]; equal values share the mean of their ranks
    p_value: float  # of Friedman's test: no arm differs from another; NaN if it cannot be made
    critical_difference: float  # of two mean ranks, by Nemenyi's test; NaN likewise

    @property
    def means(self) -> Array:
        """[arms]."""
        return self.ranks.mean(axis=0)

    def cliques(self) -> list[NDArray[np.intp]]:
        """The largest sets of arms, best first, whose mean ranks lie within the critical
        difference; an arm that is apart from all others is in none.
        """
        order = np.argsort(self.means, kind="stable")
        ordered, found, reached = self.means[order], [], 0
        for first in range(len(order)):
            # Rounding must not part arms that lie a critical difference apart.
            within = ordered <= ordered[first] + self.critical_difference * (1 + 1e-12)
            end = int(np.flatnonzero(within)[-1]) + 1 if within.any() else 0
            if end > max(reached, first + 1):
                found.append(order[first:end])
                reached = end
        return found


def rank(values: Array, lower_is_better: bool, alpha: float) -> Ranking:
    """Rank `values` [speakers, arms], all of them finite, for every speaker.

    The tests need three arms and two speakers; equal values throughout give a p-value of 1.
    """
    ranks = rankdata(values if lower_is_better else -values, axis=1)
    speakers, arms = ranks.shape
    if arms < 3 or speakers < 2:
        return Ranking(ranks, np.nan, np.nan)
    range_of_means = studentized_range.ppf(1 - alpha, arms, np.inf) / np.sqrt(2)
    difference = range_of_means * np.sqrt(arms * (arms + 1) / (6 * speakers))
    return Ranking(ranks, _friedman(ranks), float(difference))


def _friedman(ranks: Array) -> float:
    """Friedman's test, by Conover's (1999) form, which minds ties."""
    speakers, arms = ranks.shape
    middle = (arms + 1) / 2
    varied = ((ranks - middle) ** 2).sum()
    if varied == 0:
        return 1.0
    between = ((ranks.sum(axis=0) - speakers * middle) ** 2).sum()
    return float(chi2.sf((arms - 1) * between / varied, arms - 1))
