"""All arms beside each other: their ranks over speakers, and which are not told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from adaptts.evaluation import ranks, statistics
from adaptts.evaluation.statistics import Array, Draws
from adaptts.params import ReportParams
from adaptts.reporting.metrics import Metric
from adaptts.reporting.panel import Sample

RANKS = ["metric", "arm", "rank", "low", "high", "best_share"]
PAIRS = ["metric", "arm", "other", "difference", "low", "high", "p", "p_holm"]
LEAST_ARMS = 2


@dataclass(frozen=True)
class Standing:
    """Arms by one metric, the best mean rank first."""

    metric: Metric
    # columns RANKS; best_share of the resamplings in which an arm is best: NaN with too few
    # speakers, and of an arm that lacks values
    ranks: pd.DataFrame
    pairs: pd.DataFrame  # columns PAIRS: arm minus other; Holm's family is all pairs
    speakers: int  # on which all arms are measured
    friedman_p: float
    critical_difference: float  # of two mean ranks, by Nemenyi's test
    cliques: list[list[str]]  # arms that this test does not tell apart


def stand(
    metric: Metric, arms: Sequence[str], sample: Sample, draws: Draws, params: ReportParams
) -> Standing | None:
    """Order `arms` by a `sample` of the metric, a point for each; None if fewer than two of them
    or of the speakers are measured.

    Speakers on whom an arm lacks all values are left out, as are arms without any.
    """
    means = statistics.speaker_means(sample.values, sample.weights)  # [arms, speakers]
    some = np.isfinite(means).sum(axis=1) > 0
    whole = np.isfinite(means[some]).sum(axis=0) == some.sum()
    if some.sum() < LEAST_ARMS or whole.sum() < LEAST_ARMS:
        return None
    own = Sample(sample.values[some], None if sample.weights is None else sample.weights[some])
    names = [arm for arm, there in zip(arms, some, strict=True) if there]
    ranking = ranks.rank(means[some][:, whole].T, metric.lower_is_better, 1 - params.confidence)
    placed = _rank_intervals(ranking.ranks, whole, draws, params.confidence)
    table = pd.DataFrame(
        {
            "metric": metric.name,
            "arm": names,
            "rank": placed.value,
            "low": np.maximum(placed.low, 1),
            "high": np.minimum(placed.high, len(names)),
            "best_share": _best_shares(own, draws, metric.lower_is_better)
            if whole.sum() >= statistics.LEAST_SPEAKERS
            else np.nan,
        },
        columns=RANKS,
    ).sort_values("rank", kind="stable")
    return Standing(
        metric,
        table.reset_index(drop=True),
        _pairs(metric, names, own, draws, params),
        int(whole.sum()),
        ranking.p_value,
        ranking.critical_difference,
        [[names[place] for place in clique] for clique in ranking.cliques()],
    )


def joined(columns: list[str], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of several metrics'."""
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _rank_intervals(
    placed: Array, whole: np.ndarray, draws: Draws, confidence: float
) -> statistics.Interval:
    """Mean ranks [arms] over speakers, and intervals that resample the speakers."""
    values = np.full((placed.shape[1], len(whole), 1, 1), np.nan)
    values[:, whole, 0, 0] = placed.T
    return statistics.interval(values, draws.of_speakers().means(values), confidence)


def _best_shares(sample: Sample, draws: Draws, lower_is_better: bool) -> Array:
    """The share of resamplings in which each arm has the best mean; equals share one.

    NaN, and never the best, for an arm that lacks values which another one has.
    """
    measured = ~np.isnan(sample.values)
    lacking = (measured.any(axis=0) & ~measured).any(axis=(1, 2, 3))
    means = draws.means(sample.values, sample.weights)  # [samples, arms]
    means = np.where(np.isnan(means) | lacking, np.inf, means if lower_is_better else -means)
    best = means == means.min(axis=1, keepdims=True)
    return np.where(lacking, np.nan, (best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def _pairs(
    metric: Metric, names: list[str], sample: Sample, draws: Draws, params: ReportParams
) -> pd.DataFrame:
    """Every pair of arms on the same utterances."""
    places = list(combinations(range(len(names)), 2))
    first, second = (np.array(side) for side in zip(*places, strict=True))
    differences = sample.values[first] - sample.values[second]
    weights = None if sample.weights is None else sample.weights[first]
    found = statistics.interval(
        differences, draws.means(differences, weights), params.confidence, weights
    )
    p = statistics.permutation_test(
        differences, params.bootstrap_samples, np.random.default_rng(params.seed), weights
    )
    return pd.DataFrame(
        {
            "metric": metric.name,
            "arm": [names[place] for place in first],
            "other": [names[place] for place in second],
            "difference": found.value,
            "low": found.low,
            "high": found.high,
            "p": p,
            "p_holm": statistics.holm(p),
        },
        columns=PAIRS,
    )
