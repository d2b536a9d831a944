"""The decision aids as tables, and as the data that the page's two inputs choose from."""

from math import isinf
from typing import Any

import pandas as pd

from adaptts.reporting import tables
from adaptts.reporting.answer import counted
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.decision import Decision, budgets
from adaptts.reporting.metrics import BY_NAME, PRIMARY
from adaptts.reporting.tables import DASH, Cell, Column, Grid, Group, Row


def reached(decision: Decision, comparison: Comparison) -> Grid:
    """Steps to each threshold with the headline's shots."""
    shots = comparison.headline.shots
    own = decision.reached[decision.reached["shots"] == shots]
    found = {(row["arm"], row["threshold"]): row for row in own.to_dict("records")}

    def cell(arm: str, threshold: float) -> Cell:
        row = found.get((arm, threshold))
        if row is None:
            return Cell(DASH)
        steps, low, high = (_steps(row[name]) for name in ("steps", "low", "high"))
        return Cell(steps, [] if pd.isna(row["low"]) else [f"{low} to {high}"])

    baseline = comparison.value(comparison.baseline or "", PRIMARY.name)
    notes = [
        comparison.baseline or "" if value == baseline else "" for value in decision.thresholds
    ]
    return Grid(
        f"Steps until {PRIMARY.title.lower()} is at most …, with {counted(shots, 'shot')}",
        [Column("Arm"), *[Column(PRIMARY.with_unit(value), note) for value, note in
                          zip(decision.thresholds, notes, strict=True)]],
        [Group("", [Row(arm, [cell(arm, value) for value in decision.thresholds])
                    for arm in comparison.arms])],
    )  # fmt: skip


def _steps(count: float) -> str:
    return "not reached" if isinf(count) else f"{count:.0f}"


def recommended(decision: Decision) -> Grid:
    """What is recommended for some budgets."""
    shots = dict(zip(decision.options["speech"], decision.options["shots"], strict=True))
    rows = []
    for speech, compute in budgets(decision):
        name = f"{counted(shots[speech], 'utterance')} ({tables.seconds(speech)}), " + (
            f"{tables.seconds(compute)} of compute" if compute else "no compute"
        )
        option = decision.recommend(speech, compute)
        if option is not None:
            rows.append((name, *_told(option)))
    heads = ["Budget", "Arm", "Utterances", "Steps", "Takes", "Validation", "Test"]
    return tables.pairs(
        f"The best arm and stopping step for a budget; {PRIMARY.title.lower()} in dB", heads, rows
    )


def _told(option: pd.Series) -> tuple[str, ...]:
    value, low, high = (float(option[name]) for name in ("value", "low", "high"))
    span = "" if pd.isna(low) else f" ({tables.span(PRIMARY.text, low, high)})"
    return (
        str(option["arm"]),
        f"{option['shots']}",
        f"{option['steps']}",
        tables.seconds(float(option["compute"])),
        PRIMARY.text(float(option["validation"])),
        PRIMARY.text(value) + span,
    )


def front(decision: Decision) -> Grid:
    """The points that no other beats."""
    own = decision.front[decision.front["front"]].sort_values(["compute", "quality"])
    similarity = BY_NAME["similarity"]
    rows = [
        (
            row["arm"],
            f"{row['shots']}",
            f"{row['steps']}",
            tables.seconds(row["compute"]),
            decision.quality.text(row["quality"]),
            similarity.text(row["similarity"]),
        )
        for row in own.to_dict("records")
    ]
    measured = [f"{metric.label} {metric.arrow}" for metric in (decision.quality, similarity)]
    heads = ["Arm", "Shots", "Steps", "Adaptation", *measured]
    caption = f"Worth their cost: {len(rows)} of {len(decision.front)} points that no other beats"
    caption += ", by the test voices: this describes them and chooses nothing"
    return tables.pairs(caption, heads, rows)


def payload(decision: Decision) -> dict[str, Any]:
    """What decision.js chooses from; None where nothing was measured."""
    options = decision.options.astype(object).where(decision.options.notna(), None)
    return {"options": options.to_dict("records"), "digits": PRIMARY.digits}


def start(decision: Decision, comparison: Comparison) -> dict[str, float]:
    """Budgets that the inputs begin with: those of the headline, rounded up."""
    point, options = comparison.headline, decision.options
    own = options[(options["shots"] == point.shots) & (options["steps"] <= point.steps)]
    return {
        "speech": float((own["speech"].max() * 10 // 1 + 1) / 10),
        "compute": float((own["compute"].max() * 10 // 1 + 1) / 10),
    }
