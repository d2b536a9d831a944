"""Two experiments side by side: each arm of both, paired on the same utterances and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from adaptts.evaluation import statistics
from adaptts.params import PointParams, ReportParams
from adaptts.reporting import tables
from adaptts.reporting.answer import counted
from adaptts.reporting.comparison import Estimator
from adaptts.reporting.metrics import BY_NAME, METRICS, Metric
from adaptts.reporting.panel import Panel
from adaptts.reporting.results import NATURAL
from adaptts.reporting.tables import DASH, Cell, Column, Grid, Group, Row, span

# For each arm and metric: its value in both, on the utterances and seeds of both, and b − a.
CHANGES = ["arm", "metric", "a", "b", "difference", "low", "high", "improvement", "p", "p_holm",
           "speakers", "pairs"]  # fmt: skip
NAMED = 3  # utterances that a message names
# What decides how a metric is measured; the rest of the parameters decides what is measured.
CONVENTIONS = (
    "features", "corpus.sampling_rate", "evaluation.noise_floor", "split.unit",
    "evaluation.recognisers", "evaluation.ctc", "evaluation.whisper",
    "evaluation.predicted_quality",
)  # fmt: skip


class IncomparableError(ValueError):
    """Two experiments cannot be paired; the message names the difference and the remedy."""


@dataclass(frozen=True)
class Side:
    """One of the two experiments."""

    name: str  # of the revision
    params: dict[str, Any]  # params.yaml, flat: dotted names
    measures: pd.DataFrame  # of arms, as in the results
    references: pd.DataFrame  # of recordings and copies: the same columns; may be empty
    texts: Mapping[str, str]  # utterance → what is said; empty where it is not known
    code: str  # a hash of what measures; "" where it is not known
    headline: PointParams

    @property
    def arms(self) -> list[str]:
        """The arms with measures, as they are ordered there."""
        return [str(arm) for arm in self.measures["arm"].unique()]

    def queries(self) -> set[tuple[str, str, str]]:
        """speaker, utterance and text of all that is said."""
        pairs = self.measures[["speaker", "utterance"]].drop_duplicates()
        return {
            (str(speaker), str(utterance), self.texts.get(str(utterance), ""))
            for speaker, utterance in pairs.itertuples(index=False)
        }

    def at_headline(self) -> pd.DataFrame:
        """The arms at the headline; those that take no steps, without any."""
        table = self.measures[self.measures["shots"] == self.headline.shots]
        steps = self.measures.groupby("arm")["steps"].max()
        constant = table["arm"].map(steps) == 0
        return table[constant | (table["steps"] == self.headline.steps)]

    def of(self, queries: set[tuple[str, str, str]]) -> "Side":
        """This side, of these queries alone."""
        kept = pd.MultiIndex.from_tuples([query[:2] for query in queries])

        def only(table: pd.DataFrame) -> pd.DataFrame:
            places = pd.MultiIndex.from_frame(table[["speaker", "utterance"]].astype(str))
            return table[places.isin(kept)]

        return replace(self, measures=only(self.measures), references=only(self.references))


@dataclass(frozen=True)
class SideBySide:
    """Two experiments compared."""

    a: Side
    b: Side
    changes: pd.DataFrame  # columns CHANGES
    only: dict[str, list[str]]  # the side's name → arms that the other one lacks
    params: list[tuple[str, str, str]]  # name, value in a, value in b, of all that differ
    notes: list[str]  # what to know before believing it

    def grids(self, confidence: float) -> list[Grid]:
        """A table for each metric, with a row for each arm of both."""
        return [
            self._grid(metric, self.changes[self.changes["metric"] == metric.name], confidence)
            for metric in METRICS
            if metric.name in set(self.changes["metric"])
        ]

    def _grid(self, metric: Metric, changes: pd.DataFrame, confidence: float) -> Grid:
        heads = [self.a.name, self.b.name, f"{self.b.name} − {self.a.name}",
                 f"{confidence:.0%} interval", "p", "p (Holm)"]  # fmt: skip
        rows = [Row(str(row["arm"]), _cells(row, metric)) for row in changes.to_dict("records")]
        return Grid(
            f"{metric.label} {metric.arrow}",
            [Column("Arm"), *[Column(head) for head in heads]],
            [Group("", rows)],
        )

    def title(self) -> str:
        """What is compared."""
        point = self.b.headline
        return (
            f"{self.b.name} beside {self.a.name}, with {counted(point.shots, 'shot')}, after "
            f"{counted(point.steps, 'step')}"
        )

    def params_grid(self) -> Grid:
        """The parameters that differ."""
        heads = ["Parameter", self.a.name, self.b.name]
        return tables.pairs("Parameters that differ", heads, self.params)

    def remarks(self) -> list[str]:
        """What to know before believing the differences."""
        lacking = [
            f"{name} alone has {', '.join(arms)}." for name, arms in self.only.items() if arms
        ]
        return [*self.notes, *lacking]


CAPTION = (
    "Of arms that both have, on the utterances and seeds of both. Bold: the interval of the paired "
    "difference excludes 0. p: two-sided permutation test over speakers; after Holm's correction "
    "over the arms that are not the same in both, for the planned metrics (report.comparisons)."
)


def markdown(found: SideBySide, confidence: float) -> str:
    """All of it as text."""
    remarks = "\n".join(f"- {remark}" for remark in found.remarks())
    grids = [*found.grids(confidence), *([found.params_grid()] if found.params else [])]
    parts = [f"# {found.title()}", remarks, CAPTION, *map(tables.markdown, grids)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def write(found: SideBySide, folder: Path, confidence: float) -> None:
    """Write the comparison as CSV, Markdown and HTML into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found.changes.to_csv(folder / "changes.csv", index=False, lineterminator="\n")
    (folder / "changes.md").write_text(markdown(found, confidence), encoding="utf-8")
    sources = files("adaptts.reporting")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((sources / "side_by_side.html").read_text(encoding="utf-8"))
    grids = [*found.grids(confidence), *([found.params_grid()] if found.params else [])]
    text = template.render(
        title=found.title(),
        remarks=found.remarks(),
        grids=grids,
        caption=CAPTION,
        css=Markup((sources / "page.css").read_text(encoding="utf-8")),
    )
    (folder / "changes.html").write_text(text, encoding="utf-8")


