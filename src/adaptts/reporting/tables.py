"""The report's tables: one description of each, to be written as HTML, Markdown and text."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from adaptts.reporting.answer import counted
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.metrics import BY_NAME, PRIMARY, Metric
from adaptts.reporting.results import REFERENCES, Results
from adaptts.reporting.sanity import Check

# best of its column, not told apart from the best, a difference that is not nothing; a check's
# outcome.
Mark = Literal["", "best", "tie", "apart", "pass", "flag", "skipped"]
MARKS: Mapping[str, Mark] = {"best": "best", "tied": "tie", "": ""}
DASH = "–"
RULES = {"adam": "Adam", "sgd": "SGD", "preconditioned_sgd": "precond. SGD",
         "learned": "learned rates ×"}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    title: str
    unit: str = ""
    note: str = ""  # a longer explanation
    metric: str = ""  # whose values stand below, if they are those of one


@dataclass(frozen=True)
class Cell:
    """A figure, and smaller lines below it."""

    text: str
    lines: Sequence[str] = ()
    mark: Mark = ""
    warning: str = ""
    value: float = float("nan")  # what the text says, to sort by


@dataclass(frozen=True)
class Row:
    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Group:
    """Rows that belong together."""

    title: str
    rows: Sequence[Row]
    fixed: bool = False  # stays where it is when the others are sorted


@dataclass(frozen=True)
class Grid:
    """A table. Its first column holds the rows' names."""

    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group]
    kind: Literal["", "prose"] = ""  # prose wraps and is set flush left
    name: str = ""  # of its files, and on the page

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]


@dataclass(frozen=True)
class _Standings:
    """Looks up the figures of the headline table."""

    comparison: Comparison
    table: pd.DataFrame = field(repr=False)  # indexed by arm and metric

    def cell(self, arm: str, metric: Metric) -> Cell:
        if (arm, metric.name) not in self.table.index:
            return Cell(DASH)
        found = self.table.loc[(arm, metric.name)]
        lines = [] if np.isnan(found["low"]) else [span(metric.text, found["low"], found["high"])]
        missing = f"{found['missing']:.0f} missing" if found["missing"] else ""
        mark = MARKS[self.comparison.mark(arm, metric.name)]
        return Cell(metric.text(found["value"]), lines, mark, missing, found["value"])


def headline(
    results: Results,
    comparison: Comparison,
    metrics: Sequence[Metric] | None = None,
    speaker: str | None = None,
) -> Grid:
    """Every arm and metric at the headline, references apart; absent arms with dashes.

    metrics: the columns, the main ones that are measured if left out; speaker: whose means these
    are, if not everybody's.
    """
    point = comparison.headline
    metrics = comparison.metrics(main=True) if metrics is None else metrics
    both = pd.concat([comparison.references, comparison.at_headline()])
    standings = _Standings(comparison, both.set_index(["arm", "metric"]))
    references = [name for name in REFERENCES if name in set(comparison.references["arm"])]
    absent = [arm for arm in results.experiment.arms if arm not in comparison.arms]
    stepping = [arm for arm in comparison.arms if arm not in comparison.zero_step_arms]
    groups = {
        "Ceilings: recordings, and recordings through the vocoder": references,
        "No gradient steps": comparison.zero_step_arms,
        "Adapted by gradient steps": stepping,
        "Without results": absent,
    }
    confidence = results.experiment.report.confidence
    told = both["low"].notna().any()
    what = f"Means and {confidence:.0%} intervals" if told else "Means"
    if speaker:
        what = f"Means of {speaker}"
    return Grid(
        f"{what} with {counted(point.shots, 'shot')}, after {counted(point.steps, 'step')}",
        [Column("Arm"), *[_metric_column(metric) for metric in metrics]],
        [
            Group(title, [Row(arm, [standings.cell(arm, metric) for metric in metrics])
                          for arm in arms], fixed=arms is references)
            for title, arms in groups.items()
            if arms
        ],
        name="headline",
    )  # fmt: skip


def differences(
    comparison: Comparison,
    metrics: Sequence[Metric] | None = None,
    speaker: str | None = None,
) -> Grid:
    """Every arm minus the baseline, with intervals and Holm-adjusted p-values.

    metrics: the columns, as for `headline`; those that are not compared are left out; speaker: as
    for `headline`.
    """
    found = {(row["arm"], row["metric"]): row for row in comparison.differences.to_dict("records")}
    compared = set(comparison.differences["metric"])
    of = f" of {speaker}" if speaker else ""
    wanted = comparison.metrics(main=True) if metrics is None else metrics
    metrics = [metric for metric in wanted if metric.name in compared]

    def cell(arm: str, metric: Metric) -> Cell:
        row = found.get((arm, metric.name))
        if row is None:
            return Cell(DASH)
        tested = [] if np.isnan(row["p"]) else [_p_value(row), *_effect(row)]
        return _difference(metric, row, *tested)

    return Grid(
        f"Paired differences: each arm minus {comparison.baseline}, on the same utterances{of}",
        [Column("Arm"), *[_metric_column(metric) for metric in metrics]],
        [
            Group(
                "",
                [
                    Row(arm, [cell(arm, metric) for metric in metrics])
                    for arm in comparison.arms
                    if arm != comparison.baseline
                ],
            )
        ],
        name="differences",
    )


