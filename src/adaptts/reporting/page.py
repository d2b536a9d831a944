"""The report's page: one HTML file that opens from the file system, without any network.

The libraries that draw the charts are inlined; sound and its pictures lie beside the page in
`audio/`. Text from the corpus and from parameters is escaped by the template, and as JSON where
scripts read it.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from adaptts.evaluation.statistics import LEAST_SPEAKERS, least_p_value
from adaptts.params import BudgetUnit, PointParams
from adaptts.reporting import (
    advice,
    captions,
    conventions,
    error_rates,
    explorer,
    figures,
    gallery,
    listening,
    methods,
    missing,
    origins,
    recognisers,
    tables,
    utterances,
)
from adaptts.reporting.answer import answer, counted, listed
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.costs import summarise
from adaptts.reporting.decision import Decision
from adaptts.reporting.gallery import Gallery
from adaptts.reporting.metrics import BY_NAME, METRICS, PRIMARY
from adaptts.reporting.opinion import Opinions
from adaptts.reporting.results import RETAKE, Results
from adaptts.reporting.sanity import Check
from adaptts.reporting.tables import Cell, Grid

SCRIPTS = ["page.js", "sound.js", "tables.js", "panel.js", "charts.js"]  # in this order
VEGA_LITE = "6.4"  # the version of vl-convert that Altair 6 writes for
# The symbols of figures.SYMBOLS around 0, for the legends outside of charts.
PATHS = {
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "square": "M-4-4h8v8h-8z",
    "diamond": "M0-5.2L4.4 0L0 5.2L-4.4 0z",
    "triangle-up": "M0-4.6L5 4H-5z",
    "triangle-down": "M0 4.6L5-4H-5z",
    "cross": "M-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
}
SECTIONS = {
    "headline": "Headline",
    "curves": "Curves",
    "speakers": "Speakers",
    "listen": "Listen",
    "cost": "Cost",
    "decide": "Decide",
    "training": "Training",
    "sanity": "Sanity",
    "methods": "Methods",
    "reproduce": "Reproduce",
}
# What was made equal, and how a step was charged for it.
BUDGETS: Mapping[BudgetUnit, str] = {
    "utterance_gradients": "second-order arms are charged what they really compute.",
    "cpu_seconds": (
        "a step is charged the CPU time of its gradients beside such passes when its training "
        "began. So the arms' CPU time for gradients is what was made equal, and the numbers of "
        "steps, and with them all results, depend on the machine."
    ),
}


@dataclass(frozen=True)
class Provenance:
    """What the report was made from and with."""

    params_text: str  # params.yaml as it stands
    software: list[tuple[str, str]]  # name and version, commit, platform
    data: list[tuple[str, str]]  # output of a stage and its hash
    commit: str = "unknown"
    outputs: Mapping[str, str] = field(default_factory=dict)  # each out in dvc.lock → its hash
    runs: Mapping[str, str] = field(default_factory=dict)  # stage → its run in MLflow
    run_pages: str = ""  # where the server shows a run, before its id; "" if there is no server
    run_command: str = ""  # what shows the runs where there is no server


def render(
    results: Results,
    comparison: Comparison,
    checks: Sequence[Check],
    decision: Decision,
    charts: Gallery,
    provenance: Provenance,
    opinions: Opinions | None = None,
) -> str:
    """The page, as HTML. Clips stand where `listening.copy` puts them."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shelf = listening.shelve(results)
    drawn = {
        place: {name: figures.for_page(chart) for name, chart in variants.items()}
        for place, variants in charts.items()
    }
    headline, differences = tables.headline(results, comparison), tables.differences(comparison)
    metrics = comparison.metrics()
    payload = {
        "listen": shelf and asdict(shelf),
        "themes": _themes(),
        "places": [
            {**asdict(point), "title": f"At {_place(point)}", "name": listening.named(point)}
            for point in explorer.places(results, comparison)
        ],
        "speakers": results.test_speakers,
        "labels": {metric.name: metric.label for metric in metrics},
        "still": comparison.zero_step_arms,
        "heard": [listening.named(point) for point in listening.points(results)],
        "origins": origins.trace(results, provenance),
    }
    arms = _arms(results)
    environment.filters["shorten"] = gallery.shorten
    by_convention, features = conventions.tabulate(results), results.experiment.features
    return environment.get_template("page.html").render(
        **_opening(results, comparison, checks, opinions),
        **_captions(results, comparison),
        sections={**SECTIONS, "speakers": f"{results.unit.capitalize()}s"},
        unit=results.unit,
        mels=features.mels,
        mel_max=f"{features.mel_max_hz / 1000:g}",
        arms=arms,
        by_name={arm["name"]: arm for arm in arms},
        palettes=figures.PALETTES,
        metrics=metrics,
        conventions=conventions.grid(results, by_convention),
        conventions_caption=conventions.caption(results, by_convention),
        headline=headline,
        voice=tables.voice(results, comparison),
        differences=differences,
        differences_by_step=tables.differences_by_step(comparison),
        ranks=tables.ranks(comparison),
        standings=tables.standings(comparison),
        power=tables.power(comparison),
        rank_metrics=_metrics_of(charts["ranks"]),
        recognisers=recognisers.grid(recognisers.summarise(results, comparison), comparison),
        cost=tables.cost(summarise(results)),
        decision=_decision(results, comparison, decision),
        tuning=tables.tuning(results),
        sanity=tables.sanity(checks),
        missing=tables.missing(missing.tabulate(results)),
        audit=_audit(results),
        versions=tables.pairs("Made with", ["What", "Version"], provenance.software),
        data=tables.pairs("Data, as dvc.lock has them", ["Output", "MD5"], provenance.data),
        params_text=provenance.params_text,
        methods=methods.plain(methods.write(results, comparison, dict(provenance.software))),
        curve_metrics=_metrics_of(charts["steps"] | charts["shots"]),
        speaker_metrics=_metrics_of(charts["speakers"]),
        losses=[(name, name) for name in charts["training"] or charts["trunk"]],
        tasks=list(charts["weights"]),
        has_trials=bool(charts["detection"]),
        few_trials=_few_trials(comparison),
        has_sound=shelf is not None,
        opinions=opinions and opinions.grid(results.experiment.report.confidence),
        opinions_caption=opinions and opinions.caption(results.unit),
        payloads={
            "report": embed(payload),
            "figures": embed(drawn),
            "views": embed(_views(results, comparison, differences)),
            "utterances": embed(utterances.collect(results, comparison)),
        },
        css=Markup(_source("page.css")),
        script=Markup("\n".join(map(_source, SCRIPTS))),
        vega=Markup(libraries()),
    )