def _cells(row: Mapping[Any, Any], metric: Metric) -> list[Cell]:
    text = metric.text(row["difference"])
    sign = "+" if row["difference"] > 0 and text != metric.text(0) else ""
    interval = DASH if np.isnan(row["low"]) else span(metric.text, row["low"], row["high"])
    apart = row["low"] > 0 or row["high"] < 0
    return [
        Cell(metric.text(row["a"])),
        Cell(metric.text(row["b"])),
        Cell(sign + text, mark="apart" if apart else ""),
        Cell(interval),
        *[Cell(DASH if np.isnan(row[p]) else f"{row[p]:.2g}") for p in ("p", "p_holm")],
    ]


def compare(a: Side, b: Side, report: ReportParams, common: bool = False) -> SideBySide:
    """Set `b` beside `a`, with the samples, confidence, seed and planned metrics of `report`.

    common: compare what both have, where they do not say the same; else that is an
    `IncomparableError`, as other conventions of measuring always are.
    """
    differing = _differing(a.params, b.params)
    _check_conventions(a, b, differing)
    notes = _notes(a, b)
    shared = a.queries() & b.queries()
    if a.queries() != b.queries():
        told = _told(a, b, shared)
        if not common:
            raise IncomparableError(f"{told}; --common compares what both have")
        if not shared:
            raise IncomparableError(f"{told}; they have nothing in common")
        notes.append(f"Of {len(shared)} utterances that both say alone: {told}.")
        a, b = a.of(shared), b.of(shared)
    seeds = [set(side.measures["seed"]) for side in (a, b)]
    if not seeds[0] & seeds[1]:
        raise IncomparableError(
            f"{a.name} has the seeds {sorted(seeds[0])} and {b.name} {sorted(seeds[1])}: with none "
            "in common, nothing can be paired"
        )
    if seeds[0] != seeds[1]:
        notes.append(f"Of the seeds that both have alone: {sorted(seeds[0] & seeds[1])}.")
    arms = [arm for arm in b.arms if arm in a.arms]
    changes = _changes(a, b, arms, report)
    return SideBySide(
        a,
        b,
        changes,
        {side.name: [arm for arm in side.arms if arm not in arms] for side in (a, b)},
        differing,
        [*notes, *_moved_references(a, b)],
    )


def _changes(a: Side, b: Side, arms: Sequence[str], report: ReportParams) -> pd.DataFrame:
    """The differences of `arms`, metric by metric; Holm's family is the planned ones."""
    places = {"speaker": str, "utterance": str}
    both = pd.concat([
        side.at_headline().astype(places).assign(arm=lambda table, mark=mark: mark + table["arm"])
        for mark, side in (("a ", a), ("b ", b))
    ])  # fmt: skip
    if not arms or both.empty:
        return pd.DataFrame(columns=CHANGES)
    panel = Panel.lay(both)
    generator = np.random.default_rng(report.seed)
    draws = statistics.draw(panel.present, panel.seeds, report.bootstrap_samples, generator)
    estimator = Estimator(panel, draws, list(arms), [b.headline.steps], report)
    number = {point[0]: place for place, point in enumerate(panel.points)}
    arms = [arm for arm in arms if f"a {arm}" in number and f"b {arm}" in number]
    of_a, of_b = ([number[f"{mark} {arm}"] for arm in arms] for mark in "ab")
    tables = []
    for metric in METRICS:
        sample = panel.sample(metric)
        if not metric.paired or not arms:
            continue
        paired = ~np.isnan(sample.values[of_a] - sample.values[of_b])
        tables.append(_table(estimator, metric, arms, of_a, of_b, paired))
    table = pd.concat(tables, ignore_index=True)
    # What is the same to the last bit needs no test, and takes no other one's power.
    planned = table["metric"].isin(report.comparisons.metrics) & ~table["same"]
    p_holm = statistics.holm(np.where(planned, table["p"].to_numpy(dtype=float), np.nan))
    return table.assign(p_holm=p_holm)[CHANGES]


