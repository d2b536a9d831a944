from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricated import EFFECTS

from adaptts.reporting import figures
from adaptts.reporting.gallery import TRAINING_POINTS, Gallery, adjusted, draw, losses
from adaptts.reporting.metrics import PRIMARY
from adaptts.reporting.report import Report


@pytest.fixture(scope="module")
def charts(report: Report) -> Gallery:
    return draw(report.results, report.comparison, report.decision)


def parts(specification: Any, key: str) -> list[Any]:
    """Everything that stands under `key`, however deep."""
    if isinstance(specification, list):
        return [found for each in specification for found in parts(each, key)]
    if isinstance(specification, dict):
        own = [specification[key]] if key in specification else []
        return own + [found for each in specification.values() for found in parts(each, key)]
    return []


def values(specification: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for rows in specification["datasets"].values() for row in rows]


def test_every_metric_has_its_charts(charts: Gallery) -> None:
    assert set(charts) == {
        "steps", "shots", "speakers", "detection", "ranks", "front", "trunk", "training",
        "weights",
    }  # fmt: skip
    assert "mcd" in charts["steps"]
    assert "eer" not in charts["speakers"]  # one figure for all speakers
    assert list(charts["training"]) == ["loss", "mel"]


def test_an_arm_has_the_same_colour_and_symbol_in_every_chart(charts: Gallery) -> None:
    for place in ("steps", "shots", "speakers", "detection", "training"):
        for chart in charts[place].values():
            encodings = parts(chart, "color") + parts(chart, "shape")
            domains = [each["scale"]["domain"] for each in encodings if "scale" in each]
            assert domains
            assert all(domain == list(EFFECTS) for domain in domains)


def test_themes_agree_on_the_number_of_colours() -> None:
    assert len(figures.PALETTES["light"]) == len(figures.PALETTES["dark"])
    assert np.gcd(len(figures.PALETTES["light"]), len(figures.SYMBOLS)) == 1


