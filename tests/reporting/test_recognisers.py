from dataclasses import replace

import numpy as np
import pytest

from adaptts.reporting.comparison import compare
from adaptts.reporting.recognisers import COLUMNS, agreement, grid, summarise
from adaptts.reporting.results import Results
from adaptts.reporting.tables import markdown


def value(rates, arm: str, recogniser: str, metric: str) -> float:
    found = rates[(rates["arm"] == arm) & (rates["recogniser"] == recogniser)]
    return found.set_index("metric").loc[metric, "value"]


def test_each_recogniser_s_rates_are_over_all_words(results: Results) -> None:
    comparison = compare(results)
    rates = summarise(results, comparison)
    assert list(rates.columns) == COLUMNS
    for arm in comparison.arms:
        first = comparison.value(arm, "wer")
        assert value(rates, arm, "sphinx", "wer") == first
        assert value(rates, arm, "ctc", "wer") == pytest.approx(first + 20)
        assert value(rates, arm, "ctc", "cer") == pytest.approx(comparison.value(arm, "cer") + 4)
    assert value(rates, "natural", "sphinx", "wer") == 0
    tops = rates[(rates["metric"] == "wer") & (rates["standing"] == "best")]
    assert tops["recogniser"].tolist() == ["sphinx", "ctc"]
    assert set(tops["arm"]) == {comparison.best["wer"]}


def test_missing_rates_are_counted_with_their_reason(results: Results) -> None:
    arm = results.arms[-1]
    lost = results.measures.copy()
    gone = (lost["arm"] == arm) & lost["metric"].str.endswith("_ctc")
    lost.loc[gone, ["value", "note"]] = [np.nan, "the <recogniser> failed"]
    broken = replace(results, measures=lost)
    comparison = compare(broken)
    rates = summarise(broken, comparison)
    own = rates[(rates["arm"] == arm) & (rates["metric"] == "wer")].set_index("recogniser")
    assert np.isnan(own.loc["ctc", "value"])
    assert own.loc["ctc", "reason"] == "the <recogniser> failed"
    assert own.loc["ctc", "missing"] == own.loc["sphinx", "measured"]
    assert own.loc["sphinx", "missing"] == 0
    row = next(row for row in grid(rates, comparison).rows if row.name == arm)
    assert "missing: the <recogniser> failed" in row.cells[2].warning


def test_recognisers_that_disagree_are_told_of(results: Results) -> None:
    comparison = compare(results)
    rates = summarise(results, comparison)
    assert agreement(rates, comparison).endswith("ctc 1.00.")
    turned = rates.assign(
        value=rates["value"].where(rates["recogniser"] == "sphinx", -rates["value"])
    )
    assert agreement(turned, comparison).endswith("ctc -1.00.")
    assert agreement(rates[rates["recogniser"] == "ctc"], comparison) == ""


def test_the_table_has_a_row_for_each_arm_and_the_ceilings(results: Results) -> None:
    comparison = compare(results)
    table = grid(summarise(results, comparison), comparison)
    assert [column.title for column in table.columns] == [
        "Arm", "WER, sphinx\u00a0↓", "CER, sphinx\u00a0↓", "WER, ctc\u00a0↓", "CER, ctc\u00a0↓"
    ]  # fmt: skip
    assert [row.name for row in table.rows] == ["natural", "copy_synthesis", *comparison.arms]
    assert "Kendall's τ" in markdown(table)
