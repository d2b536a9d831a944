"""The report's charts, as Altair charts for the page and as SVG files.

An arm has one colour and one symbol in every chart. The colours are those of Okabe and Ito, which
colour-blind readers tell apart, shaded for light and for dark paper; which shade is drawn is a
matter of the chart's configuration (`THEMES`), not of its specification.
"""

import io
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import pandas as pd
import vl_convert
from PIL import Image

from adaptts.reporting.metrics import Metric

# Grey, sky, blue, vermilion, ochre, purple, green. Seven colours and six symbols: their pairs
# come around again after 42 arms only.
PALETTES = {
    "light": ["#7d7d7d", "#3a9bd1", "#0072b2", "#d55e00", "#c98a00", "#b8578f", "#009e73"],
    "dark": ["#a5a5a5", "#8ecdf5", "#4aa3df", "#f0772b", "#eeb33c", "#dd8fbd", "#2cc295"],
}
SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"]
INKS = {"light": ("#22262b", "#6b7178", "#e3e6ea"), "dark": ("#e6e8eb", "#9aa1a9", "#2e343b")}
COLUMN = 320  # pixels of a figure's axes, for a column of some 90 mm
PNG_SCALE = 3  # pixels of a PNG for each of an SVG
WIDE = 8  # a ratio of losses that needs a logarithmic axis

Specification = dict[str, Any]
Chart = alt.Chart | alt.LayerChart | alt.FacetChart
Axis = Literal["steps", "shots"]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def theme(mode: str) -> dict[str, Any]:
    """Vega-Lite's configuration for `mode`, light or dark."""
    ink, muted, grid = INKS[mode]
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": PALETTES[mode], "symbol": SYMBOLS},
        "axis": {
            "domainColor": muted,
            "tickColor": muted,
            "gridColor": grid,
            "labelColor": muted,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 110,
            "labelOverlap": "parity",
            "labelSeparation": 6,
        },
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False, "titleAngle": 0, "titleAlign": "left",
                  "titleAnchor": "end", "titleY": -10, "titleX": 0},
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "symbolSize": 70},
        "title": {"color": ink, "anchor": "start", "fontSize": 13, "fontWeight": "normal"},
        "rule": {"color": muted},
        "tick": {"color": muted},
        "line": {"color": muted},
        "text": {"color": muted, "fontSize": 11},
    }  # fmt: skip


def curve(
    summary: pd.DataFrame,
    metric: Metric,
    axis: Axis,
    arms: Sequence[str],
    constant_arms: Sequence[str],
    references: pd.DataFrame,
) -> Chart:
    """A metric against steps or shots, with a line and a band of its interval for each arm.

    summary: columns arm, `axis`, value, low, high; a row per point. Constant arms hold one value at
    every step: they are drawn dashed, without symbols.
    references: columns arm, value; drawn as labelled horizontal rules.
    """
    table = summary.assign(constant=summary["arm"].isin(list(constant_arms)))
    x, value = _along(axis, sorted(table[axis].unique())), _value(metric)
    base = _switchable(alt.Chart(table)).encode(x=x, color=_colour(arms))
    band = (
        base.mark_area(opacity=0.1)
        .encode(y=value, y2="high:Q")
        .transform_calculate(value="datum.low")
    )
    dash = alt.condition("datum.constant", alt.value([5, 4]), alt.value([1, 0]))
    line = base.mark_line(strokeWidth=2).encode(y=value, strokeDash=dash)
    tip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip(f"{axis}:Q"),
        *_numbers(metric, "value", "low", "high"),
    ]
    points = (
        base.transform_filter(f"!datum.constant || datum.{axis} == {table[axis].max()}")
        .mark_point(filled=True, size=55, opacity=1)
        .encode(y=value, shape=_shape(arms), tooltip=tip)
    )
    # Few speakers have no intervals; Vega warns of an area without any.
    bands = [band] if summary["low"].notna().any() else []
    chart = alt.layer(*bands, line, points, *_rules(references, value))
    return chart.properties(height=300, description=f"{metric.title} of each arm against {axis}")


