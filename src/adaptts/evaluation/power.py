"""How large a difference is, and how large one must be to be found."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, nctdtr
from scipy.stats import nct, norm, t

from adaptts.evaluation.statistics import Array, Interval, least_p_value

BISECTIONS = 60  # halve a bracket to rounding


def effect_size(means: Array, confidence: float) -> Interval:
    """The standardised difference of paired `means` [..., speakers], with its interval.

    d = mean / standard deviation between speakers (Cohen's d_z), times Hedges' (1981) correction
    for few speakers. The interval is of the noncentral t distribution (Cumming and Finch 2001).
    NaN with fewer than two speakers, or where all of them differ by the same.
    """
    count = (~np.isnan(means)).sum(axis=-1)
    free = np.maximum(count - 1, 1)
    centre = np.where(count > 0, np.nansum(means, axis=-1) / np.maximum(count, 1), np.nan)
    squares = np.nansum((means - centre[..., None]) ** 2, axis=-1)
    # Equal numbers have a deviation of rounding.
    varied = (count > 1) & (squares > 1e-18 * free * centre**2) & (squares > 0)
    deviation = np.sqrt(np.where(varied, squares, np.nan) / free)
    d = centre / deviation
    correction = np.exp(gammaln(free / 2) - gammaln((free - 1) / 2) - np.log(free / 2) / 2)
    correction = np.where(free > 1, correction, np.nan)
    statistic, root = d * np.sqrt(count), np.sqrt(np.maximum(count, 1))
    level = (1 + confidence) / 2
    low, high = (correction * _noncentrality(statistic, free, p) / root for p in (level, 1 - level))
    return Interval(correction * d, low, high)


def _noncentrality(statistic: Array, freedom: Array, level: float) -> Array:
    """The noncentrality under which `statistic` stands at `level` of its distribution."""
    finite = np.nan_to_num(statistic)
    reach = 10 + 4 * np.abs(finite)
    low, high = finite - reach, finite + reach
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = nctdtr(freedom, middle, finite) > level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(np.isnan(statistic), np.nan, (low + high) / 2)


@dataclass(frozen=True)
class Sensitivity:
    """The least true differences that a test finds, with a probability of `power`."""

    alone: Array  # as the only comparison
    corrected: Array  # as the first of the planned ones after Holm; infinite if never
    power: float


def sensitivity(
    error: Array, freedom: Array, speakers: int, tests: int, alpha: float, power: float = 0.8
) -> Sensitivity:
    """What the permutation test over `speakers` can find, from `statistics.spread` of differences.

    By the noncentral t distribution at the level that the test attains: its p-values are whole
    multiples of `least_p_value(speakers)`. Where only the least of them will do, all speakers have
    to agree, which may ask for more.
    """
    alone, corrected = (
        _detectable(error, freedom, speakers, level, power)
        for level in (alpha, alpha / max(tests, 1))
    )
    return Sensitivity(alone, corrected, power)


def _detectable(error: Array, freedom: Array, speakers: int, alpha: float, power: float) -> Array:
    least = least_p_value(speakers)
    # A level that is just met, such as 2/64 of 6 speakers, is met in spite of rounding.
    patterns = math.floor(alpha / least + 1e-9)
    if patterns == 0:
        return np.full(error.shape, np.inf)
    found = error * _noncentrality_found(freedom, patterns * least, power)
    if patterns == 1:
        agreeing = error * math.sqrt(speakers) * norm.ppf(power ** (1 / speakers))
        found = np.maximum(found, agreeing)
    return found


def _noncentrality_found(freedom: Array, alpha: float, power: float) -> Array:
    """The true difference, in standard errors, that a two-sided t test at `alpha` finds."""
    usable = np.where(freedom >= 1, freedom, 1)
    bound = t.isf(alpha / 2, usable)
    low, high = np.zeros(freedom.shape), bound * 4 + 10
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        # Beyond the other bound the test would find the wrong sign: that is no success.
        found = nct.sf(bound, usable, middle) >= power
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return np.where(freedom >= 1, (low + high) / 2, np.nan)
