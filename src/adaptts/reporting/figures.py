"""The report's charts, as Altair charts for the page and as SVG files.

An arm has one colour and one symbol in every chart. The colours have the hues of Okabe and Ito's,
in shades for light and for dark paper that colour-blind readers tell apart; which shade is drawn is
a matter of the chart's configuration (`theme`), not of its specification.
"""

import io
import json
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import pandas as pd
import vl_convert
from PIL import Image
from scipy.stats import norm

from adaptts.reporting.error_rates import DETECTION
from adaptts.reporting.metrics import Metric

# Grey, vermilion, blue, ochre, sky, green, purple: the first of them are the furthest apart. Any
# two differ by 38 in CIELAB (1976), and by 19 for readers without one kind of cones (Machado et
# al. 2009). Seven colours and six symbols: their pairs come around again after 42 arms only.
PALETTES = {
    "light": ["#8d8d8d", "#b23e00", "#014d8f", "#bc8b09", "#0a9fcf", "#278052", "#863d6a"],
    "dark": ["#808080", "#c45b1f", "#117cc4", "#e7aa0a", "#b1e7ff", "#18c083", "#cd8ac1"],
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
INTERVAL = alt.Tooltip("interval:N")
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
        "point": {"color": muted},
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
    tip = [alt.Tooltip("arm:N"), alt.Tooltip(f"{axis}:Q"), *_told(metric), INTERVAL]
    points = (
        base.transform_calculate(told=_written(metric), interval=_between(metric))
        .transform_filter(f"!datum.constant || datum.{axis} == {table[axis].max()}")
        .mark_point(filled=True, size=55, opacity=1)
        .encode(y=value, shape=_shape(arms), tooltip=tip)
    )
    # Few speakers have no intervals; Vega warns of an area without any.
    bands = [band] if summary["low"].notna().any() else []
    chart = alt.layer(*bands, line, points, *_rules(references, value))
    return chart.properties(height=300, description=f"{metric.label} of each arm against {axis}")


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
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("speaker:N", title=unit), *_told(metric)]
    told = {"told": _written(metric)}
    dots = _switchable(alt.Chart(table)).transform_calculate(**told)
    dots = dots.mark_point(filled=True, size=60, opacity=1)
    ticks = alt.Chart(references).transform_calculate(**told).mark_tick(thickness=2, size=9)
    layers = [
        *([] if references.empty else [ticks.encode(**place, tooltip=tip)]),
        dots.encode(**place, tooltip=tip, color=_colour(arms), shape=_shape(arms)),
    ]
    height = table["speaker"].nunique() * (16 + 9 * len(rows))
    text = f"{metric.label} of each arm for each {unit}"
    return alt.layer(*layers).properties(height=height, description=text)


def detection(table: pd.DataFrame, equal: pd.DataFrame, arms: Sequence[str]) -> Chart:
    """Misses against false alarms on probit axes, a line for each arm and reference.

    table: columns arm, false_alarms, misses (shares of 1) and x, y (their probits). equal: columns
    arm, eer (in percent), place (its probit, on both axes) and exact; where the axes have no place
    for the rate, the symbol is hollow.
    """
    ends = [float(table[["x", "y"]].min().min()), float(table[["x", "y"]].max().max())]
    ticks = [norm.ppf(share) for share in SHARES if ends[0] <= norm.ppf(share) <= ends[1]]
    percent = "format(100 * cumulativeNormal(datum.value), '.2~r')"
    axis = alt.Axis(values=ticks, labelExpr=percent, grid=True)
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("x:Q", scale=scale, axis=axis, title="False alarms (%)")
    y = alt.Y("y:Q", scale=scale, axis=axis, title="Misses (%)")
    tip = ["arm:N", *[alt.Tooltip(f"{each}:Q", format=".1%", title=each.replace("_", " "))
                      for each in DETECTION[1:3]]]  # fmt: skip
    place = {"x": x, "y": y, "order": alt.Order("x:Q", sort="descending"), "tooltip": tip}
    ours = table["arm"].isin(list(arms))
    lines = _switchable(alt.Chart(table[ours])).mark_line(strokeWidth=2)
    ceilings = [
        alt.Chart(rows).mark_line(strokeWidth=1.2, strokeDash=[[1, 0], [2, 2]][number % 2])
        for number, (_, rows) in enumerate(table[~ours].groupby("arm", sort=False))
    ]
    diagonal = alt.Chart(pd.DataFrame({"x": ends, "y": ends}))
    layers = [
        diagonal.mark_line(strokeWidth=1, strokeDash=[4, 4]).encode(x=x, y=y),
        *[line.encode(**place) for line in ceilings],
        lines.encode(color=_colour(arms), **place),
        *_crossings(equal, arms, scale),
    ]
    text = "Detection error trade-off: misses of each arm against false alarms, and EERs (%)"
    return alt.layer(*layers).properties(height=380, description=text)  # fmt: skip


