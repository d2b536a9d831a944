import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fabricated import PROVENANCE, make_experiment

from adaptts.reporting import conventions
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results

# What each convention adds to the MCD of a sound.
ADDED = {"espnet": 2.0, "versa": 5.0}
NOTE = "versa pairs frames one by one, and <600> of them with 300 differ by too much"


def by_conventions(table: pd.DataFrame, shots: int, steps: int) -> pd.DataFrame:
    """`table` with measures by ADDED of the first two sentences, said with the first seed."""
    heard = table[
        (table["metric"] == "mcd")
        & table["utterance"].str.endswith(("_0", "_1"))
        & (table["seed"] <= 0)
        & (table["shots"] == shots)
        & (table["steps"] == steps)
    ]
    more = [
        heard.assign(metric=f"mcd_{name}", value=heard["value"] + added)
        for name, added in ADDED.items()
    ]
    return pd.concat([table, *more], ignore_index=True)


@pytest.fixture
def measured(results: Results) -> Results:
    experiment = make_experiment()
    evaluation = replace(experiment.evaluation, conventions=list(ADDED))
    measures = by_conventions(results.measures, 5, 10)
    lost = (measures["arm"] == "maml") & (measures["metric"] == "mcd_versa")
    first = lost & (measures["utterance"] == "s0_0")
    measures.loc[first, ["value", "note"]] = [math.nan, NOTE]
    return replace(
        results,
        experiment=replace(experiment, evaluation=evaluation),
        measures=measures,
        references=by_conventions(results.references, 0, 0),
    )


def value(table: pd.DataFrame, arm: str, convention: str, column: str = "mcd"):
    (found,) = table.loc[(table["arm"] == arm) & (table["convention"] == convention), column]
    return found


def test_every_convention_is_of_the_same_sounds(measured: Results) -> None:
    table = conventions.tabulate(measured)
    assert value(table, "copy_synthesis", "adaptts") == 4.5
    assert value(table, "copy_synthesis", "espnet") == 6.5
    ours = value(table, "pretrain_finetune", "adaptts")
    assert value(table, "pretrain_finetune", "espnet") == pytest.approx(ours + 2)
    all_sounds = measured.at(5, 10).query("arm == 'pretrain_finetune' and metric == 'mcd'")
    heard = all_sounds[all_sounds["utterance"].str.endswith(("_0", "_1"))].query("seed == 0")
    means = heard.groupby("speaker")["value"].mean()
    assert ours == pytest.approx(means.mean(), rel=1e-12)
    assert ours != pytest.approx(all_sounds["value"].mean(), rel=1e-6)
    assert value(table, "pretrain_finetune", "adaptts", "measured") == len(heard)


def test_what_is_missing_is_counted_and_says_why(measured: Results) -> None:
    table = conventions.tabulate(measured)
    speakers = len(measured.experiment.split.test)
    assert value(table, "maml", "versa", "missing") == 1
    assert value(table, "maml", "versa", "measured") == 2 * speakers - 1
    assert value(table, "maml", "versa", "reason") == NOTE
    assert value(table, "maml", "espnet", "missing") == 0
    grid = conventions.grid(measured, table)
    (cells,) = [row.cells for row in grid.rows if row.name == "maml"]
    assert [cell.warning for cell in cells] == ["", "", f"1 missing: {NOTE}"]


def test_floor_and_ceiling_stand_above_the_arms(measured: Results) -> None:
    grid = conventions.grid(measured, conventions.tabulate(measured))
    assert [row.name for row in grid.groups[0].rows] == ["copy_synthesis"]
    assert [column.title for column in grid.columns] == ["Arm", "adaptts", "espnet", "versa"]
    assert "commit de189f2" in grid.columns[2].note


def test_the_report_holds_the_table(measured: Results, tmp_path: Path) -> None:
    Report.make(measured).write(tmp_path, PROVENANCE)
    table = pd.read_csv(tmp_path / "tables/conventions.csv", keep_default_na=False)
    assert set(table["convention"]) == {"adaptts", "espnet", "versa"}
    assert "1 missing: versa pairs" in (tmp_path / "tables/conventions.md").read_text()
    page = (tmp_path / "index.html").read_text()
    assert '<details id="conventions">' in page
    assert "and &lt;600&gt; of them" in page


def test_without_other_conventions_there_is_no_table(written: Path) -> None:
    assert '<details id="conventions">' not in (written / "index.html").read_text()
    assert pd.read_csv(written / "tables/conventions.csv").empty