def lab(colour: str) -> np.ndarray:
    """CIELAB of #rrggbb for white D65."""
    part = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    share = np.array(to_xyz) @ linear / [0.9505, 1, 1.089]
    x, y, z = np.where(share > 0.008856, np.cbrt(share), (903.3 * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_are_told_apart_and_the_first_ones_best(mode: str) -> None:
    colours = [lab(colour) for colour in figures.PALETTES[mode]]
    least = [
        min(np.linalg.norm(a - b) for a, b in combinations(colours[:count], 2))
        for count in (2, 3, 7)
    ]
    assert least[0] > 60
    assert least[1] > 44
    assert least[2] > 38


def test_a_run_that_was_recorded_once_is_a_symbol() -> None:
    run = pd.DataFrame({"arm": ["maml"], "seed": [0], "utterance_gradients": [80], "loss": [0.5]})
    drawn = figures.svg(figures.specify(figures.training(run, "loss", ["maml"])))
    assert drawn.count('aria-roledescription="point"') == 1


@pytest.mark.parametrize("low", [1.2, None])
def test_a_symbol_tells_its_value_with_unit_and_an_interval_only_if_there_is_one(
    report: Report, low: float | None
) -> None:
    table = pd.DataFrame({"arm": ["maml"] * 2, "steps": [0, 2], "value": [1.5, 2.0],
                          "low": [low] * 2, "high": [low and 2.5] * 2})  # fmt: skip
    chart = figures.curve(table, PRIMARY, "steps", ["maml"], [], pd.DataFrame())
    drawn = figures.svg(figures.specify(chart))
    assert "Mel distortion: 1.50 dB" in drawn
    assert ("interval: 1.20 to 2.50 dB" if low else "interval: none") in drawn
    assert "null" not in drawn


def test_charts_on_the_page_have_no_legend_of_their_own(charts: Gallery) -> None:
    chart = charts["steps"]["mel_distortion"]
    assert all(parts(chart, "legend"))
    assert not any(parts(figures.for_page(chart), "legend"))


def test_arms_can_be_hidden_in_every_chart(charts: Gallery) -> None:
    for place in ("steps", "shots", "speakers", "detection", "training"):
        for chart in charts[place].values():
            assert "hidden" in [param["name"] for param in chart["params"]]


def test_constant_arms_are_told_apart_from_moving_ones(charts: Gallery) -> None:
    rows = [row for row in values(charts["steps"]["mel_distortion"]) if "constant" in row]
    constant = {row["arm"] for row in rows if row["constant"]}
    assert constant == {"average", "prototype"}
    assert {row["steps"] for row in rows if row["arm"] == "average"} == {0, 2, 10}


def test_a_metric_at_one_point_has_no_curve(report: Report) -> None:
    points = report.comparison.points
    elsewhere = (points["metric"] == "mcd") & (points["shots"] != 5)
    charts = draw(
        report.results, replace(report.comparison, points=points[~elsewhere]), report.decision
    )
    assert "mcd" in charts["steps"]
    assert "mcd" not in charts["shots"]


def test_long_training_curves_are_thinned_to_their_means(report: Report) -> None:
    steps = np.arange(1, 1501)
    run = pd.DataFrame({"step": steps, "utterance_gradients": 8.0 * steps, "loss": 1.0,
                        "arm": "maml", "seed": 0})  # fmt: skip
    results = replace(report.results, training=run)
    rows = values(draw(results, report.comparison, report.decision)["training"]["loss"])
    assert len(rows) == TRAINING_POINTS
    assert {row["value"] for row in rows} == {1.0}
    assert rows[0]["utterance_gradients"] == pytest.approx(8 * 5.5)


def test_weights_are_drawn_for_arms_that_adjust_them(report: Report, charts: Gallery) -> None:
    assert list(charts["weights"]) == ["mel", "pitch"]
    rows = values(charts["weights"]["mel"])
    assert {row["arm"] for row in rows} == {"maml"}
    assert {row["seed"] for row in rows} == {0, 1}
    assert (rows[0]["value"], rows[19]["value"]) == (1.0, 12.0)
    training = report.results.training
    fixed = replace(report.results, training=training[training["arm"] != "maml"])
    assert "weight_mel" in fixed.training
    assert draw(fixed, report.comparison, report.decision)["weights"] == {}


def test_rounding_is_no_adjustment() -> None:
    one, other = sum([0.3] * 25) / 25, sum([0.3] * 5) / 5
    assert one != other
    runs = pd.DataFrame({"arm": ["a", "a", "b", "b"], "weight_mel": [1.0, 1.1, one, other]})
    assert set(adjusted(runs)["arm"]) == {"a"}


def test_weights_of_all_tasks_are_drawn_to_one_scale(charts: Gallery) -> None:
    for chart in charts["weights"].values():
        for scale in (y["scale"] for y in parts(chart, "y")):
            assert scale["domain"] == pytest.approx([1 / 12, 12], rel=1e-4)


def test_losses_that_were_never_logged_are_left_out(report: Report) -> None:
    training = report.results.training.assign(phone=np.nan)
    assert losses(training) == ["loss", "mel"]


def test_no_training_curves_is_no_error(report: Report) -> None:
    results = replace(report.results, training=report.results.training.iloc[:0])
    charts = draw(results, report.comparison, report.decision)
    assert charts["training"] == charts["trunk"] == charts["weights"] == {}


def test_no_references_is_no_error(report: Report) -> None:
    comparison = report.comparison
    arms = comparison.speakers["arm"].isin(comparison.arms)
    bare = replace(
        comparison,
        references=comparison.references.iloc[:0],
        speakers=comparison.speakers[arms],
    )
    assert "mel_distortion" in draw(report.results, bare, report.decision)["speakers"]


def test_svg_shows_names_literally(charts: Gallery) -> None:
    svg = figures.svg(charts["speakers"]["mel_distortion"])
    assert "&lt;i&gt;&amp;amp;" in svg
    assert "<i>" not in svg
    assert "pretrain_finetune" in svg  # in the legend