def _crossings(equal: pd.DataFrame, arms: Sequence[str], scale: alt.Scale) -> list[alt.Chart]:
    """Equal error rates on the diagonal: symbols of arms, and references by their names."""
    place = {"x": alt.X("place:Q", scale=scale), "y": alt.Y("place:Q", scale=scale)}
    tip = ["arm:N", alt.Tooltip("rate:N", title="EER")]
    rate = "format(datum.eer, '.1f') + ' %'"
    ours = equal["arm"].isin(list(arms))
    points = _switchable(alt.Chart(equal[ours])).transform_calculate(rate=rate)
    points = points.mark_point(size=80, strokeWidth=2, opacity=1).encode(
        **place,
        color=_colour(arms),
        shape=_shape(arms),
        fill=alt.condition("datum.exact", _colour(arms), alt.value("transparent")),
        tooltip=tip,
    )
    layers = [points]
    for number, (_, row) in enumerate(equal[~ours].groupby("arm", sort=False)):
        base = alt.Chart(row).transform_calculate(rate=rate).encode(**place, tooltip=tip)
        # One name above its point and the next below: they do not meet.
        name = base.mark_text(align="left", dx=8, dy=10 if number % 2 else -8)
        layers += [base.mark_tick(thickness=2, size=11, orient="vertical"),
                   name.encode(text="arm:N")]  # fmt: skip
    return layers


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
    tip = ["arm:N", alt.Tooltip("rank:Q", format=".1f", title="mean rank"), INTERVAL]
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
        base.transform_calculate(interval=_between())
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, color=_colour(arms), shape=_shape(arms), tooltip=tip),
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
    tip = ["arm:N", "shots:Q", "steps:Q", alt.Tooltip("spent:N", title="adaptation"),
           *_told(quality), alt.Tooltip("similarity:Q", format=".3f")]  # fmt: skip
    base = _switchable(alt.Chart(table)).encode(x=x, y=y)
    base = base.transform_calculate(
        told=_written(quality, "quality"), spent="format(datum.compute, '.2f') + ' s'"
    )
    points = base.mark_point(filled=True).encode(
        color=_colour(arms),
        shape=_shape(arms),
        size=alt.condition("datum.front", alt.value(130), alt.value(35)),
        opacity=alt.condition("datum.front", alt.value(1), alt.value(0.45)),
        tooltip=tip,
    )
    text = f"{quality.label} against seconds of adaptation; large points are worth their cost"
    return points.properties(height=300, description=text)


def training(table: pd.DataFrame, loss: str, arms: Sequence[str]) -> Chart:
    """A loss along training, a line per run.

    table: columns arm, seed, utterance_gradients and `loss`. Without `arms`, the runs are drawn
    in the ink of the axes.
    """
    # Strategies weigh their losses differently; a weighted one may be negative.
    # Of a single value there is no axis but from 0.
    scale = _scale(table[loss]) or alt.Scale(zero=table[loss].nunique() < 2)
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
) -> Chart:
    """A line per run along training, and its symbol where it ends."""
    lines = table[["arm", "seed", "utterance_gradients"]].assign(value=table[column])
    base = _switchable(alt.Chart(lines.dropna(subset=["value"])))
    tip = ["arm:N", "seed:N", alt.Tooltip("utterance_gradients:Q", title="utterance-gradients"),
           alt.Tooltip("value:Q", format=".4f", title=title)]  # fmt: skip
    # With a fixed end, the axis stays while all arms of a chart are hidden.
    along = alt.Scale(domain=[0, float(table["utterance_gradients"].max())])
    base = base.encode(
        x=alt.X("utterance_gradients:Q", title="Utterance-gradients", scale=along,
                axis=alt.Axis(tickCount=6)),
        y=alt.Y("value:Q", title=title, scale=scale, axis=axis),
        detail="seed:N",
        tooltip=tip,
    )  # fmt: skip
    # A run that was recorded once is a symbol alone.
    last = base.transform_joinaggregate(
        last="max(utterance_gradients)", groupby=["arm", "seed"]
    ).transform_filter("datum.utterance_gradients == datum.last")
    line, end = base.mark_line(strokeWidth=1.5), last.mark_point(filled=True, size=45, opacity=1)
    if arms:
        line = line.encode(color=_colour(arms))
        end = end.encode(color=_colour(arms), shape=_shape(arms))
    return alt.layer(line, end)


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
    # The padding holds what stands below the lowest line.
    return alt.Y("value:Q", scale=alt.Scale(zero=False, padding=16), title=_title(metric))


def _title(metric: Metric) -> str:
    return f"{metric.label}, {'lower' if metric.lower_is_better else 'higher'} is better"


def _told(metric: Metric) -> list[alt.Tooltip]:
    """What a chart says of the value `_written` of a symbol."""
    return [alt.Tooltip("told:N", title=metric.title)]


def _written(metric: Metric, field: str = "value") -> str:
    """Vega's expression of a value with its unit."""
    unit = json.dumps(f" {metric.unit}".rstrip())
    return f"format(datum.{field}, '.{metric.digits}f') + {unit}"


def _between(metric: Metric | None = None) -> str:
    """Vega's expression of an interval, of ranks without a metric."""
    digits, unit = (metric.digits, f" {metric.unit}".rstrip()) if metric else (1, "")
    low, high = (f"format(datum.{end}, '.{digits}f')" for end in ("low", "high"))
    return f"isValid(datum.low) ? {low} + ' to ' + {high} + {json.dumps(unit)} : 'none'"


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
    base = alt.Chart(references)
    # The highest is named above its line and the lowest below: they do not meet where they are
    # close. A third one is named at the other end.
    order = references.sort_values("value")["arm"].tolist()
    labels = []
    for place, name in enumerate(order):
        below = place == 0 and len(order) > 1
        at_end = place in (0, len(order) - 1)
        text = base.transform_filter(alt.datum["arm"] == name).mark_text(
            align="right" if at_end else "left",
            baseline="top" if below else "bottom",
            dy=4 if below else -3,
        )
        labels.append(text.encode(y=value, x=alt.value("width" if at_end else 0), text="arm:N"))
    return [base.mark_rule(strokeWidth=1.2).encode(y=value), *labels]
