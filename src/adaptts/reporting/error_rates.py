"""Verification in the report: error rates of every arm and point, and their trade-off."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import norm

from adaptts.evaluation.verification import (
    detection_costs,
    equal_error_rate,
    equal_error_rates,
    error_tradeoff,
    resampled_interval,
    speaker_weights,
    weighted_tradeoff,
)
from adaptts.params import ReportParams

# Metric → the trials' column of similarities, and the figure of a trade-off.
FIGURES = {
    "eer": ("similarity", equal_error_rates),
    "min_dcf": ("similarity", detection_costs),
    "eer_other_text": ("other_text_similarity", equal_error_rates),
}
DETECTION = ["arm", "false_alarms", "misses", "x", "y"]
CROSSINGS = ["arm", "eer", "place", "exact"]
LEAST_TRIALS = 20  # of each kind, for a trade-off: one error is then a twentieth at most

Row = tuple[str, int, int, str, float, float, float, int, int]


def error_rates(trials: pd.DataFrame, params: ReportParams) -> Iterator[Row]:
    """arm, shots, steps, metric, value, low, high, utterances measured, and missing.

    Intervals are over resampled speakers. Without trials that repeat an enrolled text, there is
    nothing to tell apart from the equal error rate of all.
    """
    for (arm, shots, steps), table in trials.groupby(["arm", "shots", "steps"], sort=False):
        for metric, (column, figure) in FIGURES.items():
            if column != "similarity" and not table["same_text"].any():
                continue
            given = table[table[column].notna()]
            target = given["target"].to_numpy(dtype=bool)
            lacking = int(table["target"].sum() - target.sum())
            if not target.any() or target.all():
                if lacking:
                    nan = float("nan")
                    yield str(arm), shots, steps, metric, nan, nan, nan, int(target.sum()), lacking
                continue
            similarities = given[column].to_numpy(dtype=float)
            names, codes = np.unique(given[["speaker", "enrolled"]].to_numpy(str),
                                     return_inverse=True)  # fmt: skip
            speaker, enrolled = codes.reshape(-1, 2).T
            generator = np.random.default_rng(params.seed)
            weights = speaker_weights(speaker, enrolled, params.bootstrap_samples, generator)
            weights = np.concatenate([np.ones((1, len(given))), weights])
            value, *resampled = figure(*weighted_tradeoff(similarities, target, weights))
            low, high = resampled_interval(np.array(resampled), params.confidence, len(names))
            measured = int(target.sum())
            yield str(arm), shots, steps, metric, float(value), low, high, measured, lacking


def detection(trials: pd.DataFrame) -> pd.DataFrame:
    """The trade-off of each arm in `trials`, of one point: columns DETECTION.

    Shares of 1, and x and y their probits, on whose axes two normal distributions of similarities
    give a straight line (Martin et al. 1997, The DET curve). What never happened counts as half a
    trial, for 0 has no probit. Arms with fewer than LEAST_TRIALS of a kind have none.
    """
    tables = []
    for arm, same, different in _kinds(trials):
        misses, false_alarms = error_tradeoff(same, different)
        corners = _corners(false_alarms, misses)
        points = {
            "arm": arm,
            "false_alarms": _inside(false_alarms[corners], len(different)),
            "misses": _inside(misses[corners], len(same)),
        }
        tables.append(
            pd.DataFrame(points).assign(
                x=norm.ppf(points["false_alarms"]), y=norm.ppf(points["misses"])
            )
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=DETECTION)


def crossings(trials: pd.DataFrame) -> pd.DataFrame:
    """Where the lines of `detection` cross the diagonal: columns CROSSINGS.

    eer: in percent, as the tables have it. place: its probit, or, where it is below half a trial,
    where the drawn line crosses; exact: whether it is the former.
    """
    rows = []
    for arm, same, different in _kinds(trials):
        rate = equal_error_rate(same, different)
        least = max(0.5 / len(same), 0.5 / len(different))
        drawn = min(max(rate / 100, least), 1 - least)
        rows.append((arm, rate, float(norm.ppf(drawn)), drawn == rate / 100))
    return pd.DataFrame(rows, columns=CROSSINGS)


def _kinds(trials: pd.DataFrame) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each arm with the similarities of its trials of one speaker, and of two."""
    for arm, table in trials[trials["similarity"].notna()].groupby("arm", sort=False):
        target = table["target"].to_numpy(dtype=bool)
        if min(target.sum(), (~target).sum()) >= LEAST_TRIALS:
            values = table["similarity"].to_numpy(dtype=float)
            yield str(arm), values[target], values[~target]


def _inside(shares: np.ndarray, trials: int) -> np.ndarray:
    return np.clip(shares, 0.5 / trials, 1 - 0.5 / trials)


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where a path of horizontal and vertical steps turns, and its ends."""
    sideways = np.diff(x) != 0
    turns = np.append(sideways[1:] != sideways[:-1], True)
    return np.flatnonzero(np.insert(turns, 0, True))
