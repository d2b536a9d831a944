"""The question's answer in a few sentences, each computed from the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, isnan

from adaptts.evaluation.statistics import LEAST_SPEAKERS, least_p_value
from adaptts.reporting.comparison import Axis, Comparison
from adaptts.reporting.metrics import BY_NAME, PRIMARY, Metric
from adaptts.reporting.results import NATURAL, Results
from adaptts.reporting.verdicts import Verdict

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
    verdict = _verdict(results, comparison) + without
    return Answer(verdict, [sentence for sentence in details if sentence])


def counted(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], word: str = "and") -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def _verdict(results: Results, comparison: Comparison) -> str:
    place = (
        f"With {counted(comparison.headline.shots, 'utterance')} and "
        f"{counted(comparison.headline.steps, 'adaptation step')}"
    )
    verdict = comparison.verdicts.get(PRIMARY.name)
    if verdict is None:
        return f"{place}, nothing was measured, so there is no answer."
    left_out = _lacking(verdict)
    if verdict.best is None:
        return f"{place}, there is no best arm: {left_out}."
    reached = f"a mel distortion of {_with_interval(comparison, verdict.best, PRIMARY)}"
    after = f" M{left_out[1:]}." if left_out else ""
    return f"{place}, {_ordered(results, comparison, verdict, reached)}{after}"


def _ordered(results: Results, comparison: Comparison, verdict: Verdict, reached: str) -> str:
    """The best arm, those that are not told apart from it, and those that it is better than."""
    best = verdict.best or ""
    tied, worse = ([arm for arm in comparison.arms if arm in some]
                   for some in (verdict.tied, verdict.worse))  # fmt: skip
    all_pairs = _together(verdict, comparison.confidence)
    if not verdict.pairs:
        return f"{best} reaches {reached}; there is no other arm to compare it with."
    if not tied and not worse:
        return (
            f"{best} has the best mean, {reached}, but whether that is chance cannot be told"
            f"{_too_few(results)}."
        )
    if not tied:
        whom = "every other arm" if len(worse) == verdict.others else listed(worse)
        return f"{best} is best: {reached}, less than {whom}{all_pairs}."
    if not worse:
        return (
            f"it is a tie: {best} has the best mean, {reached}, but is not told apart from "
            f"{'any other arm' if len(tied) == verdict.others else listed(tied, 'or')}{all_pairs}."
        )
    return (
        f"it is a tie between {listed([best, *tied])}. {best} has the best mean, {reached}, but "
        f"may differ from the others by chance; it is better than {listed(worse)}{all_pairs}."
    )


def _together(verdict: Verdict, confidence: float) -> str:
    """That what is said holds for all pairs of arms at once, where there are several."""
    if verdict.pairs < 2:
        return ""
    return f" (at {confidence:.0%}, for all {verdict.pairs} pairs of arms together)"


def _too_few(results: Results) -> str:
    speakers = len(results.test_speakers)
    few = speakers < LEAST_SPEAKERS
    return f" with {counted(speakers, f'test {results.unit}')}" if few else ""


def _lacking(verdict: Verdict) -> str:
    """Which arms lack how much, "" if none does."""
    if not verdict.lacking:
        return ""
    gaps = [f"{arm} ({count} of {verdict.of})" for arm, count in verdict.lacking.items()]
    return f"missing values keep {listed(gaps)} from being best"


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
    verdict = comparison.verdicts.get(metric.name)
    if verdict is None or len(comparison.arms) == 1:
        return ""
    natural = comparison.value(NATURAL, metric.name)
    parts = [
        _best_by(comparison, metric, verdict),
        _lacking(verdict),
        "" if isnan(natural) else f"recordings: {metric.with_unit(natural)}",
    ]
    return f"{metric.title}: {'; '.join(part for part in parts if part)}."


def _best_by(comparison: Comparison, metric: Metric, verdict: Verdict) -> str:
    if verdict.best is None:
        return "there is no best arm"
    tied, worse = ([arm for arm in comparison.arms if arm in some]
                   for some in (verdict.tied, verdict.worse))  # fmt: skip
    if len(tied) == verdict.others > 0:
        told = ", not told apart from any other arm"
    elif 0 < len(worse) < len(tied) == verdict.others - len(worse):
        told = f", better than {listed(worse)}, not told apart from the rest"
    elif tied:
        told = f", not told apart from {listed(tied, 'or')}"
    elif len(worse) == verdict.others > 0:
        told = ", better than every other arm"
    else:
        told = ""
    return f"{verdict.best} {_with_interval(comparison, verdict.best, metric)}{told}"


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
