"""The methods paragraph of a paper, from the experiment's parameters and what was measured.

Citations are written [@key] in the sentences below, as Markdown's are by pandoc; references.bib has
the keys. `plain` and `latex` write them as words and as \\cite.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from adaptts.evaluation.statistics import LEAST_SPEAKERS
from adaptts.params import BudgetUnit, Experiment, OptimisationParams
from adaptts.reporting import measuring
from adaptts.reporting.answer import counted, listed
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.latex import escape
from adaptts.reporting.metrics import BY_NAME
from adaptts.reporting.results import Results

STRATEGIES = {
    "average": "the mean training voice, without adaptation",
    "pretrain_finetune": "multi-speaker pretraining",
    "multitask": "multitask training [@caruana1997]",
    "maml": "second-order MAML [@finn2017]",
    "fomaml": "first-order MAML [@finn2017]",
    "reptile": "Reptile [@nichol2018]",
    "anil": "ANIL [@raghu2020]",
    "meta_sgd": "Meta-SGD [@li2017]",
    "maml_plus_plus": "MAML++ [@antoniou2019]",
    "prototype": "a speaker encoder [@snell2017] whose mean embedding of the support set "
    "is the new voice",
    "prototype_finetune": "a speaker encoder [@snell2017] from whose mean embedding of the "
    "support set the voice is adapted",
}
# Settings of an arm, by key and value, that stem from a paper of their own.
SOURCES: Mapping[tuple[str, Any], str] = {
    ("weighting", "sum"): "@kurin2022",
    ("weighting", "uncertainty"): "@kendall2018",
    ("weighting", "dwa"): "@liu2019",
    ("weighting", "gradnorm"): "@chen2018",
    ("loss", "ge2e"): "@wan2018",
    ("parameters", "speaker_norms"): "@chen2021",
    ("parameters", "low_rank"): "@hu2022",
}
BUDGETS: Mapping[BudgetUnit, str] = {
    "utterance_gradients": "passes forward and backward of one utterance, charging second-order "
    "arms what they compute",
    "cpu_seconds": "the CPU time of as many passes forward and backward of one utterance",
}
_CITATION = re.compile(r"\[(@\w+(?:; @\w+)*)\]")


def write(results: Results, comparison: Comparison, software: Mapping[str, str]) -> str:
    """The paragraphs, with citations as [@key]; `software`: the version of each package."""
    experiment = results.experiment
    parts = [_data(results), _model(results), _arms(experiment), _adaptation(experiment),
             measuring.describe(results, comparison.metrics(), software),
             _inference(results, comparison)]  # fmt: skip
    return "\n\n".join(" ".join(part) for part in parts) + "\n"


def plain(text: str) -> str:
    """The paragraphs with citations in words: (Finn et al. 2017)."""

    def cite(found: re.Match[str]) -> str:
        if not _cites(found):
            return found[0]
        return f"({'; '.join(_sources()[key] for key in _keys(found))})"

    return _CITATION.sub(cite, text)


def latex(text: str) -> str:
    """The paragraphs for LaTeX, citing from references.bib."""
    written, end = "", 0
    for found in filter(_cites, _CITATION.finditer(text)):
        # The space before a citation must not break the line.
        written += _escaped(text[end : found.start()].rstrip(" "))
        written += rf"~\cite{{{','.join(_keys(found))}}}"
        end = found.end()
    return written + _escaped(text[end:])


def bibliography() -> str:
    """All references, in BibTeX."""
    return (files("adaptts.reporting") / "references.bib").read_text(encoding="utf-8")


def _data(results: Results) -> Iterator[str]:
    experiment, corpus, unit = results.experiment, results.corpus, results.unit
    split, episodes = experiment.split, experiment.episodes
    splits = results.splits or [split]
    name = " ".join(str(corpus.get(key, "")) for key in ("name", "version")).strip()
    recordings = counted(sum(results.recordings.values()), "recording")
    yield (
        f"The corpus is {name or experiment.corpus.reader} ({recordings} of "
        f"{counted(len(results.recordings), unit)}, at {experiment.corpus.sampling_rate} Hz)."
    )
    if results.splits:
        yield from _folds(results)
    for number, own in enumerate(splits, 1):
        trained = set(results.recordings) - {*own.test, *own.validation}
        yield (
            (f"In fold {number}, " if results.splits else "Of these, ")
            + f"{counted(len(trained), unit)} served for training, "
            f"{counted(len(own.validation), unit)} ({', '.join(own.validation)}) for validation "
            f"and {counted(len(own.test), unit)} ({', '.join(own.test)}) for the test."
        )
    if split.keep_together:
        yield f"Recordings with one {split.keep_together} stand on one side of this split."
    yield (
        f"For each held-out {unit}, {counted(episodes.queries, 'query sentence')} and nested "
        f"support sets of {listed([str(count) for count in episodes.shots])} utterances were "
        f"drawn, the support sets in {counted(episodes.draws, 'draw')}."
    )
    if episodes.text_disjoint:
        yield "No query sentence occurs in training or support."


def _folds(results: Results) -> Iterator[str]:
    unit, tested = results.unit, results.test_speakers
    never = sorted(set(results.recordings) - set(tested))
    whom = f"{counted(len(tested), unit)} were each" if never else f"each {unit} was"
    yield (
        f"In a cross-validation of {len(results.splits)} folds, {whom} tested in exactly one fold"
        f"{f' ({listed(never)} in none)' if never else ''}; "
        "normalisation, training, the choice of update rule and step size, and the recogniser that "
        "learns from the corpus were done anew in every fold, with the same parameters and seeds."
    )


def _dependence(results: Results) -> Iterator[str]:
    """What the folds do to the statistics."""
    unit = results.unit
    if not results.splits:
        return
    alone = all(len(split.test) == 1 for split in results.splits)
    shared = f", which {unit}s of a fold share: intervals take no notice and may be too narrow"
    yield (
        f"Each {unit} was tested with the models of one fold, so that differences between {unit}s "
        f"hold those between trainings{'' if alone else shared}."
    )
    yield (
        f"Models of different folds have training {unit}s in common, and {unit}s are not quite "
        f"independent across folds: the variance then has no unbiased estimate [@bengio2004], and "
        f"intervals and p-values are approximate."
    )


def _model(results: Results) -> Iterator[str]:
    experiment = results.experiment
    model, features, training = experiment.model, experiment.features, experiment.training
    sizes = results.training_costs.get("parameters")
    # The least: heads, learned rates and encoders of some arms count as parameters of theirs.
    size = "" if sizes is None or sizes.isna().all() else f" ({int(sizes.min())} parameters)"
    yield (
        f"All arms share a non-autoregressive acoustic model{size} with {model.encoder_blocks} "
        f"encoder and {model.decoder_blocks} decoder blocks of {model.channels} channels and "
        f"convolutions of width {model.kernel}, conditioned on a speaker vector of "
        f"{model.speaker_channels} channels, which predicts {features.mels} log-mel bands "
        f"(window {features.n_fft}, hop {features.hop_samples} samples), durations, pitch and "
        f"voicing."
    )
    if model.vocoder_file is None:
        sound = f"Griffin-Lim [@griffin1984] with {model.vocoder_iterations} iterations"
    else:
        file = model.vocoder_file
        sound = f"the vocoder {PurePath(file.path).name} (SHA-256 {file.sha256[:12]}…)"
    yield f"Sound is made by {sound}."
    weights = ", ".join(f"{name} {value:g}" for name, value in vars(training.loss).items())
    yield f"The losses are weighted {weights}."
    yield (
        f"A multi-speaker trunk was trained for {_phase(training.trunk)}, and each arm from there "
        f"for {_phase(training.arm)}; the budget counts {BUDGETS[training.budget]}."
    )
    seeds = list(map(str, experiment.seeds))
    named = f"the seed {seeds[0]}" if len(seeds) == 1 else f"each of the seeds {listed(seeds)}"
    yield f"Training and adaptation were done with {named}."


def _phase(phase: OptimisationParams) -> str:
    return (
        f"{phase.utterance_gradients} utterance-gradients (batches of {phase.batch_utterances}, "
        f"learning rate {phase.learning_rate:g}, weight decay {phase.weight_decay:g}, gradients "
        f"clipped at norm {phase.gradient_norm:g})"
    )


def _arms(experiment: Experiment) -> Iterator[str]:
    told = []
    for arm in experiment.arms:
        settings = dict(experiment.strategies[arm])
        strategy = settings.pop("strategy", "")
        kind = STRATEGIES.get(strategy, f"the strategy {strategy}")
        more = ", ".join(_settings(settings))
        told.append(f"{arm}, {kind}" + (f" ({more})" if more else ""))
    yield f"The strategies compared are {'; '.join(told)}."


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _settings(value, f"{name} ")
            continue
        text = " to ".join(map(str, value)) if isinstance(value, list) else str(value)
        source = SOURCES.get((key, value)) if isinstance(value, str) else None
        sources = {"anchor": "@li2018", "speaker_reversed": "@ganin2015"}
        source = source or sources.get(key)
        yield f"{name} {text.replace('_', ' ')}" + (f" [{source}]" if source else "")


def _adaptation(experiment: Experiment) -> Iterator[str]:
    adaptation = experiment.adaptation
    space = listed(
        [f"{rule.replace('_', ' ')} between {low:g} and {high:g}"
         for rule, (low, high) in adaptation.space.items()], "or"
    )  # fmt: skip
    headline = experiment.evaluation.headline
    yield (
        f"A new voice is adapted to with the same loss by up to {adaptation.steps[-1]} gradient "
        f"steps of {adaptation.parameters.replace('_', ' ')} parameters, unless said otherwise "
        f"above, and measured after {listed(list(map(str, adaptation.steps)))} steps."
    )
    yield (
        f"The update rule and its step size ({space}, where the arm has no space of its own) were "
        f"chosen from {counted(adaptation.trials, 'trial')} for each arm by the mel distortion on "
        f"the validation {experiment.split.unit}s, with {counted(headline.shots, 'shot')} and up "
        f"to {counted(headline.steps, 'step')}."
    )


def _inference(results: Results, comparison: Comparison) -> Iterator[str]:
    report, unit = results.experiment.report, results.unit
    tested = counted(len(results.test_speakers), f"test {unit}")
    if len(results.test_speakers) < LEAST_SPEAKERS:
        yield f"With {tested}, no intervals can be given, and no arms told apart."
        return
    yield (
        f"The {unit} is the unit of inference: {report.confidence:.0%} intervals come from a "
        f"hierarchical bootstrap [@efron1979] of {unit}s, sentences and seeds with "
        f"{report.bootstrap_samples} samples over {tested}, widened to what an analysis "
        f"of variance over {unit}s and seeds gives."
    )
    yield from _dependence(results)
    yield (
        "An arm is told apart from the one with the best mean where the interval of their paired "
        "difference excludes 0, with Bonferroni's levels [@dunn1961] over all pairs of arms; arms "
        "with missing values are never called best. Other intervals are single ones."
    )
    planned = [BY_NAME[name].title for name in comparison.planned]
    if comparison.baseline is None or not planned:
        return
    yield (
        f"Arms are compared on the same utterances; beside the interval of each difference stands "
        f"the p-value of a two-sided permutation test [@pitman1937] over {unit}s after Holm's "
        f"correction [@holm1979] over the planned comparisons: all arms with "
        f"{comparison.baseline} by {listed(planned)}."
    )


def _keys(found: re.Match[str]) -> list[str]:
    return [key.removeprefix("@") for key in found[1].split("; ")]


def _cites(found: re.Match[str]) -> bool:
    """Whether it is a citation, and no corpus' name that looks like one."""
    return set(_keys(found)) <= _sources().keys()


def _escaped(text: str) -> str:
    return "\n".join(map(escape, text.split("\n")))


@cache
def _sources() -> dict[str, str]:
    """Key → authors and year, as a text names them."""
    found = {}
    entries = re.findall(r"@\w+\{(\w+), author = \{(.*?)\}, .*year = \{(\d+)\}", bibliography())
    for key, authors, year in entries:
        names = [name.split(",")[0] for name in authors.split(" and ")]
        found[key] = f"{' and '.join(names) if len(names) < 3 else f'{names[0]} et al.'} {year}"
    return found
