import re
from dataclasses import replace
from typing import Any

import pytest
from fabricated import make_experiment

from adaptts.params import Experiment, VocoderFileParams
from adaptts.reporting import methods
from adaptts.reporting.report import Report


def write(report: Report, experiment: Experiment) -> str:
    results = replace(report.results, experiment=experiment)
    return methods.write(results, report.comparison)


def numbers(text: str) -> set[float]:
    return {float(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?!\w)", text)}


def leaves(values: Any) -> set[float]:
    if isinstance(values, dict):
        return set().union(*map(leaves, values.values()), *map(leaves, values))
    if isinstance(values, list | tuple):
        return {float(len(values))}.union(*map(leaves, values))
    if hasattr(values, "__dataclass_fields__"):
        return leaves(vars(values))
    return {float(values)} if isinstance(values, int | float) else numbers(str(values))


def test_every_number_is_of_the_params_or_was_counted(report: Report) -> None:
    results = report.results
    text = methods.write(results, report.comparison)
    measures = " ".join(metric.meaning + metric.unit for metric in report.comparison.metrics())
    counted = {sum(results.recordings.values()), len(results.recordings), 0, 350_000,
               100 * results.experiment.report.confidence}  # fmt: skip
    corpus = numbers(" ".join(map(str, results.corpus.values())))
    known = leaves(results.experiment) | counted | corpus | numbers(measures)
    plain = re.sub(r"\[@[^]]*\]", "", text)
    assert numbers(plain) <= known


@pytest.mark.parametrize(
    ("section", "changes", "told"),
    [
        ("episodes", {"queries": 9}, "9 query sentences"),
        ("model", {"channels": 17}, "blocks of 17 channels"),
        (
            "model",
            {"vocoder": "exported", "vocoder_file": VocoderFileParams("a/mine.pt2", "0a" * 32)},
            "made by the vocoder mine.pt2 (SHA-256 0a0a0a0a0a0a…)",
        ),
        ("adaptation", {"trials": 23}, "23 trials"),
        ("adaptation", {"steps": [0, 10, 77]}, "up to 77 gradient steps"),
        ("report", {"bootstrap_samples": 4321}, "4321 samples"),
    ],
)
def test_the_text_changes_with_the_params(
    report: Report, section: str, changes: dict[str, Any], told: str
) -> None:
    experiment = make_experiment()
    other = replace(experiment, **{section: replace(getattr(experiment, section), **changes)})
    assert told not in write(report, experiment)
    assert told in write(report, other)


def test_every_arm_is_described_with_its_settings_and_cited(report: Report) -> None:
    experiment = make_experiment()
    maml = {"strategy": "maml", "inner_rate": 0.00123, "tasks": 7,
            "adaptation": {"parameters": "low_rank", "rank": 3}}  # fmt: skip
    strategies = {**experiment.strategies, "maml": maml}
    text = write(report, replace(experiment, arms=["maml"], strategies=strategies))
    for words in ("MAML [@finn2017]", "inner rate 0.00123", "tasks 7",
                  "adaptation parameters low rank [@hu2022]", "adaptation rank 3"):  # fmt: skip
        assert words in text


def test_every_citation_has_an_entry_and_becomes_words_and_commands() -> None:
    keys = set(re.findall(r"@\w+\{(\w+)", methods.bibliography()))
    source = " ".join([*methods.STRATEGIES.values(), *methods.SOURCES.values()])
    assert set(re.findall(r"@(\w+)", source)) <= keys
    text = "MAML [@finn2017] and 5 % of a_b [@hu2022]."
    assert methods.plain(text) == "MAML (Finn et al. 2017) and 5 % of a_b (Hu et al. 2022)."
    latex = methods.latex(text)
    assert latex == r"MAML~\cite{finn2017} and 5 \% of a\_\allowbreak{}b~\cite{hu2022}."
    assert all(f"{key}" in methods._sources() for key in keys)
