"""The numbers of the report: every arm at every point, with intervals, and against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from adaptts.evaluation import statistics
from adaptts.evaluation.power import effect_size, sensitivity
from adaptts.evaluation.statistics import Array, Draws, Interval
from adaptts.params import PointParams, ReportParams
from adaptts.reporting.error_rates import error_rates
from adaptts.reporting.metrics import METRICS, PRIMARY, Metric
from adaptts.reporting.panel import Panel, Sample, check_queries
from adaptts.reporting.results import REFERENCES, Results
from adaptts.reporting.standings import Standing, stand
from adaptts.reporting.verdicts import Verdict, judge

Axis = Literal["steps", "shots"]
POINTS = ["arm", "shots", "steps", "metric", "value", "low", "high", "measured", "missing"]
# Also where a table is empty, as that of the error rates of a single test speaker.
KINDS = {**dict.fromkeys(["arm", "metric"], str),
         **dict.fromkeys(["shots", "steps", "measured", "missing"], int),
         **dict.fromkeys(["value", "low", "high"], float)}  # fmt: skip
# effect: Hedges' correction of the mean over the standard deviation of speakers' differences.
# p_holm: of planned comparisons. detectable: the least true difference that the test finds four
# times in five, alone, and as the first of the planned ones (infinite where it never can).
DIFFERENCES = ["arm", "baseline", "metric", "difference", "low", "high", "effect", "effect_low",
               "effect_high", "improvement", "improvement_low", "improvement_high", "p", "p_holm",
               "detectable", "detectable_holm", "speakers"]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """All numbers; every interval has the confidence of the report's parameters."""

    headline: PointParams
    confidence: float
    arms: list[str]
    zero_step_arms: list[str]
    points: pd.DataFrame  # columns POINTS; zero-step arms at steps 0 alone
    references: pd.DataFrame  # columns POINTS, at shots = steps = 0
    speakers: pd.DataFrame  # at the headline: arm (or reference), speaker, metric, value
    trials: pd.DataFrame  # of verification, at the headline: columns VERIFICATION
    baseline: str | None  # the arm that the others are compared with; None if it is alone
    planned: list[str]  # metrics of the planned comparisons, as far as they are measured
    differences: pd.DataFrame  # columns DIFFERENCES: arm minus baseline, on the same utterances
    by_step: pd.DataFrame  # the same of the primary metric after every step, in a column steps
    standings: list[Standing]  # all arms beside each other at the headline, by main metric
    verdicts: dict[str, Verdict]  # by metric, at the headline

    @property
    def best(self) -> dict[str, str]:
        """The best arm by each metric that has one."""
        return {name: own.best for name, own in self.verdicts.items() if own.best is not None}

    def mark(self, arm: str, metric: str) -> Literal["best", "tied", ""]:
        """How an arm stands by a metric: best, not told apart from that, or neither."""
        own = self.verdicts.get(metric, Verdict())
        return "best" if own.best == arm else "tied" if arm in own.tied else ""

    def along(self, axis: Axis) -> pd.DataFrame:
        """`points` at the headline's shots or steps, along the other axis.

        Along steps, zero-step arms stand at every step count of the other arms.
        """
        constant = self.points["arm"].isin(self.zero_step_arms)
        moving, fixed = self.points[~constant], self.points[constant]
        if axis == "shots":
            rows = pd.concat([fixed, moving[moving["steps"] == self.headline.steps]])
            return rows.assign(steps=self.headline.steps).reset_index(drop=True)
        moving = moving[moving["shots"] == self.headline.shots]
        fixed = fixed[fixed["shots"] == self.headline.shots]
        steps = pd.DataFrame({"steps": sorted(moving["steps"].unique()) or [0]})
        spread = fixed.drop(columns="steps").merge(steps, how="cross")[POINTS]
        return pd.concat([spread, moving]).reset_index(drop=True)

    def at_headline(self) -> pd.DataFrame:
        """`points` at the headline, zero-step arms included."""
        return _at(self.points, self.zero_step_arms, self.headline)

    def metrics(self, main: bool | None = None) -> list[Metric]:
        """The metrics that have a value at the headline, of an arm or of a reference.

        main: those of the headline table alone, or those of the second one alone.
        """
        both = pd.concat([self.at_headline(), self.references])
        there = set(both.loc[both["measured"] > 0, "metric"])
        wanted = [metric for metric in METRICS if main is None or metric.main == main]
        return [metric for metric in wanted if metric.name in there]

    def value(self, arm: str, metric: str) -> float:
        """The value of an arm or a reference at the headline; NaN where there is none."""
        return self._figure(arm, metric, "value")

    def interval(self, arm: str, metric: str) -> tuple[float, float]:
        """Its interval; NaN where there is none."""
        return self._figure(arm, metric, "low"), self._figure(arm, metric, "high")

    def _figure(self, arm: str, metric: str, column: str) -> float:
        both = pd.concat([self.at_headline(), self.references])
        found = both.loc[(both["arm"] == arm) & (both["metric"] == metric), column]
        return float(found.iloc[0]) if len(found) else float("nan")


