"""The comparison elsewhere: at every point of the grid that is summarised, and for each speaker."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from adaptts.params import PointParams
from adaptts.reporting.comparison import (
    DIFFERENCES,
    POINTS,
    Comparison,
    Estimator,
    summarised,
)
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.panel import Panel
from adaptts.reporting.results import Results

PLACE = ["shots", "steps"]


@dataclass(frozen=True)
class View:
    """One choice of point and speaker."""

    point: PointParams
    speaker: str | None  # None: all of them together
    comparison: Comparison  # its headline is `point`


def explore(results: Results, comparison: Comparison) -> Iterator[View]:
    """Every view: the headline's first; for each point all speakers together, then one by one.

    One speaker is no sample of speakers: there are means, but neither intervals nor ties.
    """
    means = _speaker_means(results)
    estimator = Estimator.of(Panel.lay(summarised(results)), results)
    for point in places(results, comparison):
        table = results.at(point.shots, point.steps)
        yield View(point, None, _at(comparison, point, estimator))
        for speaker in results.test_speakers:
            yield View(point, speaker, _of(speaker, means, table, comparison, point))


def places(results: Results, comparison: Comparison) -> list[PointParams]:
    """The points of the grid with results, by shots and steps; the headline comes first."""
    arms = comparison.points[~comparison.points["arm"].isin(comparison.zero_step_arms)]
    own = (arms if len(arms) else comparison.points)[PLACE].drop_duplicates().sort_values(PLACE)
    points = [PointParams(int(shots), int(steps)) for shots, steps in own.itertuples(index=False)]
    first = comparison.headline
    return [first, *(point for point in points if point != first)]


def _at(comparison: Comparison, point: PointParams, estimator: Estimator) -> Comparison:
    if point == comparison.headline:
        return comparison
    return replace(
        comparison,
        headline=point,
        # Only the headline was decided before looking: nothing is corrected, or planned, elsewhere.
        planned=[],
        differences=estimator.differences(point, comparison.baseline, METRICS, planned=[]),
        verdicts=estimator.verdicts(point),
    )


def _of(
    speaker: str,
    means: pd.DataFrame,
    table: pd.DataFrame,
    comparison: Comparison,
    point: PointParams,
) -> Comparison:
    own = means[means["speaker"] == speaker]
    reference = own["seed"] < 0
    return replace(
        comparison,
        headline=point,
        points=own.loc[~reference, POINTS],
        references=own.loc[reference, POINTS],
        differences=_paired(table[table["speaker"] == speaker], comparison),
        verdicts={},
    )


def _speaker_means(results: Results) -> pd.DataFrame:
    """Means by arm, point and speaker: columns POINTS, speaker, seed (-1: a reference)."""
    both = pd.concat([results.measures, results.references])
    both["seed"] = np.where(both["seed"] < 0, -1, 0)
    key = ["arm", "shots", "steps", "speaker", "seed"]
    wide = {name: rows.groupby(key)["value"] for name, rows in both.groupby("metric")}
    tables = []
    for metric in METRICS:
        if metric.name not in wide:
            continue
        values = wide[metric.name]
        value = values.mean()
        if metric.ratio:
            errors, total = (wide[part].sum() for part in metric.ratio)
            value = 100 * errors / total.where(total > 0)
        counts = {"measured": values.count(), "missing": values.size() - values.count()}
        tables.append(pd.DataFrame({"value": value, **counts}).assign(metric=metric.name))
    return pd.concat(tables).reset_index().assign(low=np.nan, high=np.nan)


def _paired(table: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """Each arm minus the baseline on the utterances of one speaker that both have: DIFFERENCES."""
    wide = table.pivot_table("value", ["utterance", "seed"], ["metric", "arm"])
    rows = []
    for metric in METRICS:
        parts = metric.ratio or (metric.name,)
        if comparison.baseline is None or not set(parts) <= set(wide.columns.get_level_values(0)):
            continue
        values, *total = (wide[part] for part in parts)
        if comparison.baseline not in values:
            continue
        gaps = values.sub(values[comparison.baseline], axis=0)
        means = 100 * gaps.sum() / total[0].where(gaps.notna()).sum() if total else gaps.mean()
        rows += [
            (arm, comparison.baseline, metric.name, means[arm], 1)
            for arm in comparison.arms
            if arm != comparison.baseline and not np.isnan(means.get(arm, np.nan))
        ]
    found = pd.DataFrame(rows, columns=["arm", "baseline", "metric", "difference", "speakers"])
    return found.reindex(columns=DIFFERENCES)