def voice(results: Results, comparison: Comparison) -> Grid:
    """The metrics that the headline leaves out."""
    grid = headline(results, comparison, comparison.metrics(main=False))
    return replace(grid, caption=f"Voice and prosody. {grid.caption}", name="voice")


def missing(found: pd.DataFrame) -> Grid:
    """What `missing.tabulate` has found."""
    rows = [
        (
            str(row["arm"]),
            str(row["metric"]),
            str(row["reason"]),
            f"{row['missing']} of {row['of']}",
        )
        for row in found.to_dict("records")
    ]
    caption = "Missing values, at all points: counted here, left out of every mean"
    return pairs(caption, ["Arm", "Metric", "Reason", "Missing"], rows)


def differences_by_step(comparison: Comparison) -> Grid:
    """The primary metric of every arm minus the baseline's, after every number of steps."""
    found = {(row["arm"], row["steps"]): row for row in comparison.by_step.to_dict("records")}
    steps = sorted(comparison.by_step["steps"].unique())

    def cell(arm: str, count: int) -> Cell:
        row = found.get((arm, count))
        return _difference(PRIMARY, row) if row else Cell(DASH)

    return Grid(
        f"{PRIMARY.title}, paired differences along the steps: each arm minus "
        f"{comparison.baseline} after as many steps",
        [Column("Arm"), *[Column(f"{count}", "steps") for count in steps]],
        [
            Group(
                "",
                [
                    Row(arm, [cell(arm, count) for count in steps])
                    for arm in comparison.arms
                    if arm != comparison.baseline
                ],
            )
        ],
        name="differences_by_step",
    )


def _difference(metric: Metric, row: Mapping[Hashable, Any], *more: str) -> Cell:
    """A difference with its interval, marked where that excludes 0."""
    apart = row["low"] > 0 or row["high"] < 0
    lines = [] if np.isnan(row["low"]) else [span(metric.text, row["low"], row["high"])]
    text, mark = _signed(metric, row["difference"]), "apart" if apart else ""
    return Cell(text, [*lines, *more], mark, value=row["difference"])


def _p_value(row: Mapping[Hashable, Any]) -> str:
    """Of a planned comparison after Holm's correction; else as it is, which the name tells."""
    planned = not np.isnan(row["p_holm"])
    return f"p {row['p_holm']:.2g}" if planned else f"p* {row['p']:.2g}"


def _effect(row: Mapping[Hashable, Any]) -> list[str]:
    """The standardised difference, where speakers differ at all."""
    return [] if np.isnan(row["effect"]) else [f"d {row['effect']:z.1f}".replace("-", "−")]


def ranks(comparison: Comparison) -> Grid:
    """Mean ranks of all arms over speakers, by main metric, and how often each is best."""
    found = {
        (row["arm"], standing.metric.name): row
        for standing in comparison.standings
        for row in standing.ranks.to_dict("records")
    }
    metrics = [standing.metric for standing in comparison.standings]

    def cell(arm: str, metric: Metric) -> Cell:
        row = found.get((arm, metric.name))
        if row is None:
            return Cell(DASH)
        lines = [] if np.isnan(row["low"]) else [f"{row['low']:.1f}–{row['high']:.1f}"]
        share = [] if np.isnan(row["best_share"]) else [f"best in {row['best_share']:.0%}"]
        return Cell(f"{row['rank']:.1f}", [*lines, *share])

    return Grid(
        "Mean ranks, 1 is best",
        [Column("Arm"), *[Column(metric.title, "", metric.meaning) for metric in metrics]],
        [Group("", [Row(arm, [cell(arm, metric) for metric in metrics])
                    for arm in comparison.arms])],
    )  # fmt: skip