def compare(results: Results) -> Comparison:
    """Compute all numbers of the report.

    Raises ResultsError if arms were measured on different utterances.
    """
    check_queries(results.measures)
    experiment = results.experiment
    headline = experiment.evaluation.headline
    estimator = Estimator.of(Panel.lay(summarised(results)), results)
    rates = pd.DataFrame(error_rates(results.verification, experiment.report), columns=POINTS)
    # Without a row, or where each has None, pandas would make columns of objects of them.
    rates = rates.astype(dict.fromkeys(["value", "low", "high"], float))
    reference = rates["arm"].isin(REFERENCES)
    points = _joined(estimator.summarise(), rates[~reference])
    references, ceilings = pd.DataFrame(columns=POINTS), []
    if len(results.references):
        panel = Panel.lay(results.references)
        references, ceilings = Estimator.of(panel, results).summarise(), [panel]
    references = _joined(references, rates[reference])
    at_headline = Panel.lay(results.at(headline.shots, headline.steps))
    baseline = _baseline(results)
    verdicts = estimator.verdicts(headline)
    comparisons = experiment.report.comparisons
    planned = comparisons.metrics if baseline == comparisons.baseline else []
    return Comparison(
        headline=headline,
        confidence=experiment.report.confidence,
        arms=results.arms,
        zero_step_arms=results.zero_step_arms,
        points=points,
        references=references,
        speakers=pd.concat(map(_speaker_means, [*ceilings, at_headline]), ignore_index=True),
        trials=results.trials_at(headline.shots, headline.steps),
        baseline=baseline,
        planned=[name for name in planned if name in verdicts],
        differences=estimator.differences(headline, baseline, METRICS, planned),
        by_step=estimator.by_step(headline.shots, baseline),
        standings=estimator.standings(headline),
        verdicts=verdicts,
    )


