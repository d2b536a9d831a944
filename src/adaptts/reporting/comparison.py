"""The numbers of the report: every arm at every point, with intervals, and against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from adaptts.evaluation import statistics
from adaptts.evaluation.statistics import Array
from adaptts.evaluation.verification import equal_error_rate
from adaptts.params import PointParams, ReportParams
from adaptts.reporting.metrics import BY_NAME, METRICS, PRIMARY, Metric
from adaptts.reporting.results import REFERENCES, Results

Axis = Literal["steps", "shots"]
POINTS = ["arm", "shots", "steps", "metric", "value", "low", "high", "measured", "missing"]
DIFFERENCES = ["arm", "baseline", "metric", "difference", "low", "high", "improvement", "p",
               "p_holm", "speakers"]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """All numbers; every interval has the confidence of the report's parameters."""

    headline: PointParams
    arms: list[str]
    zero_step_arms: list[str]
    points: pd.DataFrame  # columns POINTS; zero-step arms at steps 0 alone
    references: pd.DataFrame  # columns POINTS, at shots = steps = 0
    speakers: pd.DataFrame  # at the headline: arm (or reference), speaker, metric, value
    baseline: str | None  # the arm that the others are compared with; None if it is alone
    differences: pd.DataFrame  # columns DIFFERENCES: arm minus baseline, on the same utterances
    by_step: pd.DataFrame  # the same of the primary metric after every step, in a column steps
    best: dict[str, str]  # metric → the arm with the best value at the headline
    tied: dict[str, set[str]]  # metric → arms whose difference from the best may be nothing

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

    def metrics(self) -> list[Metric]:
        """The metrics that have a value at the headline, of an arm or of a reference."""
        both = pd.concat([self.at_headline(), self.references])
        there = set(both.loc[both["measured"] > 0, "metric"])
        return [metric for metric in METRICS if metric.name in there]

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


@dataclass(frozen=True)
class Sample:
    """One metric's values, [speakers, utterances, seeds], and what each of them weighs."""

    values: Array
    weights: Array | None
    speakers: list[str]

    @property
    def measured_speakers(self) -> int:
        """Speakers that have at least one value."""
        return int((~np.isnan(self.values)).any(axis=(1, 2)).sum())


def compare(results: Results) -> Comparison:
    """Compute all numbers of the report."""
    experiment = results.experiment
    estimator = Estimator(experiment.report)
    headline = experiment.evaluation.headline
    wanted = {(point.shots, point.steps) for point in experiment.evaluation.points}
    wanted |= {(headline.shots, steps) for steps in experiment.adaptation.steps}
    wanted |= {(shots, headline.steps) for shots in experiment.episodes.shots}
    constant = results.measures["arm"].isin(results.zero_step_arms)
    places = pd.MultiIndex.from_frame(results.measures[["shots", "steps"]])
    points = estimator.summarise(results.measures[constant | places.isin(list(wanted))])
    error_rates = _error_rates(results.verification)
    reference = error_rates["arm"].isin(REFERENCES)
    points = pd.concat([points, error_rates[~reference]], ignore_index=True)
    references = estimator.summarise(results.references)
    references = pd.concat([references, error_rates[reference]], ignore_index=True)
    at_headline = results.at(headline.shots, headline.steps)
    baseline = _baseline(results)
    best = best_arms(_at(points, results.zero_step_arms, headline))
    return Comparison(
        headline=headline,
        arms=results.arms,
        zero_step_arms=results.zero_step_arms,
        points=points,
        references=references,
        speakers=_speaker_means(pd.concat([results.references, at_headline])),
        baseline=baseline,
        differences=estimator.differences(at_headline, results.arms, baseline, METRICS),
        by_step=estimator.by_step(results, headline.shots, baseline),
        best=best,
        tied={name: estimator.tied(at_headline, results.arms, name, best[name]) for name in best},
    )


