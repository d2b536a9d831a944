"""An experiment whose stages take seconds, from the small corpus."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import yaml
from small_corpus import EPISODES, FEATURES, MODEL, SPLIT, make_store
from small_experiment import ROOT, open_stage

from pipeline import episodes


def write_small_experiment(folder: Path) -> None:
    """Write params.yaml and the data of the small corpus in `folder`, where the test runs."""
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "data/features").mkdir(parents=True)
    features = replace(FEATURES, mels=16)  # as many as the mel distortion needs
    make_store(folder / "data/features", features=features)
    values = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    values["arms"] = ["prototype_finetune", "maml"]
    sections = {"split": SPLIT, "features": features, "episodes": EPISODES, "model": MODEL}
    values |= {name: asdict(section) for name, section in sections.items()}
    values["corpus"] |= {"sampling_rate": 8000, "speakers": None}
    for phase, spent in (("trunk", 160), ("arm", 80)):
        values["training"][phase] |= {"utterance_gradients": spent, "batch_utterances": 4}
    values["strategies"] |= {
        "prototype_finetune": {
            **values["strategies"]["prototype"],
            "strategy": "prototype_finetune",
        },
        "maml": {**values["strategies"]["maml"], "support": 2, "query": 2},
    }
    values["adaptation"]["steps"] = [0, 1, 3]
    values["evaluation"] |= {
        "headline": {"shots": 2, "steps": 3},
        "points": [{"shots": 2, "steps": 3}],
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    episodes.main(open_stage("episodes"))
