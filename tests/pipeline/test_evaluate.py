"""The stage evaluate on real sounds: the same however many processes share the work."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from small_experiment import ROOT, open_stage
from spoken_corpus import FEATURES, make_corpus

from adaptts.adaptation import Spoken, VoiceWriter
from adaptts.episodes import table
from adaptts.evaluation.instruments import queries
from adaptts.evaluation.prosody import phone_pitch
from adaptts.features import extraction
from adaptts.features.processes import PROCESSES
from adaptts.features.store import FeatureStore
from pipeline import episodes, evaluate

ARM, TEST, STEPS = "pretrain_finetune", ["f3", "hugo"], [0, 2]
EPISODES = {"shots": [1, 2], "queries": 2, "draws": 1, "text_disjoint": False, "seed": 0}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the stage reads; tests copy it."""
    folder = tmp_path_factory.mktemp("spoken_experiment")
    corpus, features = folder / "data/corpus", folder / "data/features"
    make_corpus(corpus, 4, [*TEST, "klatt4", "paul"])
    features.mkdir(parents=True)
    extraction.extract(corpus, FEATURES, features, workers=1)
    shutil.copy(ROOT / "dvc.yaml", folder)
    values = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    values |= {"arms": [ARM], "seeds": [0], "episodes": EPISODES, "features": asdict(FEATURES)}
    values["split"] = {"test": TEST, "validation": ["klatt4"]}
    values["model"]["vocoder_iterations"] = 2
    values["adaptation"]["steps"] = STEPS
    point = {"shots": 2, "steps": 2}
    values["evaluation"] |= {"headline": point, "points": [point], "sentences_to_hear": 1}
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder


@pytest.fixture
def here(spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "experiment"
    shutil.copytree(spoken, folder)
    monkeypatch.chdir(folder)
    episodes.main(open_stage("episodes"))
    store = FeatureStore.open(Path("data/features"))
    for speaker in TEST:
        asked = queries(table.read(Path("data/episodes/episodes.parquet")), speaker)
        write_voices(Path("voices") / ARM / speaker, store, asked)
    return folder


def write_voices(folder: Path, store: FeatureStore, asked: list[str]) -> None:
    """Voices that come nearer to the truth with each step."""
    writer, generator = VoiceWriter(), np.random.default_rng(0)
    for shots in EPISODES["shots"]:
        for steps in STEPS:
            spoken = []
            for name in asked:
                mel, durations = store.mel(name), store.durations(name)
                noise = generator.normal(size=mel.shape) / (1 + steps)
                pitch = phone_pitch(store.f0(name), durations)
                said = (mel + noise, durations, pitch)
                spoken.append(Spoken(*(each.astype(np.float32) for each in said)))
            writer.add({"seed": 0, "draw": 0, "shots": shots, "steps": steps}, asked, spoken)
    folder.mkdir(parents=True)
    writer.save(folder, [], {"arm": ARM, "speaker": folder.name})


def contents() -> dict[str, bytes]:
    folder = Path("results") / ARM
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_results_are_the_same_with_any_number_of_processes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for count in ("1", "2"):
        monkeypatch.setenv(PROCESSES, count)
        evaluate.main(open_stage("evaluate", arm=ARM))
        found.append(contents())
    assert set(found[0]) >= {"measures.parquet", "verification.parquet", "costs.json"}
    assert found[0] == found[1]
    measures = pd.read_parquet(f"results/{ARM}/measures.parquet")
    assert measures["value"].notna().all()
    assert measures.groupby("speaker")["utterance"].nunique().to_dict() == dict.fromkeys(TEST, 2)
    trials = pd.read_parquet(f"results/{ARM}/verification.parquet")
    assert len(trials) == 4 * len(TEST)
    assert trials["target"].sum() == 4
    costs = json.loads(Path("results", ARM, "costs.json").read_text(encoding="utf-8"))
    assert [cost["speaker"] for cost in costs] == TEST


def test_parts_that_an_interrupted_run_has_finished_are_kept(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROCESSES, "1")
    stage = open_stage("evaluate", arm=ARM)
    folders = {speaker: Path("voices") / ARM / speaker for speaker in TEST}
    first, *_ = evaluate.list_parts(ARM, stage.params, folders, stage.scratch())
    evaluate.measure(evaluate.open_evaluator(stage.params), first)
    path = first.folder / "measures.parquet"
    done = pq.read_table(path)
    at = done.column_names.index("note")
    pq.write_table(done.set_column(at, "note", [["from before"] * len(done)]), path)
    evaluate.main(stage)
    measures = pd.read_parquet(f"results/{ARM}/measures.parquet")
    kept = measures[measures["note"] == "from before"]
    assert set(kept["utterance"]) == {first.utterance}
    assert len(kept) == len(done)
    assert not Path("scratch", stage.address).exists()


def test_voices_that_lack_a_query_are_refused_before_anything_is_measured(here: Path) -> None:
    path = Path("voices") / ARM / TEST[1] / "points.parquet"
    points = pd.read_parquet(path)
    points.loc[0, "utterance"] = "other"
    points.to_parquet(path)
    with pytest.raises(ValueError, match=r"for speaker hugo: each voice must say each query"):
        evaluate.main(open_stage("evaluate", arm=ARM))
    assert not Path("results").exists()


def test_missing_weights_of_predicted_quality_end_the_stage_at_once(here: Path) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["evaluation"] |= {"predicted_quality": "squim", "weights": "nowhere"}
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    shutil.rmtree("data")
    with pytest.raises(ValueError, match=r"nowhere/squim_objective_dns2020\.pth"):
        evaluate.main(open_stage("evaluate", arm=ARM))
