"""Checks that any sound comparison passes; what fails is flagged, with its numbers."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from adaptts.evaluation.statistics import LEAST_SPEAKERS
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.costs import summarise
from adaptts.reporting.metrics import PRIMARY, Metric
from adaptts.reporting.results import COPY_SYNTHESIS, NATURAL, Results

Outcome = Literal["pass", "flag", "skipped"]
COLUMNS = ["check", "outcome", "finding"]
EDGE = 0.02  # share of the space, on its log scale, that counts as its edge
BUDGET_TOLERANCE = 0.01  # a strategy's budget is whole steps: the last one may not fit
MISTAKEN = 50.0  # percent of the recordings' words
# Both say the same with the same weights; what is left is rounding to float16.
SAME_DB = 1e-6


@dataclass(frozen=True)
class Check:
    """A question, how it came out, and the numbers behind that."""

    check: str
    outcome: Outcome
    finding: str


def examine(results: Results, comparison: Comparison) -> list[Check]:
    """All checks, in the order of the page."""
    metrics = comparison.metrics(main=True)
    return [
        _whole(results),
        _missing(results),
        _enough(results),
        _understood(results, comparison),
        *[check for metric in metrics for check in _bounds(results, comparison, metric)],
        _falling(results, comparison, "steps"),
        _falling(results, comparison, "shots"),
        _seeds(results, comparison),
        _same_start(results),
        _budgets(results),
        _trials(results),
        _edges(results),
    ]


def tabulate(checks: list[Check]) -> pd.DataFrame:
    """The checks as a table, columns COLUMNS."""
    return pd.DataFrame([vars(check) for check in checks], columns=COLUMNS)


def _check(check: str, passed: bool, finding: str) -> Check:
    return Check(check, "pass" if passed else "flag", finding)


def _whole(results: Results) -> Check:
    name = f"Every arm measured every {results.unit}, sentence and seed at the headline"
    point = results.experiment.evaluation.headline
    table = results.at(point.shots, point.steps)
    table = table[(table["metric"] == PRIMARY.name) & table["value"].notna()]
    test, seeds = results.test_speakers, results.experiment.seeds
    expected = len(test) * results.experiment.episodes.queries * len(seeds)
    counts = {arm: int((table["arm"] == arm).sum()) for arm in results.experiment.arms}
    short = {arm: count for arm, count in counts.items() if count != expected}
    if short:
        return Check(name, "flag", f"Expected {expected} values, found {_listed(short)}.")
    return Check(name, "pass", f"{expected} values of each of {len(counts)} arms.")


def _missing(results: Results) -> Check:
    name = "No value is missing"
    every = pd.concat([results.measures, results.references])
    gone = every[every["value"].isna()]
    if gone.empty:
        return Check(name, "pass", f"{len(every)} values.")
    reasons = gone.groupby(["metric", "note"]).size().sort_values(ascending=False, kind="stable")
    listed = "; ".join(
        f"{metric}: {count} ({note or 'no reason given'})"
        for (metric, note), count in reasons.head(6).items()
    )
    rest = f"; and {len(reasons) - 6} more reasons" if len(reasons) > 6 else ""
    return Check(name, "flag", f"{len(gone)} of {len(every)} values are missing. {listed}{rest}.")


def _enough(results: Results) -> Check:
    unit, tested = results.unit, len(results.test_speakers)
    name = f"There are enough test {unit}s to tell a difference from chance"
    return _check(name, tested >= LEAST_SPEAKERS, f"{tested}, of {LEAST_SPEAKERS} at least.")


def _understood(results: Results, comparison: Comparison) -> Check:
    """A recogniser that does not understand people tells nothing of copies of them."""
    name = "The recogniser understands most words of the recordings"
    error = comparison.value(NATURAL, "wer")
    if np.isnan(error):
        return Check(name, "skipped", "No word errors of the recordings are known.")
    recogniser = results.experiment.evaluation.recognisers[0]
    text = f"{recogniser} mistakes {error:.1f}% of them"
    if error > MISTAKEN:
        return Check(name, "flag", f"{text}: by its error rates no arm can be judged.")
    return Check(name, "pass", f"{text}.")


def _bounds(results: Results, comparison: Comparison, metric: Metric) -> list[Check]:
    """Recordings, the vocoder and the average voice bound what adapted voices can be."""
    title = metric.title
    adapted = [arm for arm in comparison.arms if arm not in comparison.zero_step_arms]
    orders = {
        f"{title}: copy_synthesis is no better than natural": [(NATURAL, COPY_SYNTHESIS)],
        f"{title}: no arm is better than copy_synthesis": [
            (COPY_SYNTHESIS, arm) for arm in comparison.arms
        ],
        f"{title}: no adapted arm is worse than the average voice": [
            (arm, floor) for floor in results.arms_of("average")[:1] for arm in adapted
        ],
    }
    checks = []
    for name, pairs in orders.items():
        known = [pair for pair in pairs if _measured(comparison, metric, pair)]
        if known:
            checks.append(_ordered(comparison, metric, name, known))
    return checks


def _measured(comparison: Comparison, metric: Metric, arms: Iterable[str]) -> bool:
    return not any(np.isnan(comparison.value(arm, metric.name)) for arm in arms)


def _ordered(
    comparison: Comparison, metric: Metric, name: str, pairs: list[tuple[str, str]]
) -> Check:
    """Whether the first of each pair is no worse than the second, but for what intervals allow."""
    wrong = [pair for pair in pairs if not _no_worse(comparison, metric, *pair)]
    breaches = [pair for pair in wrong if not _overlap(comparison, metric, *pair)]
    shown = dict.fromkeys(arm for pair in (breaches or pairs) for arm in pair)
    text = _listed({arm: comparison.value(arm, metric.name) for arm in shown}, metric.with_unit)
    excuse = "; the intervals overlap" if wrong and not breaches else ""
    return _check(name, not breaches, f"{text}{excuse}.")


def _no_worse(comparison: Comparison, metric: Metric, arm: str, other: str) -> bool:
    gap = comparison.value(arm, metric.name) - comparison.value(other, metric.name)
    return gap <= 0 if metric.lower_is_better else gap >= 0


def _overlap(comparison: Comparison, metric: Metric, arm: str, other: str) -> bool:
    (low, high), (other_low, other_high) = (
        comparison.interval(each, metric.name) for each in (arm, other)
    )
    return low <= other_high and other_low <= high


def _falling(results: Results, comparison: Comparison, axis: Literal["steps", "shots"]) -> Check:
    """More adaptation and more material should not hurt, up to the headline."""
    name = f"{PRIMARY.title} falls with {axis}, up to the headline"
    table = comparison.along(axis)
    table = table[(table["metric"] == PRIMARY.name) & table["value"].notna()]
    until = getattr(comparison.headline, axis)
    falls, rises = {}, {}
    for arm in comparison.arms:
        line = table[(table["arm"] == arm) & (table[axis] <= until)].sort_values(axis)
        if arm in comparison.zero_step_arms or len(line) < 2:
            continue
        gain = float(line["value"].iloc[0] - line["value"].iloc[-1])
        (falls if gain > 0 else rises)[arm] = gain
    if not falls and not rises:
        return Check(name, "skipped", f"There are no two {axis} to compare.")
    found = rises or falls
    return _check(name, not rises, f"Fall in {PRIMARY.unit}: {_listed(found, PRIMARY.text)}.")


def _seeds(results: Results, comparison: Comparison) -> Check:
    """Seeds that disagree more than the arms differ make the order of the arms an accident."""
    name = "Seeds agree: they differ less than the best arm from the floor"
    point = results.experiment.evaluation.headline
    table = results.at(point.shots, point.steps)
    table = table[table["metric"] == PRIMARY.name]
    means = table.pivot_table("value", "arm", "seed")
    floors = results.arms_of("average")
    if means.shape[1] < 2:
        return Check(name, "skipped", "There is one seed only: nothing tells how seeds differ.")
    if not floors or PRIMARY.name not in comparison.best:
        return Check(name, "skipped", "There is no average arm to serve as the floor.")
    best = comparison.best[PRIMARY.name]
    gap = comparison.value(floors[0], PRIMARY.name) - comparison.value(best, PRIMARY.name)
    spread = (means.max(axis=1) - means.min(axis=1)).reindex(comparison.arms)
    text = (f"Range over seeds in {PRIMARY.unit}: {_listed(spread.to_dict(), PRIMARY.text)}; "
            f"{best} gains {PRIMARY.text(gap)} on {floors[0]}.")  # fmt: skip
    return _check(name, bool(spread.max() < gap), text)


def _same_start(results: Results) -> Check:
    """The floor is fine-tuning that has not begun: the same training, the same voice."""
    name = "Before the first step, average and pretrain_finetune say the same"
    pairs = [
        (floor, tuned)
        for floor in results.arms_of("average")
        for tuned in results.arms_of("pretrain_finetune")
        if results.start_of(floor) == results.start_of(tuned)
    ]
    if not pairs:
        return Check(name, "skipped", "There are no two such arms with the same start.")
    key = ["speaker", "seed", "shots", "utterance"]
    start = results.measures[
        (results.measures["steps"] == 0) & (results.measures["metric"] == PRIMARY.name)
    ]
    a, b = (start[start["arm"] == arm].set_index(key)["value"] for arm in pairs[0])
    gap = (a - b).abs().dropna()
    if gap.empty:
        return Check(name, "skipped", "They have no measure in common.")
    text = f"Largest difference over {len(gap)} utterances: {gap.max():.2g} {PRIMARY.unit}."
    return _check(name, bool(gap.max() <= SAME_DB), text)


def _budgets(results: Results) -> Check:
    name = f"Training budgets, trunk included, are equal within {BUDGET_TOLERANCE:.0%}"
    table = summarise(results).set_index("arm")["total_utterance_gradients"].dropna()
    if table.empty:
        return Check(name, "skipped", "There is no cost.json of any training.")
    apart = float(table.max() / table.min() - 1)
    text = f"Utterance-gradients: {_listed(table.to_dict(), lambda value: f'{value:.0f}')}"
    return _check(name, apart <= BUDGET_TOLERANCE, f"{text}; {100 * apart:.1f}% apart.")


def _trials(results: Results) -> Check:
    name = "Every arm that takes steps was tuned by as many trials"
    counts = results.trials.groupby("arm").size()
    counts = {
        arm: int(counts.get(arm, 0)) for arm in results.arms if arm not in results.zero_step_arms
    }
    if not counts:
        return Check(name, "skipped", "No arm takes gradient steps.")
    return _check(name, len(set(counts.values())) == 1, f"Trials: {_listed(counts)}.")


def _edges(results: Results) -> Check:
    """A best step size at the end of what may be tried could have a better one beyond."""
    name = "The chosen step sizes lie inside the space that was searched"
    chosen = results.trials[results.trials["chosen"].astype(bool)]
    edges, inside = {}, {}
    for trial in chosen.to_dict("records"):
        place = math.log(trial["step_size"] / trial["least"])
        place /= math.log(trial["largest"] / trial["least"]) or 1
        at_edge = not EDGE <= place <= 1 - EDGE
        whose = f"{trial['arm']} in {trial['fold']}" if "fold" in trial else trial["arm"]
        (edges if at_edge else inside)[whose] = f"{trial['rule']} {trial['step_size']:.2g}"
    if chosen.empty:
        return Check(name, "skipped", "There are no trials.")
    if edges:
        return Check(name, "flag", f"At the edge: {_listed(edges)}.")
    return Check(name, "pass", f"Chosen: {_listed(inside)}.")


def _listed(values: dict, text: Callable = str) -> str:
    return ", ".join(f"{name} {text(value)}" for name, value in values.items())