@dataclass(frozen=True)
class Estimator:
    """Estimates with the samples, confidence and seed of the report's parameters."""

    params: ReportParams

    def generator(self) -> np.random.Generator:
        """The same draws for every estimate: what is compared is resampled alike."""
        return np.random.default_rng(self.params.seed)

    def summarise(self, measures: pd.DataFrame) -> pd.DataFrame:
        """Every arm, point and metric of `measures`, with its interval: columns POINTS."""
        rows = []
        for (arm, shots, steps), table in measures.groupby(["arm", "shots", "steps"], sort=False):
            for metric in METRICS:
                own = table.loc[table["metric"] == metric.name, "value"]
                if own.empty:
                    continue
                found = self.interval(_sample(table, metric))
                missing = int(own.isna().sum())
                rows.append((arm, shots, steps, metric.name, found.value, found.low, found.high,
                             len(own) - missing, missing))  # fmt: skip
        return pd.DataFrame(rows, columns=POINTS)

    def interval(self, sample: Sample) -> statistics.Interval:
        """The mean over all places and its interval over speakers."""
        value = statistics.mean(sample.values, sample.weights)
        resampled = statistics.bootstrap(
            sample.values, self.params.bootstrap_samples, self.generator(), sample.weights
        )
        speakers = sample.measured_speakers
        return statistics.interval(value, resampled, self.params.confidence, speakers)

    def difference(
        self, table: pd.DataFrame, arm: str, other: str, metric: Metric
    ) -> tuple[statistics.Comparison, int] | None:
        """`arm` minus `other` on the same utterances, and the number of speakers compared."""
        pair = table[table["arm"].isin([arm, other])]
        a, b = (_sample(pair, metric, of=name) for name in (arm, other))
        both = ~np.isnan(a.values - b.values)
        if not both.any():
            return None
        compared = statistics.compare(
            a.values, b.values, metric.lower_is_better, self.params.bootstrap_samples,
            self.params.confidence, self.generator(), a.weights,
        )  # fmt: skip
        return compared, int(both.any(axis=(1, 2)).sum())

    def by_step(self, results: Results, shots: int, baseline: str | None) -> pd.DataFrame:
        """The differences of the primary metric after every number of steps."""
        tables = [
            self.differences(results.at(shots, steps), results.arms, baseline, [PRIMARY]).assign(
                steps=steps
            )
            for steps in results.experiment.adaptation.steps
        ]
        return pd.concat(tables, ignore_index=True)

    def differences(
        self,
        table: pd.DataFrame,
        arms: list[str],
        baseline: str | None,
        metrics: Sequence[Metric],
    ) -> pd.DataFrame:
        """Each arm against the baseline; Holm's family is the arms, metric by metric."""
        rows = []
        for metric in metrics:
            found = {
                arm: self.difference(table, arm, baseline, metric)
                for arm in arms
                if baseline is not None and arm != baseline
            }
            tested = {arm: pair for arm, pair in found.items() if pair is not None}
            adjusted = statistics.holm(np.array([pair[0].p_value for pair in tested.values()]))
            for (arm, (compared, speakers)), p_holm in zip(tested.items(), adjusted, strict=True):
                gap = compared.difference
                rows.append((arm, baseline, metric.name, gap.value, gap.low, gap.high,
                             compared.improvement.value, compared.p_value, float(p_holm),
                             speakers))  # fmt: skip
        return pd.DataFrame(rows, columns=DIFFERENCES)

    def tied(self, table: pd.DataFrame, arms: list[str], metric: str, best: str) -> set[str]:
        """The arms whose interval of the difference from the best holds 0, or is undefined."""
        tied = set()
        for arm in arms:
            found = None if arm == best else self.difference(table, arm, best, BY_NAME[metric])
            if found is not None and not (
                found[0].difference.low > 0 or found[0].difference.high < 0
            ):
                tied.add(arm)
        return tied


def _sample(table: pd.DataFrame, metric: Metric, of: str | None = None) -> Sample:
    """The values of `metric` in `table`, which holds one point, for the arm `of`.

    The axes are those of the whole table, so that samples of two arms in it are paired.
    """
    parts = metric.ratio or (metric.name,)
    rows = table[table["metric"].isin(parts)]
    speakers, speaker = np.unique(rows["speaker"].to_numpy(dtype=str), return_inverse=True)
    utterance = rows.groupby("speaker")["utterance"].rank("dense").to_numpy(dtype=int) - 1
    seeds, seed = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    shape = (len(speakers), utterance.max(initial=0) + 1, len(seeds))
    own = (rows["arm"] == of).to_numpy() if of else np.ones(len(rows), dtype=bool)
    arrays = []
    for part in parts:
        array = np.full(shape, np.nan)
        chosen = own & (rows["metric"] == part).to_numpy()
        array[speaker[chosen], utterance[chosen], seed[chosen]] = rows["value"].to_numpy()[chosen]
        arrays.append(array)
    if metric.ratio is None:
        return Sample(arrays[0], None, list(speakers))
    errors, total = arrays
    weights = np.where(np.isnan(errors) | np.isnan(total), 0.0, total)
    rates = np.divide(100 * errors, total, out=np.full(shape, np.nan), where=weights > 0)
    return Sample(rates, weights, list(speakers))


def _error_rates(trials: pd.DataFrame) -> pd.DataFrame:
    """The equal error rate of every arm and point, as columns POINTS without intervals."""
    rows = []
    for place, table in trials.groupby(["arm", "shots", "steps"], sort=False):
        same = (table["speaker"] == table["enrolled"]).to_numpy()
        values = table["similarity"].to_numpy(dtype=float)
        if same.any() and not same.all():
            rate = equal_error_rate(values[same], values[~same])
            rows.append((*place, "eer", rate, np.nan, np.nan, int(same.sum()), 0))
    return pd.DataFrame(rows, columns=POINTS)


def _speaker_means(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, measures in table.groupby("arm", sort=False):
        for metric in METRICS:
            sample = _sample(measures, metric)
            for number, speaker in enumerate(sample.speakers):
                weights = None if sample.weights is None else sample.weights[number]
                value = statistics.mean(sample.values[number], weights)
                rows.append((arm, speaker, metric.name, value))
    return pd.DataFrame(rows, columns=["arm", "speaker", "metric", "value"])


def _baseline(results: Results) -> str | None:
    candidates = [*results.arms_of("pretrain_finetune"), *results.arms_of("average"), *results.arms]
    return candidates[0] if len(results.arms) > 1 else None


def _at(points: pd.DataFrame, zero_step_arms: list[str], place: PointParams) -> pd.DataFrame:
    steps = (points["steps"] == place.steps) | points["arm"].isin(zero_step_arms)
    return points[(points["shots"] == place.shots) & steps].reset_index(drop=True)


def best_arms(points: pd.DataFrame) -> dict[str, str]:
    """The arm with the best value of each metric; the first one of equals.

    An arm of which a voice diverged here is never best: what it lacks would flatter it.
    """
    diverged = points[(points["metric"] == PRIMARY.name) & (points["missing"] > 0)]
    points = points[~points["arm"].isin(diverged["arm"])]
    best = {}
    for metric in METRICS:
        found = points[(points["metric"] == metric.name) & points["value"].notna()]
        if metric.paired and not found.empty:
            value = found["value"] if metric.lower_is_better else -found["value"]
            best[metric.name] = str(found["arm"].iloc[int(value.to_numpy().argmin())])
    return best