def standings(comparison: Comparison) -> Grid:
    """What tests over all arms say, metric by metric."""
    rows = []
    for standing in comparison.standings:
        two, arms = standing.pairs, len(standing.ranks)
        apart = ((two["low"] > 0) | (two["high"] < 0)).sum()
        tested = (two["p_holm"] <= 1 - comparison.confidence).sum()
        known = not np.isnan(standing.friedman_p)
        # Mean ranks lie this far apart at most.
        blunt = " (more than possible)" if standing.critical_difference > arms - 1 else ""
        rows.append(
            (
                standing.metric.title,
                f"{arms}",
                f"{standing.speakers}",
                f"{standing.friedman_p:.2g}" if known else DASH,
                f"{standing.critical_difference:.1f}{blunt}" if known else DASH,
                f"{apart} of {len(two)}",
                f"{tested} of {len(two)}",
            )
        )
    heads = ["Metric", "Arms", "Voices", "Friedman p", "Critical difference of ranks",
             "Pairs with a single interval without 0",
             "Pairs told apart by Holm's tests"]  # fmt: skip
    return pairs("All arms beside each other", heads, rows)


def power(comparison: Comparison) -> Grid:
    """The smallest differences that can be found, by each of the main metrics."""
    rows = []
    for metric in comparison.metrics(main=True):
        own = comparison.differences[comparison.differences["metric"] == metric.name]
        if not own.empty:
            rows.append(
                (
                    metric.label,
                    f"{own['speakers'].max():.0f}",
                    _detectable(metric, own["detectable"]),
                    _detectable(metric, own["detectable_holm"]),
                )
            )
    heads = ["Metric", "Voices", "Found four times in five, alone", "After Holm's correction"]
    return pairs(f"Smallest true differences from {comparison.baseline} that would be found",
                 heads, rows)  # fmt: skip


def _detectable(metric: Metric, values: pd.Series) -> str:
    """The median over the arms, and their range."""
    if values.isna().all():
        return DASH
    if np.isinf(values).any():
        return "none, however large"
    middle = metric.text(values.median())
    return f"{middle} ({metric.text(values.min())}–{metric.text(values.max())})"


def cost(costs: pd.DataFrame) -> Grid:
    """What the arms cost, from `costs.summarise`."""
    columns = [
        Column("Arm"),
        Column("Own training", "utterance-gradients", "passes of an utterance, counted in work"),
        Column("In all", "utterance-gradients", "with the trunk, which counts for each arm"),
        Column("Steps", "", "of the own training, and what one costs in utterance-gradients"),
        Column("Memory", "peak, training", "of the whole process"),
        Column("Adaptation", "per step"),
        Column("Adapted", "parameters"),
        Column("A voice takes", "of storage"),
        Column("Memory", "peak, adapting", "of the whole process"),
    ]
    rows = [
        Row(
            row["arm"],
            [
                _spent(row, ""),
                _spent(row, "total_", f"from {row['start']}"),
                _steps(row),
                *[
                    Cell(write(row[key]), value=row[key])
                    for write, key in (
                        (size, "peak_memory_bytes"),
                        (seconds, "adaptation_seconds_per_step"),
                        (number, "adapted_parameters"),
                        (size, "bytes_per_voice"),
                        (size, "adaptation_peak_memory_bytes"),
                    )
                ],
            ],
        )
        for row in costs.to_dict("records")
    ]
    return Grid("Cost of each arm", columns, [Group("", rows)], name="cost")


def _spent(row: Mapping[Hashable, Any], which: str, *lines: str) -> Cell:
    """The gradients, the time and the CPU time of a training."""
    if np.isnan(row[f"{which}utterance_gradients"]):
        return Cell(DASH)
    wall, cpu = (seconds(row[f"{which}{clock}_seconds"]) for clock in ("wall", "cpu"))
    spent = row[f"{which}utterance_gradients"]
    return Cell(number(spent), [wall, f"{cpu} CPU", *lines], value=spent)


def _steps(row: Mapping[Hashable, Any]) -> Cell:
    """The steps of a training, and the gradients of each."""
    each = row["utterance_gradients_per_step"]
    lines = [] if np.isnan(each) else [f"{each:.3g} each"]
    return Cell(number(row["steps"]), lines, value=row["steps"])


def tuning(results: Results) -> Grid:
    """Every trial of every arm: mel distortion on the validation speakers, the chosen one best."""
    trials = results.trials
    metric = BY_NAME["mel_distortion"]

    def cell(trial: dict[str, Any]) -> Cell:
        text = metric.text(trial["distortion"]) if trial["state"] == "complete" else "diverged"
        how = f"{RULES.get(trial['rule'], trial['rule'])} {trial['step_size']:.2g}"
        pull = [f"anchor {trial['anchor']:.2g}"] if trial["anchor"] else []
        mark = "best" if trial["chosen"] else ""
        return Cell(text, [how, *pull], mark, value=trial["distortion"])

    folds = trials["fold"] if "fold" in trials else pd.Series("", index=trials.index)
    searches = {
        name: table.to_dict("records") for name, table in trials.groupby([trials["arm"], folds])
    }
    most = max(map(len, searches.values()), default=0)
    rows = []
    for arm in results.experiment.arms:
        for fold in folds.unique() if len(folds) else [""]:
            cells = [cell(trial) for trial in searches.get((arm, fold), [])]
            name = f"{arm}, {fold}" if fold else arm
            rows.append(Row(name, cells + [Cell(DASH)] * (most - len(cells))))
    return Grid(
        f"Tuning: mel distortion (dB) on the validation {results.unit}s in each trial, below it "
        "the update rule and its step size; bold is chosen",
        [Column("Arm"), *[Column(f"{number}") for number in range(1, most + 1)]],
        [Group("", rows)],
        name="tuning",
    )


