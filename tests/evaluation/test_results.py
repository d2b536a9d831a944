from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from adaptts.evaluation import results as module
from adaptts.evaluation.enrolment import Trial
from adaptts.evaluation.measure import Measure, Point
from adaptts.evaluation.results import AUDIO, MEASURES, VERIFICATION, Results, join


def results_of(speaker: str) -> Results:
    point = Point("maml", speaker, seed=0, draw=0, shots=5, steps=20, utterance=f"{speaker}-0")
    results = Results()
    results.add(point, [Measure("mcd", 4.0), Measure("wer", 20.0, "two toys")])
    trials = [Trial("s1", True, False, 0.9, 0.9), Trial("s2", False, True, 0.4, float("nan"))]
    results.compare(point, trials)
    results.keep(f"{speaker}-0-5-20-0.flac", 0.5 * np.sin(np.arange(400) / 9))
    return results


def test_saved_results_are_read_again(tmp_path: Path) -> None:
    results_of("s1").save(tmp_path, 16000)
    measures = pd.read_parquet(tmp_path / MEASURES)
    assert measures[["metric", "value", "note"]].to_numpy().tolist() == [
        ["mcd", 4.0, ""],
        ["wer", 20.0, "two toys"],
    ]
    trials = pd.read_parquet(tmp_path / VERIFICATION)
    assert trials[["speaker", "enrolled", "similarity"]].to_numpy().tolist() == [
        ["s1", "s1", 0.9],
        ["s1", "s2", 0.4],
    ]
    assert trials["target"].tolist() == [True, False]
    assert trials["same_text"].tolist() == [False, True]
    assert trials["other_text_similarity"].isna().tolist() == [False, True]
    samples, rate = soundfile.read(tmp_path / AUDIO / "s1-0-5-20-0.flac")
    assert rate == 16000
    # Half a step of 16 bits.
    assert samples == pytest.approx(0.5 * np.sin(np.arange(400) / 9), abs=2**-15)


@pytest.mark.parametrize("at_once", [1, 64])
def test_parts_join_in_their_order(tmp_path: Path, monkeypatch, at_once: int) -> None:
    monkeypatch.setattr(module, "PARTS_AT_ONCE", at_once)
    parts = [tmp_path / name for name in ("s2", "s1")]
    for part in parts:
        part.mkdir()
        results_of(part.name).save(part, 16000)
    whole = tmp_path / "whole"
    whole.mkdir()
    join(parts, whole)
    assert pd.read_parquet(whole / MEASURES)["speaker"].tolist() == ["s2", "s2", "s1", "s1"]
    assert len(pd.read_parquet(whole / VERIFICATION)) == 4
    assert [sound.name for sound in sorted((whole / AUDIO).iterdir())] == [
        "s1-0-5-20-0.flac",
        "s2-0-5-20-0.flac",
    ]


def test_results_without_trials_keep_their_columns(tmp_path: Path) -> None:
    Results().save(tmp_path, 16000)
    assert "enrolled" in pd.read_parquet(tmp_path / VERIFICATION).columns
    assert "metric" in pd.read_parquet(tmp_path / MEASURES).columns