def _decision(results: Results, comparison: Comparison, decision: Decision) -> dict[str, Any]:
    """What decision.html shows."""
    unit, steps = results.unit, comparison.headline.steps
    beside = captions.Inference.of(results, comparison).beside
    return {
        "options": len(decision.options),
        "start": advice.start(decision, comparison) if len(decision.options) else {},
        "recommended": advice.recommended(decision),
        "recommended_caption": (
            f"Chosen by the validation {unit}s' mean {PRIMARY.title.lower()}, with the first seed, "
            f"among all numbers of shots and of steps up to {steps}, where trials are judged. "
            f"Beside it the test {unit}s', which nothing is chosen by{beside}. An utterance is "
            f"counted as {results.utterance_seconds:.2g} s, the corpus' mean; compute is of the "
            f"machine that ran the stages."
        ),
        "lacking": (
            f"a {unit} that validates in one fold is tested in another."
            if results.splits
            else "there are no validation curves below tuning/, no times of adaptation or no "
            "lengths of utterances."
        ),
        "reached": advice.reached(decision, comparison),
        "reached_caption": (
            f"Whole steps until the mean over the test {unit}s is there{beside}. Between the "
            f"measured numbers of steps the curves are taken to be straight; not reached: not "
            f"within {decision.last_step} steps."
        ),
        "front": advice.front(decision),
        "front_caption": (
            "Every point where sound was measured. A point is large where no other is at least as "
            f"good in {decision.quality.title}, similarity, seconds of adaptation and shots and "
            "better in one of them; times within a tenth are equal. Training is left out, because "
            "all arms may spend the same."
        ),
        "payload": embed(advice.payload(decision)),
        "script": Markup(_source("decision.js")),
    }


def embed(values: Any) -> Markup:
    """JSON that a script element holds: nothing in it can end the element."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for special in "<>&\u2028\u2029":
        text = text.replace(special, f"\\u{ord(special):04x}")
    return Markup(text)


@functools.cache
def libraries() -> str:
    """The JavaScript of Vega, Vega-Lite and Vega-Embed."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)


