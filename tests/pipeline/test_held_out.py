"""Held-out recordings are as if they were not there, until their stage comes.

What may not be read is poisoned; whatever reads it nevertheless gives other outputs.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from small_corpus import SPLIT
from small_experiment import open_stage, set_param
from written_store import overwrite

from adaptts import params
from adaptts.features.store import LAYOUTS, FeatureStore
from pipeline import adapt, episodes, recogniser, train, trunk, tune

FEATURES = Path("data/features")
ARMS = ("prototype_finetune", "maml")
SPOKEN = set(LAYOUTS) - {"phones"}  # what a recording says beside its text


def run_until_tuned() -> None:
    """Measure the normalisation, train the trunk and all arms, one of them from scratch, tune."""
    episodes.main(open_stage("episodes"))
    trunk.main(open_stage("trunk", seed="0"))
    for arm in ARMS:
        train.main(open_stage("train", arm=arm, seed="0"))
        tune.main(open_stage("tune", arm=arm))


def speak(speaker: str) -> None:
    for arm in ARMS:
        adapt.main(open_stage("adapt", arm=arm, speaker=speaker))


def poison(utterances: Sequence[str], arrays: set[str]) -> None:
    """Put into the arrays what these utterances never said; the store lets no NaN pass."""
    for utterance in utterances:
        for name in arrays:
            bad = 77 if np.issubdtype(LAYOUTS[name].dtype, np.floating) else 1
            overwrite(FEATURES, utterance, name, bad)


def utterances_of(speakers: Sequence[str]) -> list[str]:
    index = FeatureStore.open(FEATURES).index
    return index.index[index["speaker"].isin(list(speakers))].tolist()


def contents(*folders: str) -> dict[str, object]:
    """What the files below the folders hold, without what a clock or a memory gauge says."""
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.*")):
            if path.suffix == ".csv":
                table = pd.read_csv(path)
                kept = [name for name in table.columns if "seconds" not in name]
                found[str(path)] = table[kept].to_csv()
            elif path.name == "cost.json":
                values = json.loads(path.read_text(encoding="utf-8"))
                found[str(path)] = values.get("utterance_gradients")
            else:
                found[str(path)] = path.read_bytes()
    return found


@pytest.fixture
def _one_from_scratch(small: Path) -> None:
    """Its preconditioner, too, must come from training speakers alone."""
    values = yaml.safe_load((small / "params.yaml").read_text(encoding="utf-8"))
    values["strategies"]["maml"]["start"] = "scratch"
    (small / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.mark.usefixtures("_one_from_scratch")
def test_trunk_training_and_tuning_read_nothing_of_test_speakers() -> None:
    run_until_tuned()
    clean = contents("data/episodes", "models", "tuning")
    assert {"models/maml/0/preconditioner.safetensors", "tuning/maml/trials.csv"} <= clean.keys()
    poison(utterances_of(SPLIT.test), set(LAYOUTS))
    run_until_tuned()
    assert contents("data/episodes", "models", "tuning") == clean


@pytest.mark.usefixtures("small")
def test_the_poison_is_one_that_training_and_tuning_cannot_miss() -> None:
    trunk.main(open_stage("trunk", seed="0"))
    train.main(open_stage("train", arm="maml", seed="0"))
    tune.main(open_stage("tune", arm="maml"))
    clean = contents("models", "tuning")
    poison(utterances_of(SPLIT.validation[:1]), {"mel"})
    tune.main(open_stage("tune", arm="maml"))
    assert contents("tuning") != {path: clean[path] for path in contents("tuning")}
    poison(utterances_of(["s0"]), {"mel"})
    trunk.main(open_stage("trunk", seed="0"))
    assert contents("models/trunk") != {path: clean[path] for path in contents("models/trunk")}


@pytest.mark.usefixtures("_one_from_scratch")
def test_adaptation_reads_of_a_query_nothing_but_its_text() -> None:
    """All that the adapted voice says is the same, after every number of steps: so is the voice."""
    run_until_tuned()
    speaker = SPLIT.test[0]
    speak(speaker)
    clean = contents(f"voices/maml/{speaker}", f"voices/prototype_finetune/{speaker}")
    assert np.isfinite(np.load(f"voices/maml/{speaker}/mel.npy")).all()
    table = pd.read_parquet("data/episodes/episodes.parquet")
    own = table[table["speaker"] == speaker]
    queries = own.loc[own["role"] == "query", "utterance"].tolist()
    experiment = params.read(Path("params.yaml"))
    assert len(queries) == experiment.episodes.queries
    poison(queries, SPOKEN)
    speak(speaker)
    assert contents(f"voices/maml/{speaker}", f"voices/prototype_finetune/{speaker}") == clean
    poison(own.loc[own["role"] == "support", "utterance"].tolist(), {"mel"})
    speak(speaker)
    assert contents(f"voices/maml/{speaker}", f"voices/prototype_finetune/{speaker}") != clean


@pytest.mark.usefixtures("small")
def test_the_recogniser_learns_from_training_speakers_alone() -> None:
    set_param("evaluation.recognisers", ["ctc"])
    set_param("evaluation.ctc", {"channels": 8, "utterance_gradients": 64})
    # The small corpus' texts are far longer than its recordings.
    index = pd.read_parquet(FEATURES / "index.parquet")
    index.assign(text=index["text"].str[-2:]).to_parquet(FEATURES / "index.parquet", index=False)
    Path("data/corpus").mkdir()
    Path("data/corpus/corpus.json").write_text('{"language": "en"}', encoding="utf-8")

    def learn() -> dict[str, object]:
        recogniser.main(open_stage("recogniser"))
        return contents("models/recogniser")

    clean = learn()
    poison(utterances_of(SPLIT.test), set(LAYOUTS))
    assert learn() == clean
    poison(utterances_of(SPLIT.validation), set(LAYOUTS))
    weights = "models/recogniser/weights.safetensors"
    assert learn()[weights] == clean[weights]
    poison(utterances_of(["s0"]), {"mel"})
    assert learn()[weights] != clean[weights]
