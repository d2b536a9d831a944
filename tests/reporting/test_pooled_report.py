"""The command that reports on all folds, on folds as they are left finished."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fabricated import make_experiment, write_tree

from pipeline import pooled_report


def test_the_finished_folds_give_one_report(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folds = [{"test": ["ann"], "validation": ["bob"]}, {"test": ["bob"], "validation": ["ann"]}]
    split = {"test": ["val"], "validation": ["cid"]}
    whole = make_experiment(split=split, folds=folds)
    Path("params.yaml").write_text(yaml.safe_dump(asdict(whole)), encoding="utf-8")
    for number, fold in enumerate(folds, 1):
        own = make_experiment(name=f"fabricated.fold{number}", split=fold)
        write_tree(Path(f"folds/{number}"), own)
        text = yaml.safe_dump(asdict(own))
        Path(f"folds/{number}/params.yaml").write_text(text, encoding="utf-8")
    pooled_report.main()
    told = capsys.readouterr().out
    assert "pretrain_finetune" in told
    assert (tmp_path / "reports/folds/index.html").as_uri() in told
    page = Path("reports/folds/index.html").read_text(encoding="utf-8")
    assert "2 test speakers" in page
    assert "2, each with models of its own" in page
    tuning = Path("reports/folds/tables/tuning.csv").read_text(encoding="utf-8")
    assert "fold 2" in tuning

    measures = Path("folds/2/results/maml/measures.parquet")
    pd.read_parquet(measures).drop(columns="seed").to_parquet(measures)
    with pytest.raises(SystemExit, match="pooled_report: folds/2/results/maml.* lacks the columns"):
        pooled_report.main()
    assert Path("reports/folds/index.html").read_text(encoding="utf-8") == page