def _views(results: Results, comparison: Comparison, differences: Grid) -> list[list[Any]]:
    """[point][speaker, all first]: the tables that the reader may choose there."""
    metrics = comparison.metrics(main=True)
    compared = [BY_NAME[column.metric] for column in differences.columns[1:]]
    views: dict[PointParams, list[Any]] = {}
    for view in explorer.explore(results, comparison):
        grids = [
            tables.headline(results, view.comparison, metrics, view.speaker),
            tables.differences(view.comparison, compared, view.speaker),
        ]
        views.setdefault(view.point, []).append({grid.name: _as_json(grid) for grid in grids})
    return list(views.values())


def _as_json(grid: Grid) -> dict[str, Any]:
    """A grid as tables.js fills it in."""
    return {
        "caption": grid.caption,
        "rows": {row.name: [_trimmed(cell) for cell in row.cells] for row in grid.rows},
    }


def _trimmed(cell: Cell) -> list[Any]:
    """A cell without what is empty at the end: the views hold thousands of them."""
    parts = [cell.text, gallery.shorten(cell.value), cell.mark, cell.lines, cell.warning]
    while parts[-1] in (None, "", []):
        parts.pop()
    return parts


def _place(point: PointParams) -> str:
    return f"{counted(point.shots, 'shot')} and {counted(point.steps, 'step')}"


def _themes() -> dict[str, Any]:
    """The charts' configuration for light and for dark paper."""
    return {mode: figures.theme(mode) for mode in figures.PALETTES}


def _source(name: str) -> str:
    return (files("adaptts.reporting") / name).read_text(encoding="utf-8")


def _arms(results: Results) -> list[dict[str, Any]]:
    """Every arm of the experiment with its colour and symbol, which the charts give it as well."""
    colours, symbols = len(figures.PALETTES["light"]), len(figures.SYMBOLS)
    return [
        {"name": arm, "colour": place % colours, "path": PATHS[figures.SYMBOLS[place % symbols]]}
        for place, arm in enumerate(results.experiment.arms)
    ]


def _metrics_of(charts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(metric.name, metric.label) for metric in METRICS if metric.name in charts]


def _opening(
    results: Results,
    comparison: Comparison,
    checks: Sequence[Check],
    opinions: Opinions | None,
) -> dict[str, Any]:
    experiment, corpus = results.experiment, results.corpus
    episodes, seeds = experiment.episodes, experiment.seeds
    name = " ".join(str(corpus.get(key, "")) for key in ("name", "version")).strip()
    facts = [
        ("Corpus", name or experiment.corpus.reader),
        ("Licence", str(corpus.get("licence", "not recorded"))),
        ("New voices", f"{counted(len(results.test_speakers), f'test {results.unit}')}, "
                       f"{counted(episodes.queries, 'sentence')} each"),
        ("Arms", f"{len(comparison.arms)} of {len(experiment.arms)} with results"),
        *([("Folds", f"{len(results.splits)}, each with models of its own")]
          if results.splits else []),
        ("Seeds", f"{len(seeds)} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"),
        ("Shots", ", ".join(map(str, episodes.shots))),
        ("Steps", ", ".join(map(str, experiment.adaptation.steps))),
    ]  # fmt: skip
    flags, tested = sum(check.outcome == "flag" for check in checks), len(results.test_speakers)
    notices = [
        *[f"The arm {arm} failed and has no results. {reason}."
          for arm, reason in results.failed.items()],
        *results.absent,
        *([f"With {counted(tested, f'test {results.unit}')} there are no intervals, and no "
           f"difference is told from chance: that takes {LEAST_SPEAKERS} at least."]
          if tested < LEAST_SPEAKERS else []),
        *(["The answers in listening/answers.csv are to a listening test with other sounds than "
           "this report's, and are not shown."]
          if len(results.answers) and opinions is None else []),
        *[f"The audit of the split was relaxed: {relaxed}." for relaxed in _relaxed(results)],
        *([f"{counted(flags, 'sanity check')} of {len(checks)} flagged; see Sanity below."]
          if flags else []),
    ]  # fmt: skip
    return {
        "name": experiment.name,
        "answer": answer(results, comparison),
        "facts": facts,
        "notices": notices,
        "shots": counted(comparison.headline.shots, "utterance"),
    }


def _relaxed(results: Results) -> list[str]:
    return [str(rule).rstrip(".") for rule in results.audit.get("relaxed", [])]


