import re
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fabricated import make_experiment

from adaptts.params import Experiment, VocoderFileParams
from adaptts.reporting import measuring, methods
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.report import Report


def write(report: Report, experiment: Experiment) -> str:
    results = replace(report.results, experiment=experiment)
    return methods.write(results, report.comparison, {})


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
    text = methods.write(results, report.comparison, {"pyworld": "0.3.5"})
    assert "(pyworld 0.3.5, pysptk)" in text
    text = text.replace("pyworld 0.3.5", "")
    measures = " ".join([*measuring.SENTENCES.values(), *measuring.RECOGNISERS.values()])
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
    source = "".join((files("adaptts.reporting") / name).read_text("utf-8")
                     for name in ("methods.py", "measuring.py"))  # fmt: skip
    assert set(re.findall(r"@([a-z]+\d{4})", source)) == keys
    text = "MAML [@finn2017] and 5 % of a_b [@hu2022]."
    assert methods.plain(text) == "MAML (Finn et al. 2017) and 5 % of a_b (Hu et al. 2022)."
    latex = methods.latex(text)
    assert latex == r"MAML~\cite{finn2017} and 5 \% of a\_\allowbreak{}b~\cite{hu2022}."
    assert all(f"{key}" in methods._sources() for key in keys)


def test_every_measure_has_a_sentence() -> None:
    assert list(measuring.SENTENCES) == [metric.name for metric in METRICS]


def test_every_recogniser_is_named_and_no_key_of_the_params(report: Report) -> None:
    text = write(report, report.results.experiment)
    assert "as heard by PocketSphinx [@huggins2006]" in text
    assert "also heard by a convolutional network" in text
    assert "evaluation." not in text
    for key in ("kubichek1993", "morise2016", "wan2018", "sakoe1978", "martin1997", "pitman1937"):
        assert f"[@{key}]" in text


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_sentences_begin_with_capital_letters(report: Report, seeds: list[int]) -> None:
    text = write(report, replace(report.results.experiment, seeds=seeds))
    for sentence in re.split(r"(?<=\.)\s+", text.strip()):
        assert sentence[0].isupper(), sentence


@pytest.mark.skipif(shutil.which("bibtex") is None, reason="needs bibtex on the PATH")
def test_bibtex_reads_every_reference_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "references.bib").write_text(methods.bibliography(), encoding="ascii")
    lines = [r"\citation{*}", r"\bibdata{references}", r"\bibstyle{plain}"]
    (tmp_path / "paper.aux").write_text("\n".join(lines), encoding="ascii")
    done = subprocess.run(["bibtex", "paper"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Warning" not in done.stdout, done.stdout
    assert (tmp_path / "paper.bbl").read_text().count(r"\bibitem") == len(methods._sources())


def test_a_name_that_looks_like_a_citation_is_none(report: Report) -> None:
    corpus = {**report.results.corpus, "name": "Digits [@home]", "version": ""}
    text = methods.write(replace(report.results, corpus=corpus), report.comparison, {})
    assert "The corpus is Digits [@home] (" in methods.plain(text)
    assert r"The corpus is Digits [@home] (" in methods.latex(text)