def sanity(checks: Sequence[Check]) -> Grid:
    """The checks; flags first would hide their order, so they are coloured instead."""
    words = {"pass": "✓ pass", "flag": "⚑ flag", "skipped": "not checked"}
    rows = [
        Row(check.check, [Cell(words[check.outcome], mark=check.outcome), Cell(check.finding)])
        for check in checks
    ]
    flags = sum(check.outcome == "flag" for check in checks)
    caption = f"{len(checks)} checks, {flags} flagged"
    return Grid(caption, [Column("Check"), Column("Outcome"), Column("Numbers")], [Group("", rows)],
                "prose")  # fmt: skip


def pairs(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    """A plain table of texts."""
    return Grid(caption, [Column(head) for head in heads],
                [Group("", [Row(name, [Cell(text) for text in rest]) for name, *rest in rows])],
                "prose")  # fmt: skip


def markdown(grid: Grid) -> str:
    """The table in Markdown, a line per row; bold is best or apart, ≈ a tie."""
    heads = [f"{column.title} {f'({column.unit})' if column.unit else ''}".strip()
             for column in grid.columns]  # fmt: skip
    lines = [f"{_plain(grid.caption)}\n", _line([_plain(head) for head in heads]),
             _line(["---", *["---" if grid.kind else "---:"] * (len(heads) - 1)])]  # fmt: skip
    lines += [_line([_plain(row.name), *map(_inline, row.cells)]) for row in grid.rows]
    return "\n".join(lines) + "\n"


def text(grid: Grid, width: int = 100) -> str:
    """The figures of the table, without intervals, in `width` columns; * best, ~ not told apart."""
    marks = {"best": "*", "tie": "~"}
    body = [
        [row.name, *[cell.text + marks.get(cell.mark, " ") for cell in row.cells]]
        for row in grid.rows
    ]
    # Heads break at every space, and stand at the foot of their lines.
    words = [column.title.split() for column in grid.columns]
    depth = max(map(len, words))
    heads = [[""] * (depth - len(each)) + each for each in words]
    columns = [[*head, *cells] for head, cells in zip(heads, zip(*body, strict=True), strict=True)]
    name, *sizes = (max(map(len, column)) for column in columns)
    name = max(8, min(name, width - sum(sizes) - len(sizes)))
    lines = []
    for first, *rest in zip(*columns, strict=True):
        short = first if len(first) <= name else first[: name - 1] + "…"
        cells = [value.rjust(size) for value, size in zip(rest, sizes, strict=True)]
        lines.append(" ".join([short.ljust(name), *cells]).rstrip())
    return "\n".join(lines)


def span(text: Callable[[float], str], low: float, high: float) -> str:
    """An interval; a dash between its ends unless one of them is negative."""
    return f"{text(low)} to {text(high)}" if min(low, high) < 0 else f"{text(low)}–{text(high)}"


def number(value: float) -> str:
    """A count with thin spaces between thousands."""
    return DASH if np.isnan(value) else f"{value:,.0f}".replace(",", "\u202f")


def seconds(value: float) -> str:
    """A time with three digits at most."""
    if np.isnan(value):
        return DASH
    return (
        f"{1000 * value:.0f} ms"
        if value < 1
        else f"{value:.3g} s"
        if value < 100
        else f"{value:.0f} s"
    )


def size(value: float) -> str:
    """Bytes in the unit that fits."""
    if np.isnan(value):
        return DASH
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"


def _metric_column(metric: Metric) -> Column:
    return Column(f"{metric.title}\u00a0{metric.arrow}", metric.unit, metric.meaning, metric.name)


def _signed(metric: Metric, value: float) -> str:
    text = metric.text(value)
    return f"+{text}" if value > 0 and text != metric.text(0) else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inline(cell: Cell) -> str:
    text = _plain(cell.text)
    marked = {"best": f"**{text}**", "apart": f"**{text}**", "tie": f"≈ {text}"}
    rest = [*cell.lines, *([cell.warning] if cell.warning else [])]
    after = f" ({_plain('; '.join(rest))})" if rest else ""
    return marked.get(cell.mark, text) + after


def _plain(text: str) -> str:
    """Text that Markdown shows literally inside a table."""
    for special in "\\|<>[]`_*":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())