def _captions(results: Results, comparison: Comparison) -> dict[str, str]:
    point, report = comparison.headline, results.experiment.report
    unit, speakers = results.unit, comparison.speakers["speaker"].nunique()
    place, said = _place(point), captions.Inference.of(results, comparison)
    retake = f" There is no {RETAKE} row: {results.retake_note}." if results.retake_note else ""
    fixed = listed(comparison.zero_step_arms)
    constant = f" Dashed: {fixed}, without gradient steps." if comparison.zero_step_arms else ""
    family = int(comparison.differences["p_holm"].notna().sum())
    names = listed([BY_NAME[name].title for name in comparison.planned] or ["none"])
    plan = f" (all arms with {comparison.baseline} by {names})" if family else ""
    return {
        "headline_title": f"At {place}",
        "steps_title": f"Against steps, with {counted(point.shots, 'shot')}",
        "shots_title": f"Against shots, after {counted(point.steps, 'step')}",
        "headline_caption": (
            f"Bold is the best mean, of the arms that lack no value that another has. "
            f"{said.headline} Error rates are of all words or characters together.{retake} Click "
            f"on a cell, or press Enter on it, to hear and see its utterances."
        ),
        "differences_caption": (
            f"{said.differences} p: two-sided permutation test over {unit}s, after Holm's "
            f"correction over the "
            f"{counted(family, 'planned comparison')}{plan}; p*: not "
            f"planned, so without correction. {counted(speakers, unit)} cannot give less than "
            f"{least_p_value(speakers):.2g} before it. d: the difference in standard deviations "
            f"between {unit}s, with Hedges' correction."
        ) if len(comparison.differences) else "There is no second arm to compare with.",
        "ranks_caption": (
            f"Arms by their mean rank over test {unit}s. {said.ranks} A bar joins arms "
            f"whose mean ranks lie within Nemenyi's critical difference: that "
            f"test does not tell them apart."
        ),
        "standings_caption": (
            f"{said.standings} Friedman's and Nemenyi's tests see "
            f"ranks alone, and of few {unit}s they tell next to nothing; permutation tests of all "
            f"pairs are corrected by Holm's method over the pairs of a metric."
        ),
        "power_caption": (
            f"Medians over the arms, and their range, from how much the differences vary between "
            f"{unit}s here; at a level of {1 - report.confidence:.2g}, two-sided."
        ),
        "differences_by_step_caption": (
            f"With {counted(point.shots, 'shot')}. {said.differences_by_step}"
        ),
        "curves_caption": (
            f"{said.curves} The buttons hide and show "
            f"arms in every chart and table; point at a symbol to read its values, or open them as "
            f"a table. Metrics that need sound are measured at fewer points.{constant}"
        ),
        "speakers_caption": (
            f"Means of each test {unit} at {place}. Ticks: recordings, and recordings through the "
            f"vocoder, where they are measured."
        ),
        "detection_caption": (
            f"At {place}. A threshold on similarity decides whether an utterance is an enrolled "
            f"test {unit}'s; misses against false alarms as it falls, on probit axes. Symbols on "
            f"the dashed diagonal are the equal error rates of the tables (EER). These axes have "
            f"no place for 0: what never happened is drawn as half a trial, and an EER below "
            f"that as a hollow symbol. Of fewer than {error_rates.LEAST_TRIALS} trials of either "
            f"kind no line is drawn. Thin: recordings; dotted: recordings through the vocoder."
        ),
        "listen_caption": (
            "One recording plays at a time. All arms say the same sentences, with the first seed; "
            "arms without gradient steps sound the same at every step count."
        ),
        "cost_caption": (
            "An utterance-gradient is what one pass forward and backward of the acoustic model "
            f"takes for one utterance; {BUDGETS[results.experiment.training.budget]} "
            "The trunk, trained once per seed, counts in full for each arm that starts from it. "
            "Times are of the machine that ran the stages."
        ),
        "training_caption": (
            "Losses on training batches, a line per seed. Strategies optimise different losses, so "
            "compare a line with itself rather than with the others."
        ),
        "weights_caption": (
            "What each task's loss is multiplied by, for the arms that adjust it while they train; "
            "a line per seed."
        ),
    }  # fmt: skip


def _few_trials(comparison: Comparison) -> str:
    """Why there is no detection error trade-off, if it is for that."""
    if comparison.trials.empty:
        return ""
    return (
        f"A detection error trade-off is not drawn: no arm has {error_rates.LEAST_TRIALS} trials "
        f"of each kind."
    )


def _audit(results: Results) -> Grid:
    rows = [
        (str(check.get("rule", "")), str(check.get("breaches", "")), str(check.get("example", "")))
        for check in results.audit.get("checks", [])
    ]
    return tables.pairs("Audit of the split", ["Rule", "Breaches", "Example"], rows)
