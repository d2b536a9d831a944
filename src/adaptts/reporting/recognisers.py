"""Word and character error rates by every recogniser side by side, at the headline.

One recogniser's ranking of the arms is worth what another one's makes of it; the recordings' own
rates say what each of them mistakes anyway.
"""

from dataclasses import replace
from typing import Any

import pandas as pd
from scipy.stats import kendalltau

from adaptts.reporting.comparison import Comparison, Estimator
from adaptts.reporting.metrics import BY_NAME
from adaptts.reporting.panel import Panel
from adaptts.reporting.results import RETAKE, Results
from adaptts.reporting.tables import MARKS, Cell, Column, Grid, Group, Row, span

RATES = ("wer", "cer")
COLUMNS = ["arm", "recogniser", "metric", "value", "low", "high", "measured", "missing", "reason",
           "standing"]  # fmt: skip
FEWEST_RANKED = 3  # arms


def summarise(results: Results, comparison: Comparison) -> pd.DataFrame:
    """The rates of every arm and reference by each recogniser: columns COLUMNS.

    reason: the most frequent one for what is missing. standing: best or tied, as in the headline
    table.
    """
    headline, references = comparison.headline, results.references
    arms = results.at(headline.shots, headline.steps)
    tables = []
    for name in results.experiment.evaluation.recognisers:
        # Not in one panel: references are without seeds.
        for measures in (references[references["arm"] != RETAKE], arms):
            own = _heard_by(results, name, measures)
            if own.empty:
                continue
            estimator = Estimator.of(Panel.lay(own), results)
            rates = estimator.summarise()
            rates = rates[rates["metric"].isin(RATES)].drop(columns=["shots", "steps"])
            keys = list(zip(rates["arm"], rates["metric"], strict=True))
            at_headline = replace(comparison, verdicts=estimator.verdicts(headline))
            tables.append(
                rates.assign(
                    recogniser=name,
                    reason=[_reason(own, *key) for key in keys],
                    standing=[at_headline.mark(*key) for key in keys],
                )
            )
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def grid(rates: pd.DataFrame, comparison: Comparison) -> Grid:
    """The table of `summarise`: a row per arm, two columns per recogniser."""
    names = rates["recogniser"].unique().tolist()
    found = {
        (row["arm"], row["recogniser"], row["metric"]): row for row in rates.to_dict("records")
    }
    columns = [(name, metric) for name in names for metric in RATES]
    references = [arm for arm in rates["arm"].unique() if arm not in comparison.arms]
    groups = {"Ceilings": references, "Arms": comparison.arms}
    return Grid(
        f"Error rates by each recogniser, over all words. {agreement(rates, comparison)}".strip(),
        [
            Column("Arm"),
            *[Column(f"{BY_NAME[metric].title}, {name}\u00a0↓", "%") for name, metric in columns],
        ],
        [
            Group(title, [Row(arm, [_cell(found.get((arm, *column))) for column in columns])
                          for arm in arms])
            for title, arms in groups.items()
        ],
    )  # fmt: skip


def agreement(rates: pd.DataFrame, comparison: Comparison) -> str:
    """How alike the recognisers rank the arms by word errors, a sentence; "" if there is no two."""
    arms = rates[(rates["metric"] == "wer") & rates["arm"].isin(comparison.arms)]
    wide = arms.pivot_table("value", "arm", "recogniser", sort=False).dropna()
    if wide.shape[1] < 2 or len(wide) < FEWEST_RANKED:
        return ""
    first, *others = wide.columns
    pairs = [(other, kendalltau(wide[first], wide[other]).statistic) for other in others]
    told = [f"{other} {value:.2f}" for other, value in pairs if value == value]
    return (
        f"Kendall's τ of the arms' order by WER with that by {first}, 1 where they agree: "
        f"{', '.join(told)}."
        if told
        else ""
    )


def _heard_by(results: Results, name: str, measures: pd.DataFrame) -> pd.DataFrame:
    """The measures by one recogniser, under the names that the first one's have."""
    if name == results.experiment.evaluation.recognisers[0]:
        return measures
    own = measures[measures["metric"].str.endswith(f"_{name}")]
    return own.assign(metric=own["metric"].str.removesuffix(f"_{name}"))


def _reason(measures: pd.DataFrame, arm: str, metric: str) -> str:
    missing = measures[(measures["arm"] == arm) & (measures["metric"] == metric)]
    notes = missing.loc[missing["value"].isna(), "note"]
    return str(notes.mode().iloc[0]) if len(notes) else ""


def _cell(row: dict[Any, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    text = BY_NAME[row["metric"]].text
    lines = [] if pd.isna(row["low"]) else [span(text, row["low"], row["high"])]
    warning = f"{row['missing']:.0f} missing: {row['reason']}" if row["missing"] else ""
    return Cell(text(row["value"]), lines, MARKS[row["standing"]], warning)
