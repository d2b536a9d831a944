"""What to do with a new voice: how many steps to a quality, what is worth its cost, which arm and
stopping step for a budget.

A reader's choice for a budget is made on the validation speakers; how it does on the test speakers
stands beside it, and is no flattery. What is worth its cost, and how many steps a quality takes,
describe the test speakers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan

import numpy as np
import pandas as pd

from adaptts.reporting.comparison import Comparison, Estimator
from adaptts.reporting.metrics import BY_NAME, PRIMARY, Metric
from adaptts.reporting.panel import Panel
from adaptts.reporting.results import Results

# speech and compute: the seconds of the new voice, and of adapting to it. validation: distortion
# in dB of the validation speakers, with the first seed; value, low, high: of the test speakers.
OPTIONS = ["arm", "shots", "steps", "speech", "compute", "validation", "value", "low", "high"]
# steps, low, high: whole ones; infinite where not within the last measured, NaN without interval.
REACHED = ["arm", "shots", "threshold", "steps", "low", "high"]
ROUND_DB = 0.5  # thresholds of distortion are multiples of it
ROUND_THRESHOLDS = 4
SIMILARITY = BY_NAME["similarity"]
FRONT = ["arm", "shots", "steps", "quality", "similarity", "compute", "front"]
# Times of adaptation differ by so much from one run to the next.
CLOCK = 1.1
ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Decision:
    """The aids of a report."""

    options: pd.DataFrame  # columns OPTIONS; every arm, shots and steps that validation knows
    reached: pd.DataFrame  # columns REACHED
    thresholds: list[float]  # dB
    last_step: int
    quality: Metric  # of the front
    front: pd.DataFrame  # columns FRONT; front: whether nothing is better at all and worse at none

    def recommend(self, speech: float, compute: float) -> pd.Series | None:
        """The option with the least distortion of the validation speakers within both budgets, in
        seconds; of equals the cheapest. None if there is none.
        """
        spent = self.options[["speech", "compute"]].to_numpy()
        # A budget that is spent to the last is met in spite of rounding.
        affordable = self.options[(spent <= np.array([speech, compute]) * ROUNDING).all(axis=1)]
        order = affordable.sort_values(["validation", "compute", "speech"], kind="stable")
        return order.iloc[0] if len(order) else None


def decide(results: Results, comparison: Comparison) -> Decision:
    """Compute the aids; tables are empty where what they need was not measured."""
    rates = _seconds_per_step(results)
    primary = results.measures[results.measures["metric"] == PRIMARY.name]
    summary = pd.DataFrame(columns=["arm", "shots", "steps", "value", "low", "high"])
    resampled = np.empty((0, 0))
    if len(primary):
        estimator = Estimator.of(Panel.lay(primary), results)
        summary, resampled = estimator.summarise(), estimator.widened(PRIMARY)
    thresholds = _thresholds(summary, comparison)
    quality, front = _front(comparison, rates)
    return Decision(
        _options(results, summary, rates),
        steps_to_reach(summary, thresholds, resampled, comparison.confidence),
        thresholds,
        max(results.experiment.adaptation.steps),
        quality,
        front,
    )


def steps_to_reach(
    summary: pd.DataFrame, thresholds: Sequence[float], resampled: np.ndarray, confidence: float
) -> pd.DataFrame:
    """After how many whole steps the mean distortion of each arm and shots first is at a threshold.

    summary: columns arm, shots, steps, value. Between measured steps the curve is taken to be
    straight. resampled [samples, rows of summary]: values that the same bootstrap gives, widened as
    intervals are; NaN gives no interval. Columns REACHED.
    """
    level = (1 + confidence) / 2
    rows = []
    summary = summary.reset_index(drop=True)
    for (arm, shots), curve in summary.dropna(subset=["value"]).groupby(
        ["arm", "shots"], sort=False
    ):
        curve = curve.sort_values("steps")
        steps, values = (curve[name].to_numpy(dtype=float) for name in ("steps", "value"))
        drawn = resampled[:, curve.index]
        for threshold in thresholds:
            crossing = _crossings(steps, values[None], threshold)[0]
            ends = [np.nan, np.nan]
            if np.isfinite(drawn).all():
                found = _crossings(steps, drawn, threshold)
                # Not between two: one of them may be infinite.
                ends = np.quantile(found, [1 - level, level], method="inverted_cdf")
            rows.append((arm, shots, threshold, crossing, *ends))
    return pd.DataFrame(rows, columns=REACHED)


def _crossings(steps: np.ndarray, curves: np.ndarray, threshold: float) -> np.ndarray:
    """The first whole step at which each of `curves` [curves, steps] is at most the threshold."""
    below = curves <= threshold
    after = below.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    high, low = (np.take_along_axis(curves, at[:, None], 1)[:, 0] for at in (before, after))
    share = np.divide(high - threshold, high - low, out=np.zeros(len(curves)), where=high > low)
    crossing = steps[before] + share * (steps[after] - steps[before])
    return np.where(below.any(axis=1), np.ceil(crossing / ROUNDING), np.inf)


def _thresholds(summary: pd.DataFrame, comparison: Comparison) -> list[float]:
    """What the baseline has at the headline, and the lowest round values that an arm reaches."""
    at_shots = summary[summary["shots"] == comparison.headline.shots]
    values = at_shots["value"].dropna()
    if values.empty:
        return []
    first = ceil(values.min() / ROUND_DB)
    rounded = [ROUND_DB * (first + number) for number in range(ROUND_THRESHOLDS)]
    rounded = [value for value in rounded if value <= values.max()]
    baseline = comparison.value(comparison.baseline or "", PRIMARY.name)
    return sorted({*rounded, *([] if isnan(baseline) else [baseline])})


def _seconds_per_step(results: Results) -> dict[tuple[str, int], float]:
    """Seconds of a step of adaptation, by arm and shots; nothing for arms that take none."""
    runs = [
        (cost["arm"], run["shots"], run["adaptation_seconds"], run["steps"])
        for cost in results.voice_costs.to_dict("records")
        for run in cost.get("runs", [])
    ]
    table = pd.DataFrame(runs, columns=["arm", "shots", "seconds", "steps"])
    sums = table.groupby(["arm", "shots"])[["seconds", "steps"]].sum()
    sums = sums[sums["steps"] > 0]
    rates = (sums["seconds"] / sums["steps"]).reset_index(name="rate")
    return {(str(arm), int(shots)): float(rate) for arm, shots, rate in rates.to_numpy()}


def _compute(rates: dict[tuple[str, int], float], arm: str, shots: int, steps: int) -> float:
    return 0.0 if steps == 0 else steps * rates.get((arm, shots), np.nan)


def _options(
    results: Results, summary: pd.DataFrame, rates: dict[tuple[str, int], float]
) -> pd.DataFrame:
    found = summary.set_index(["arm", "shots", "steps"])[["value", "low", "high"]]
    tested = {key: tuple(row) for key, row in zip(found.index, found.to_numpy(), strict=True)}
    first = results.validation[results.validation["seed"] == results.experiment.seeds[0]]
    rows = []
    for row in first.dropna(subset=["distortion"]).to_dict("records"):
        place = (str(row["arm"]), int(row["shots"]), int(row["steps"]))
        speech, compute = place[1] * results.utterance_seconds, _compute(rates, *place)
        if np.isfinite([speech, compute]).all():
            figures = tested.get(place, (np.nan, np.nan, np.nan))
            rows.append((*place, speech, compute, row["distortion"], *figures))
    return pd.DataFrame(rows, columns=OPTIONS)


def _front(
    comparison: Comparison, rates: dict[tuple[str, int], float]
) -> tuple[Metric, pd.DataFrame]:
    """Every point that was heard: quality (MCD, else the primary metric), similarity, cost."""
    points = comparison.points
    quality = BY_NAME["mcd"] if (points["metric"] == "mcd").any() else PRIMARY
    place = ["arm", "shots", "steps"]
    own = points[points["metric"].isin([quality.name, SIMILARITY.name])]
    wide = own.pivot_table("value", place, "metric", sort=False).reset_index()
    if not {quality.name, SIMILARITY.name} <= set(wide.columns):
        return quality, pd.DataFrame(columns=FRONT)
    wide = wide.rename(columns={quality.name: "quality"}).dropna(subset=["quality", "similarity"])
    wide["compute"] = [_compute(rates, *row) for row in wide[place].itertuples(index=False)]
    wide = wide.dropna(subset=["compute"]).reset_index(drop=True)
    return quality, wide.assign(front=not_dominated(wide))[FRONT]


def not_dominated(table: pd.DataFrame) -> list[bool]:
    """Which rows no other row beats: at least as good in quality (an error), similarity, compute
    and shots, and better in one of them. Compute within a tenth is equal.
    """
    quality, similarity, compute, shots = (
        table[name].to_numpy(dtype=float) for name in ("quality", "similarity", "compute", "shots")
    )
    front = []
    for number in range(len(table)):
        no_worse = (
            (quality <= quality[number])
            & (similarity >= similarity[number])
            & (compute <= CLOCK * compute[number])
            & (shots <= shots[number])
        )
        better = (
            (quality < quality[number])
            | (similarity > similarity[number])
            | (CLOCK * compute < compute[number])
            | (shots < shots[number])
        )
        front.append(not bool((no_worse & better).any()))
    return front


def budgets(decision: Decision) -> list[tuple[float, float]]:
    """Budgets to show without a reader: each amount of speech with little and with much compute."""
    speech = sorted(decision.options["speech"].unique())
    compute = decision.options.loc[decision.options["compute"] > 0, "compute"]
    if compute.empty:
        return [(seconds, 0.0) for seconds in speech]
    levels = [0.0, *(_rounded_up(compute.quantile(share)) for share in (0.25, 0.75)),
              _rounded_up(compute.max())]  # fmt: skip
    return [(seconds, level) for seconds in speech for level in sorted(set(levels))]


def _rounded_up(seconds: float) -> float:
    """To one significant digit, so that what it was made from is affordable."""
    unit = 10.0 ** np.floor(np.log10(seconds))
    return float(np.ceil(seconds / unit - 1e-9) * unit)
