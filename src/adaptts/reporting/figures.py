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
from scipy.stats import norm

from adaptts.reporting.error_rates import DETECTION
from adaptts.reporting.metrics import Metric

# Grey, sky, blue, vermilion, ochre, purple, green. Seven colours and six symbols: their pairs
# come around again after 42 arms only.
PALETTES = {
    "light": ["#7d7d7d", "#3a9bd1", "#0072b2", "#d55e00", "#c98a00", "#b8578f", "#009e73"],
    "dark": ["#a5a5a5", "#8ecdf5", "#4aa3df", "#f0772b", "#eeb33c", "#dd8fbd", "#2cc295"],
}
SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"]
INKS = {"light": ("#22262b", "#6b7178", "#e3e6ea"), "dark": ("#e6e8eb", "#9aa1a9", "#2e343b")}
SHARES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)  # ticks on probits
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


def detection(table: pd.DataFrame, arms: Sequence[str]) -> Chart:
    """Misses against false alarms on probit axes, a line for each arm and reference.

    table: columns arm, false_alarms, misses (shares of 1) and x, y (their probits). Where a line
    crosses the dashed diagonal is its equal error rate.
    """
    ends = [float(table[["x", "y"]].min().min()), float(table[["x", "y"]].max().max())]
    ticks = [norm.ppf(share) for share in SHARES if ends[0] <= norm.ppf(share) <= ends[1]]
    percent = "format(100 * cumulativeNormal(datum.value), '.2~r')"
    axis = alt.Axis(values=ticks, labelExpr=percent, grid=True)
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("x:Q", scale=scale, axis=axis, title="False alarms (%)")
    y = alt.Y("y:Q", scale=scale, axis=axis, title="Misses (%)")
    tip = ["arm:N", *[alt.Tooltip(f"{each}:Q", format=".1%") for each in DETECTION[1:3]]]
    place = {"x": x, "y": y, "order": alt.Order("x:Q", sort="descending"), "tooltip": tip}
    ours = table["arm"].isin(list(arms))
    lines = _switchable(alt.Chart(table[ours])).mark_line(strokeWidth=2)
    ceilings = [_ceiling(rows, number, place) for number, (_, rows) in
                enumerate(table[~ours].groupby("arm", sort=False))]  # fmt: skip
    diagonal = alt.Chart(pd.DataFrame({"x": ends, "y": ends}))
    layers = [
        diagonal.mark_line(strokeWidth=1, strokeDash=[4, 4]).encode(x=x, y=y),
        *[layer for ceiling in ceilings for layer in ceiling],
        lines.encode(color=_colour(arms), **place),
    ]
    text = "Detection error trade-off: misses of each arm against false alarms"
    return alt.layer(*layers).properties(height=380, description=text)


def _ceiling(rows: pd.DataFrame, number: int, place: dict[str, Any]) -> list[alt.Chart]:
    """The thin line of a reference, named at its right end, where it lies lowest."""
    chart = alt.Chart(rows)
    line = chart.mark_line(strokeWidth=1.2, strokeDash=[[1, 0], [2, 2]][number % 2])
    name = alt.Chart(rows[rows["x"] == rows["x"].max()].tail(1))
    label = name.mark_text(align="right", dy=-6 + 16 * number)
    return [line.encode(**place), label.encode(x=place["x"], y=place["y"], text="arm:N")]


def standing(
    table: pd.DataFrame, cliques: Sequence[Sequence[str]], metric: Metric, arms: Sequence[str]
) -> Chart:
    """Mean ranks of all arms, and bars that join those which a test does not tell apart.

    table: columns arm, rank, low, high, the best first; a critical-difference diagram (Demšar
    2006) with arms as rows, so that long names fit.
    """
    order = table["arm"].tolist()
    rows = alt.Scale(domain=order)
    row = alt.Y("arm:N", title=None, scale=rows)
    reach = alt.Scale(domain=[0.5, len(order) + 0.7 + 0.3 * len(cliques)])
    ticks = alt.Axis(values=list(range(1, len(order) + 1)), grid=True, format="d")
    x = alt.X("rank:Q", scale=reach, axis=ticks, title=f"Mean rank by {metric.title}, 1 is best")
    tip = [alt.Tooltip(f"{name}:Q", format=".1f") for name in ("rank", "low", "high")]
    base = alt.Chart(table).encode(y=row)
    bars = [
        alt.Chart(pd.DataFrame({"first": [clique[0]], "last": [clique[-1]]}))
        .mark_rule(strokeWidth=4)
        .encode(
            x=alt.XDatum(len(order) + 0.7 + 0.3 * number),
            y=alt.Y("first:N", scale=rows),
            y2="last:N",
        )
        for number, clique in enumerate(cliques)
    ]
    layers = [
        base.mark_rule().encode(x=alt.X("low:Q", scale=reach), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x, color=_colour(arms), shape=_shape(arms), tooltip=["arm:N", *tip]
        ),
        *bars,
    ]
    text = f"Mean ranks of all arms by {metric.title}; bars join arms that are not told apart"
    return alt.layer(*layers).properties(height=22 * len(order) + 10, description=text)


def front(table: pd.DataFrame, quality: Metric, arms: Sequence[str]) -> Chart:
    """Quality against seconds of adaptation, for every point that was heard.

    table: columns arm, shots, steps, quality, similarity, compute (seconds of adaptation), front:
    whether no other point beats it; such points are large.
    """
    x = alt.X("compute:Q", scale=alt.Scale(type="symlog", constant=0.1),
              axis=alt.Axis(tickCount=6), title="Seconds of adaptation")  # fmt: skip
    y = alt.Y("quality:Q", scale=alt.Scale(zero=False), title=_title(quality))
    tip = ["arm:N", "shots:Q", "steps:Q", alt.Tooltip("compute:Q", format=".2f"),
           *_numbers(quality, "quality"), alt.Tooltip("similarity:Q", format=".3f")]  # fmt: skip
    base = _switchable(alt.Chart(table)).encode(x=x, y=y)
    points = base.mark_point(filled=True).encode(
        color=_colour(arms),
        shape=_shape(arms),
        size=alt.condition("datum.front", alt.value(130), alt.value(35)),
        opacity=alt.condition("datum.front", alt.value(1), alt.value(0.45)),
        tooltip=tip,
    )
    text = f"{quality.title} against seconds of adaptation; large points are worth their cost"
    return points.properties(height=300, description=text)


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