def speakers(
    table: pd.DataFrame,
    unit: str,
    metric: Metric,
    arms: Sequence[str],
    references: pd.DataFrame,
) -> Chart:
    """A metric for every speaker and arm, as dots.

    table and references: columns arm, speaker, value; references are drawn as ticks. `unit` is
    what a speaker is here.
    """
    rows = [*references["arm"].unique(), *arms]
    speaker = alt.Y("speaker:N", title=None, axis=alt.Axis(grid=True, tickBand="extent"))
    row = alt.YOffset("arm:N", scale=alt.Scale(domain=rows, paddingOuter=1))
    value = alt.X("value:Q", scale=alt.Scale(zero=False), title=_title(metric))
    place = {"x": value, "y": speaker, "yOffset": row}
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("speaker:N", title=unit), *_numbers(metric, "value")]
    dots = _switchable(alt.Chart(table)).mark_point(filled=True, size=60, opacity=1)
    ticks = alt.Chart(references).mark_tick(thickness=2, size=9)
    layers = [
        *([] if references.empty else [ticks.encode(**place, tooltip=tip)]),
        dots.encode(**place, tooltip=tip, color=_colour(arms), shape=_shape(arms)),
    ]
    height = table["speaker"].nunique() * (16 + 9 * len(rows))
    text = f"{metric.title} of each arm for each {unit}"
    return alt.layer(*layers).properties(height=height, description=text)


def training(table: pd.DataFrame, loss: str, arms: Sequence[str]) -> Chart:
    """A loss along training, a line per run.

    table: columns arm, seed, utterance_gradients and `loss`. Without `arms`, the runs are drawn
    in the ink of the axes.
    """
    # Strategies weigh their losses differently; a weighted one may be negative.
    scale = _scale(table[loss]) or alt.Scale(zero=False)
    chart = _runs(table, loss, arms, f"{loss}, on training batches", scale, alt.Axis(tickCount=4))
    return chart.properties(height=240, description=f"{loss} of each run along training")


def weights(
    table: pd.DataFrame, weight: str, arms: Sequence[str], domain: tuple[float, float]
) -> Chart:
    """The weight of a task along training, a line per run: one of several small charts.

    table: as for `training`, with the column `weight`; domain: the least and the largest weight of
    any task.
    """
    scale, axis = _scale(pd.Series(domain)) or alt.Scale(), alt.Axis(tickCount=4)
    if scale["type"] == "log":
        ticks = [digit * 10.0**power for power in range(-9, 9) for digit in (1, 3)]
        axis = alt.Axis(values=[tick for tick in ticks if domain[0] <= tick <= domain[1]])
    scale["domain"] = list(domain)
    title = weight.replace("_", " of ", 1)
    chart = _runs(table, weight, arms, title, scale, axis)
    return chart.properties(height=150, description=f"The {title} of each run along training")


def _scale(values: pd.Series) -> alt.Scale | None:
    """A logarithmic axis, where the values need one and have one."""
    wide = values.min() > 0 and values.max() > WIDE * values.min()
    return alt.Scale(type="log") if wide else None


def _runs(
    table: pd.DataFrame,
    column: str,
    arms: Sequence[str],
    title: str,
    scale: alt.Scale,
    axis: alt.Axis,
) -> alt.Chart:
    """A line per run along training."""
    lines = table[["arm", "seed", "utterance_gradients"]].assign(value=table[column])
    chart = _switchable(alt.Chart(lines.dropna(subset=["value"])))
    tip = ["arm:N", "seed:N", "utterance_gradients:Q", alt.Tooltip("value:Q", format=".4f")]
    # With a fixed end, the axis stays while all arms of a chart are hidden.
    along = alt.Scale(domain=[0, float(table["utterance_gradients"].max())])
    chart = chart.mark_line(strokeWidth=1.5).encode(
        x=alt.X("utterance_gradients:Q", title="Utterance-gradients", scale=along,
                axis=alt.Axis(tickCount=6)),
        y=alt.Y("value:Q", title=title, scale=scale, axis=axis),
        detail="seed:N",
        tooltip=tip,
    )  # fmt: skip
    return chart.encode(color=_colour(arms)) if arms else chart


