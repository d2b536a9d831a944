from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fabricated import PROVENANCE, make_experiment

from adaptts.params import Experiment
from adaptts.reporting import missing
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results, load


def test_nothing_missing_has_no_rows(results: Results) -> None:
    assert missing.tabulate(results).empty


def test_missing_values_are_counted_by_arm_metric_and_reason(
    make_tree: Callable[[Experiment], Path], tmp_path: Path
) -> None:
    tree = make_tree(make_experiment())
    path = tree / "results/maml/measures.parquet"
    table = pd.read_parquet(path)
    places = table.index[(table["metric"] == "f0_rmse") & (table["shots"] == 5)]
    for place, reason in zip(
        places, ["no <voice>", "no <voice>", "it is silent", ""], strict=False
    ):
        table.loc[place, ["value", "note"]] = [np.nan, reason]
    table.to_parquet(path)
    results = load(tree, make_experiment())
    found = missing.tabulate(results)
    taken = int((table["metric"] == "f0_rmse").sum())
    assert found.to_numpy().tolist() == [
        ["maml", "f0_rmse", "no <voice>", 2, taken],
        ["maml", "f0_rmse", "it is silent", 1, taken],
        ["maml", "f0_rmse", "no reason given", 1, taken],
    ]
    Report.make(results).write(tmp_path, PROVENANCE)
    assert len(pd.read_csv(tmp_path / "tables/missing.csv")) == 3
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "no &lt;voice&gt;" in page
    assert f"2 of {taken}" in page
