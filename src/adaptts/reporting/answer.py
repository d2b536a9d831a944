"""The question's answer in a few sentences, each computed from the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, isnan

from adaptts.evaluation.statistics import LEAST_SPEAKERS, least_p_value
from adaptts.reporting.comparison import Axis, Comparison
from adaptts.reporting.metrics import BY_NAME, PRIMARY, Metric
from adaptts.reporting.results import NATURAL, Results

# Of the metrics by ear, those that stand for sound, for words and for the voice.
HEARD = ("mcd", "wer", "similarity")


@dataclass(frozen=True)
class Answer:
    """One sentence, and what must be said beside it."""

    verdict: str
    details: list[str]


def answer(results: Results, comparison: Comparison) -> Answer:
    """Say which arm is best at the headline, or that this is a tie."""
    details = [
        _gain(results, comparison),
        *[_heard(comparison, BY_NAME[name]) for name in HEARD],
        _leaders(comparison, "steps"),
        _leaders(comparison, "shots"),
        *_power(results, comparison),
    ]
    absent = [arm for arm in results.experiment.arms if arm not in comparison.arms]
    without = f" There are no results of {listed(absent)}." if absent else ""
    return Answer(_verdict(comparison) + without, [sentence for sentence in details if sentence])


def counted(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], word: str = "and") -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def _verdict(comparison: Comparison) -> str:
    place = (
        f"With {counted(comparison.headline.shots, 'utterance')} and "
        f"{counted(comparison.headline.steps, 'adaptation step')}"
    )
    best = comparison.best.get(PRIMARY.name)
    if best is None:
        return f"{place}, nothing was measured, so there is no answer."
    reached = f"a mel distortion of {_with_interval(comparison, best, PRIMARY)}"
    others = [arm for arm in comparison.arms
              if arm != best and not isnan(comparison.value(arm, PRIMARY.name))]  # fmt: skip
    tied = [arm for arm in others if arm in comparison.tied[PRIMARY.name]]
    rest = [arm for arm in others if arm not in tied]
    if not others:
        return f"{place}, {best} reaches {reached}; there is no other arm to compare it with."
    if not tied:
        return f"{place}, {best} is best: {reached}, less than every other arm."
    if not rest:
        return f"{place}, it is a tie: {best} has {reached}, but no arm is told apart from it."
    return (
        f"{place}, it is a tie between {listed([best, *tied])}. {best} has the lowest mean, "
        f"{reached}, but may differ from the others by chance; it is better than {listed(rest)}."
    )


def _with_interval(comparison: Comparison, arm: str, metric: Metric) -> str:
    low, high = comparison.interval(arm, metric.name)
    bounds = "" if isnan(low) else f" ({metric.text(low)} to {metric.text(high)})"
    return metric.with_unit(comparison.value(arm, metric.name)) + bounds


def _gain(results: Results, comparison: Comparison) -> str:
    floors = [arm for arm in results.arms_of("average") if arm != comparison.best.get(PRIMARY.name)]
    if not floors or PRIMARY.name not in comparison.best:
        return ""
    value = comparison.value(floors[0], PRIMARY.name)
    if isnan(value):
        return ""
    return f"Without any adaptation ({floors[0]}, the floor) it is {PRIMARY.with_unit(value)}."


def _heard(comparison: Comparison, metric: Metric) -> str:
    """Which arm is best by another metric, unless it is not measured."""
    best = comparison.best.get(metric.name)
    if best is None or len(comparison.arms) == 1:
        return ""
    tied = [arm for arm in comparison.arms if arm in comparison.tied[metric.name]]
    natural = comparison.value(NATURAL, metric.name)
    beside = "" if isnan(natural) else f"; recordings: {metric.with_unit(natural)}"
    told = f"not told apart from {listed(tied, 'or')}" if tied else "better than every other arm"
    return (f"{metric.title}: {best} {_with_interval(comparison, best, metric)}, "
            f"{told}{beside}.")  # fmt: skip


def _leaders(comparison: Comparison, axis: Axis) -> str:
    """Who has the lowest mel distortion where along an axis."""
    table = comparison.along(axis)
    table = table[(table["metric"] == PRIMARY.name) & table["value"].notna()]
    if table[axis].nunique() < 2 or len(comparison.arms) < 2:
        return ""
    lowest = table.loc[table.groupby(axis)["value"].idxmin()].sort_values(axis)
    stretches = []
    for arm, rows in groupby(lowest[["arm", axis]].itertuples(index=False), key=lambda row: row[0]):
        places = [row[1] for row in rows]
        reach = f"{places[0]}" if len(places) == 1 else f"{places[0]} to {places[-1]}"
        stretches.append(f"{arm} at {reach} {axis if places[-1] != 1 else axis[:-1]}")
    return (
        f"Lowest mel distortion along {axis} (ties are not weighed here): {'; '.join(stretches)}."
    )


def _power(results: Results, comparison: Comparison) -> list[str]:
    """What could have been found; and where the test cannot reach significance at all."""
    own = comparison.differences[comparison.differences["metric"] == PRIMARY.name]
    if own.empty:
        return []
    speakers = int(own["speakers"].max())
    alpha = 1 - comparison.confidence
    said = []
    typical = float(own["detectable"].median())
    if isfinite(typical):
        said.append(
            f"With {counted(speakers, f'test {results.unit}')} the smallest detectable difference "
            f"from {comparison.baseline} is {PRIMARY.with_unit(typical)} of mel distortion: a "
            f"single test at {alpha:.2g} finds it four times in five (median over the arms)."
        )
    family = int(comparison.differences["p_holm"].notna().sum())
    least = least_p_value(speakers)
    adjusted = min(1.0, least * family)
    if adjusted > alpha:
        said.append(
            f"With {counted(speakers, f'test {results.unit}')} the permutation test cannot give a "
            f"p-value below {least:.2g}, nor below {adjusted:.2g} after Holm's correction for "
            f"{counted(family, 'comparison')}: here "
            + (
                "nothing can tell arms apart."
                if speakers < LEAST_SPEAKERS
                else "only the intervals can tell arms apart."
            )
        )
    return said