def _joined(points: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([points, rates], ignore_index=True).astype(KINDS)


def summarised(results: Results) -> pd.DataFrame:
    """The measures at the points that the report tells of: with sound, or along its curves."""
    experiment = results.experiment
    headline = experiment.evaluation.headline
    wanted = {(point.shots, point.steps) for point in experiment.evaluation.points}
    wanted |= {(headline.shots, steps) for steps in experiment.adaptation.steps}
    wanted |= {(shots, headline.steps) for shots in experiment.episodes.shots}
    constant = results.measures["arm"].isin(results.zero_step_arms)
    places = pd.MultiIndex.from_frame(results.measures[["shots", "steps"]])
    return results.measures[constant | places.isin(list(wanted))]


@dataclass(frozen=True)
class Estimator:
    """Estimates with the samples, confidence and seed of the report's parameters.

    Every estimate uses the same draws: what is compared is resampled alike.
    """

    panel: Panel
    draws: Draws
    arms: list[str]
    steps: list[int]
    params: ReportParams

    @classmethod
    def of(cls, panel: Panel, results: Results) -> "Estimator":
        params = results.experiment.report
        generator = np.random.default_rng(params.seed)
        draws = statistics.draw(panel.present, panel.seeds, params.bootstrap_samples, generator)
        return cls(panel, draws, results.arms, results.experiment.adaptation.steps, params)

    def interval(self, values: Array, weights: Array | None) -> Interval:
        resampled = self.draws.means(values, weights)
        return statistics.interval(values, resampled, self.params.confidence, weights)

    def widened(self, metric: Metric) -> Array:
        """The resampled means of every point [samples, points], as wide as intervals are."""
        sample = self.panel.sample(metric)
        drawn = self.draws.means(sample.values, sample.weights)
        return statistics.widened(sample.values, drawn, self.params.confidence, sample.weights)

    def summarise(self) -> pd.DataFrame:
        """Every point and metric of the panel, with its interval: columns POINTS."""
        numbers = {point: number for number, point in enumerate(self.panel.points)}
        counts = self.panel.counts.to_dict("index")
        found = {}
        for metric in METRICS:
            sample = self.panel.sample(metric)
            found[metric.name] = self.interval(sample.values, sample.weights)
            # The stretched end of an interval lies within what the metric can be, too.
            whole = found[metric.name]
            low, high = (np.clip(end, *metric.bounds) for end in (whole.low, whole.high))
            found[metric.name] = replace(whole, low=low, high=high)
        rows = []
        for point, metric in self.panel.measured():
            whole, count = found[metric.name], counts[(*point, metric.name)]
            figures = [float(part[numbers[point]]) for part in (whole.value, whole.low, whole.high)]
            rows.append((*point, metric.name, *figures, count["measured"], count["missing"]))
        return pd.DataFrame(rows, columns=POINTS)

    def by_step(self, shots: int, baseline: str | None) -> pd.DataFrame:
        """The differences of the primary metric after every number of steps."""
        tables = [
            self.differences(PointParams(shots, steps), baseline, [PRIMARY], []).assign(steps=steps)
            for steps in self.steps
        ]
        return pd.concat(tables, ignore_index=True)

    def differences(
        self,
        place: PointParams,
        baseline: str | None,
        metrics: Sequence[Metric],
        planned: Sequence[str],
    ) -> pd.DataFrame:
        """Each arm against the baseline; Holm's family is all by the `planned` metrics together."""
        if baseline is None:
            return pd.DataFrame(columns=DIFFERENCES)
        arms = [arm for arm in self.arms if arm != baseline]
        tables = [self._against(place, arms, baseline, metric) for metric in metrics]
        table = pd.concat([own for own in tables if len(own)] or tables[:1], ignore_index=True)
        family = table["metric"].isin(planned).to_numpy()
        p_holm = statistics.holm(np.where(family, table["p"].to_numpy(dtype=float), np.nan))
        table = table.assign(p_holm=p_holm)
        for metric, own in table.groupby("metric"):
            found = sensitivity(
                own["error"].to_numpy(), own["freedom"].to_numpy(), int(own["speakers"].max()),
                int(family.sum()), 1 - self.params.confidence,
            )  # fmt: skip
            table.loc[own.index, "detectable"] = found.alone
            table.loc[own.index, "detectable_holm"] = (
                found.corrected if metric in planned else np.nan
            )
        return table.reindex(columns=DIFFERENCES)

    def _against(
        self, place: PointParams, arms: Sequence[str], other: str, metric: Metric
    ) -> pd.DataFrame:
        """Each of `arms` minus `other` on the same utterances, where there is any such pair."""
        sample = self.panel.sample(metric)
        found = {arm: self.panel.find(arm, place.shots, place.steps) for arm in [other, *arms]}
        base = found.pop(other)
        points = {arm: number for arm, number in found.items() if number is not None}
        if base is None or not points:
            return pd.DataFrame(columns=DIFFERENCES)
        chosen = list(points.values())
        values = sample.values[chosen] - sample.values[base]
        weights = None if sample.weights is None else sample.weights[chosen]
        gap = self.interval(values, weights)
        better = self.interval(statistics.improvements(values, metric.lower_is_better), None)
        means = statistics.speaker_means(values, weights)
        effect = effect_size(means, self.params.confidence)
        spread = statistics.spread(values, weights)
        generator = np.random.default_rng(self.params.seed)
        samples = self.params.bootstrap_samples
        table = pd.DataFrame(
            {
                "arm": list(points),
                "baseline": other,
                "metric": metric.name,
                "difference": gap.value,
                "low": gap.low,
                "high": gap.high,
                "effect": effect.value,
                "effect_low": effect.low,
                "effect_high": effect.high,
                "improvement": better.value,
                "improvement_low": np.maximum(better.low, 0),
                "improvement_high": np.minimum(better.high, 1),
                "p": statistics.permutation_test(values, samples, generator, weights),
                "speakers": spread.speakers,
                "error": spread.error,
                "freedom": spread.freedom,
            }
        )
        return table[~np.isnan(gap.value)].reset_index(drop=True)

    def standings(self, place: PointParams) -> list[Standing]:
        """The arms beside each other, by every main metric."""
        stood = [
            stand(metric, *self._beside(place, metric), self.draws, self.params)
            for metric in METRICS
            if metric.main and metric.paired
        ]
        return [standing for standing in stood if standing is not None]

    def verdicts(self, place: PointParams) -> dict[str, Verdict]:
        """Which arm is best, by every metric that any arm has a value of."""
        found = {
            metric.name: judge(
                metric, *self._beside(place, metric), self.draws, self.params.confidence
            )
            for metric in METRICS
            if metric.paired
        }
        return {name: verdict for name, verdict in found.items() if verdict is not None}

    def _beside(self, place: PointParams, metric: Metric) -> tuple[list[str], Sample]:
        """The arms that are measured at a place, and their values there."""
        found = {arm: self.panel.find(arm, place.shots, place.steps) for arm in self.arms}
        points = {arm: number for arm, number in found.items() if number is not None}
        return list(points), self.panel.sample(metric).at(list(points.values()))


def _speaker_means(panel: Panel) -> pd.DataFrame:
    means = {}
    for metric in METRICS:
        sample = panel.sample(metric)
        means[metric.name] = statistics.speaker_means(sample.values, sample.weights)
    numbers = {point: number for number, point in enumerate(panel.points)}
    rows = [
        (point[0], speaker, metric.name, float(means[metric.name][numbers[point], number]))
        for point, metric in panel.measured()
        for number, speaker in enumerate(panel.speakers)
    ]
    return pd.DataFrame(rows, columns=["arm", "speaker", "metric", "value"])


def _baseline(results: Results) -> str | None:
    """The planned baseline; where it has no results, the first arm that has some."""
    planned = results.experiment.report.comparisons.baseline
    candidates = [planned] if planned in results.arms else results.arms
    return candidates[0] if len(results.arms) > 1 else None


def _at(points: pd.DataFrame, zero_step_arms: list[str], place: PointParams) -> pd.DataFrame:
    steps = (points["steps"] == place.steps) | points["arm"].isin(zero_step_arms)
    return points[(points["shots"] == place.shots) & steps].reset_index(drop=True)