def specify(chart: Chart) -> Specification:
    """The chart in Vega-Lite, with a legend of the arms and without a theme."""
    return chart.to_dict(validate=False) | {"config": {}}


def for_page(specification: Specification) -> Specification:
    """The chart as wide as its place, without legend: the page has one for all its charts."""
    fitted = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    return _without_legend(specification) | fitted


def svg(specification: Specification, width: int = COLUMN) -> str:
    """The chart as an SVG document on white paper, of which `width` pixels are axes.

    At the width of a paper's column, its letters have about 8 points.
    """
    config = theme("light") | {"background": "white", "padding": 4}
    legend = {"orient": "bottom", "columns": 2, "symbolLimit": 0, "labelLimit": 0}
    config["legend"] = config["legend"] | legend
    return vl_convert.vegalite_to_svg(specification | {"width": width, "config": config})


def png(drawing: str) -> bytes:
    """An SVG document as PNG, at 300 dots per inch about as wide as a paper's column."""
    picture = Image.open(io.BytesIO(vl_convert.svg_to_png(drawing, scale=PNG_SCALE)))
    encoded = io.BytesIO()
    picture.convert("RGB").save(encoded, "png", dpi=(300, 300))  # less than half the bytes
    return encoded.getvalue()


def _without_legend(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_legend(each) for each in part]
    if isinstance(part, dict):
        return {key: None if key == "legend" else _without_legend(each)
                for key, each in part.items()}  # fmt: skip
    return part


def _along(axis: Axis, ticks: Sequence[float]) -> alt.X:
    # Few steps and few shots matter most; a logarithm gives them room, and symlog has a zero.
    scale = alt.Scale(type="symlog" if axis == "steps" else "log", nice=False)
    title = {"steps": "Adaptation steps", "shots": "Shots: utterances of the new voice"}[axis]
    marks = alt.Axis(values=[int(tick) for tick in ticks], format="d")
    return alt.X(f"{axis}:Q", scale=scale, axis=marks, title=title)


def _value(metric: Metric) -> alt.Y:
    return alt.Y("value:Q", scale=alt.Scale(zero=False), title=_title(metric))


def _title(metric: Metric) -> str:
    return f"{metric.label}, {'lower' if metric.lower_is_better else 'higher'} is better"


def _numbers(metric: Metric, *fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:Q", format=f".{metric.digits}f") for field in fields]


def _colour(arms: Sequence[str]) -> alt.Color:
    return alt.Color(
        "arm:N", scale=alt.Scale(domain=list(arms)), legend=alt.Legend(title=None, symbolOpacity=1)
    )


def _shape(arms: Sequence[str]) -> alt.Shape:
    return alt.Shape(
        "arm:N", scale=alt.Scale(domain=list(arms)), legend=alt.Legend(title=None, symbolOpacity=1)
    )


def _switchable(chart: alt.Chart) -> alt.Chart:
    """Let the page hide arms by setting the parameter `hidden`."""
    hidden = alt.param(name="hidden", value=[])
    return chart.add_params(hidden).transform_filter("indexof(hidden, datum.arm) < 0")


def _rules(references: pd.DataFrame, value: alt.Y) -> list[alt.Chart]:
    if references.empty:
        return []
    base = alt.Chart(references).encode(y=value)
    label = base.mark_text(align="right", baseline="bottom", dy=-3)
    return [
        base.mark_rule(strokeWidth=1.2),
        label.encode(x=alt.value("width"), text="arm:N"),
    ]
