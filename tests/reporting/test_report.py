import json
from pathlib import Path

import pandas as pd
from fabricated import EFFECTS, PROVENANCE

from adaptts.reporting.report import Report


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_output_is_written(written: Path) -> None:
    names = set(files(written))
    assert {"index.html", "metrics.json", "costs.json"} <= names
    tables = {
        "headline",
        "differences",
        "differences_by_step",
        "steps",
        "shots",
        "speakers",
        "cost",
        "tuning",
        "sanity",
        "missing",
        "detection",
        "ranks",
        "pairs",
        "options",
        "steps_to_reach",
        "front",
    }
    assert {f"tables/{name}.csv" for name in tables} <= names
    assert {
        f"tables/{name}.md"
        for name in ("headline", "voice", "standings", "power", "recommended", "cost")
    } <= names
    assert {"curves/mel_distortion.csv", "curves/wer.csv"} <= names
    assert {"tables/headline.tex", "methods/methods.txt", "methods/references.bib"} <= names
    charts = ("steps-mel_distortion", "training-loss", "detection-det")
    assert {f"figures/{name}.{kind}" for name in charts for kind in ("svg", "png")} <= names


def test_the_same_results_give_the_same_bytes(
    report: Report, written: Path, tmp_path: Path
) -> None:
    Report.make(report.results).write(tmp_path, PROVENANCE)
    assert files(tmp_path) == files(written)


def test_metrics_hold_every_arm_and_no_times(report: Report, written: Path) -> None:
    metrics = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics) == {"natural", "copy_synthesis", *EFFECTS}
    value = report.comparison.value("maml", "mel_distortion")
    assert metrics["maml"]["mel_distortion"] == value
    assert not any("second" in name for values in metrics.values() for name in values)
    assert report.flat_metrics()["maml/mel_distortion"] == value


def test_curves_have_a_column_per_arm(written: Path) -> None:
    table = pd.read_csv(written / "curves/mcd.csv")
    assert table.columns.tolist() == ["steps", *EFFECTS]
    assert table["steps"].tolist() == [0, 2, 10]
    assert table["maml"].isna().tolist() == [False, True, False]


def test_tables_keep_speakers_literally(report: Report, written: Path) -> None:
    table = pd.read_csv(written / "tables/speakers.csv")
    assert set(table["speaker"]) == set(report.results.experiment.split.test)