def _table(
    estimator: Estimator,
    metric: Metric,
    arms: Sequence[str],
    of_a: list[int],
    of_b: list[int],
    paired: np.ndarray,
) -> pd.DataFrame:
    sample, params = estimator.panel.sample(metric), estimator.params
    a, b = (np.where(paired, sample.values[side], np.nan) for side in (of_a, of_b))
    # Error rates: the same words in both, unless a recording could not be used in one of them.
    weights = None if sample.weights is None else sample.weights[of_b]
    gap = estimator.interval(b - a, weights)
    better = statistics.improvements(b - a, metric.lower_is_better)
    generator = np.random.default_rng(params.seed)
    table = pd.DataFrame(
        {
            "arm": list(arms),
            "metric": metric.name,
            "a": statistics.mean(a, weights),
            "b": statistics.mean(b, weights),
            "difference": gap.value,
            "low": gap.low,
            "high": gap.high,
            "improvement": statistics.mean(better),
            "p": statistics.permutation_test(b - a, params.bootstrap_samples, generator, weights),
            "speakers": paired.any(axis=(2, 3)).sum(axis=1),
            "pairs": paired.sum(axis=(1, 2, 3)),
            "same": ~np.any((a != b) & paired, axis=(1, 2, 3)),
        }
    )
    return table[table["pairs"] > 0]


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    names = [*a, *[name for name in b if name not in a]]
    return [
        (name, _shown(a, name), _shown(b, name))
        for name in names
        if _shown(a, name) != _shown(b, name)
    ]


def _shown(params: Mapping[str, Any], name: str) -> str:
    return str(params[name]) if name in params else DASH


def _check_conventions(a: Side, b: Side, differing: Sequence[tuple[str, str, str]]) -> None:
    if a.headline != b.headline:
        raise IncomparableError(
            f"the headline of {a.name} is {a.headline}, that of {b.name} {b.headline}; name one "
            "for both with --shots and --steps"
        )
    told = [
        f"{name} is {of_a} in {a.name} and {of_b} in {b.name}"
        for name, of_a, of_b in differing
        if any(f"{name}.".startswith(f"{convention}.") for convention in CONVENTIONS)
    ]
    if told:
        raise IncomparableError(
            f"they do not measure alike: {'; '.join(told)}; run one of them again with the other's"
        )


def _told(a: Side, b: Side, shared: set[tuple[str, str, str]]) -> str:
    """What one side says that the other does not."""
    parts = []
    for side in (a, b):
        alone = sorted(side.queries() - shared)
        if alone:
            others = {query[0] for query in (b if side is a else a).queries()}
            speakers = sorted({speaker for speaker, *_ in alone} - others)
            first = ", ".join(
                f"{utterance} of {speaker}" for speaker, utterance, _ in alone[:NAMED]
            )
            more = f" and {len(alone) - NAMED} more" if len(alone) > NAMED else ""
            new = f" (speakers {', '.join(speakers)})" if speakers else ""
            parts.append(f"{side.name} alone has {first}{more}{new}")
    return "the query utterances differ: " + "; ".join(parts)


def _notes(a: Side, b: Side) -> list[str]:
    notes = []
    if a.code != b.code:
        notes.append(
            "The code that measures (src/adaptts/evaluation) differs between the two: a metric "
            "may not mean the same."
        )
    if not (a.texts and b.texts):
        notes.append(
            "The corpus' texts are not at hand for both: utterances are paired by their names."
        )
    return notes


def _moved_references(a: Side, b: Side) -> list[str]:
    """Whether the recordings themselves measure otherwise, which no experiment can change."""
    key = ["arm", "speaker", "utterance", "metric"]
    joined = a.references.merge(b.references, on=key, suffixes=("_a", "_b"))
    joined = joined[joined["arm"] == NATURAL]
    moved = joined[~np.isclose(joined["value_a"], joined["value_b"], rtol=1e-6, equal_nan=True)]
    names = sorted(set(moved["metric"]))
    if not names:
        return []
    titles = ", ".join(BY_NAME[name].title if name in BY_NAME else name for name in names)
    return [f"The recordings themselves measure otherwise ({titles}): what measures has changed."]
