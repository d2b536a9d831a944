import numpy as np
import pandas as pd
import pytest

from adaptts.evaluation.measure import (
    COLUMNS,
    Measure,
    NotMeasurableError,
    Point,
    missing,
    tabulate,
    take,
)

POINT = Point("maml", "s1", seed=0, draw=1, shots=5, steps=20, utterance="s1-003")


def test_each_point_and_metric_is_a_row() -> None:
    table = tabulate([(POINT, [Measure("mcd", 4.5), *missing(["wer"], "too short")])])
    assert list(table.columns) == COLUMNS
    assert table["metric"].tolist() == ["mcd", "wer"]
    assert table["value"].tolist() == pytest.approx([4.5, np.nan], nan_ok=True)
    assert table["note"].tolist() == ["", "too short"]
    assert table.loc[1, "utterance"] == "s1-003"


def test_an_empty_table_has_the_same_columns() -> None:
    filled = tabulate([(POINT, [Measure("mcd", 4.5)])])
    pd.testing.assert_series_equal(
        tabulate([]).dtypes[["seed", "value"]], filled.dtypes[["seed", "value"]]
    )


def test_undefined_measures_are_missing_with_their_reason() -> None:
    def fail() -> list[float]:
        raise NotMeasurableError("nothing is voiced")

    measures = take(["f0_rmse", "vuv_error"], fail)
    assert [measure.metric for measure in measures] == ["f0_rmse", "vuv_error"]
    assert {measure.note for measure in measures} == {"nothing is voiced"}
    assert np.isnan([measure.value for measure in measures]).all()


def test_other_errors_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        take(["mcd"], lambda: [1 / 0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_are_finite_or_say_why_not(value: float) -> None:
    with pytest.raises(ValueError, match="mcd"):
        Measure("mcd", value)
