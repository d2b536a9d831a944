"""An experiment with two stages, for tests of what all stages share; and one that can be run."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import yaml
from small_corpus import EPISODES, FEATURES, MODEL, SPLIT, make_store

from adaptts import params
from pipeline import episodes
from pipeline.stage import Stage

ROOT = Path(__file__).parents[2]
STAGES = """
stages:
  train:
    matrix: {arm: "${arms}", seed: "${seeds}"}
    cmd: python -m pipeline.train --arm ${item.arm} --seed ${item.seed}
    deps: [code, "models/trunk/${item.seed}"]
    params: [training.arm, "strategies.${item.arm}"]
    outs: ["models/${item.arm}/${item.seed}"]
  tune:
    matrix: {arm: "${arms}"}
    cmd: python -m pipeline.tune --arm ${item.arm}
    deps: [code]
    params: [seeds]
    outs: ["tuning/${item.arm}"]
  report:
    cmd: python -m pipeline.report
    deps: [code]
    params: [name]
    metrics: [reports/metrics.json]
"""


def open_stage(name: str, **item: str) -> Stage:
    return Stage(name, item, params.read(Path("params.yaml")))


def set_param(key: str, value: object) -> None:
    """Set a parameter of the experiment in the current folder, by its dotted name."""
    path = Path("params.yaml")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    *sections, name = key.split(".")
    section = values
    for part in sections:
        section = section[part]
    section[name] = value
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


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
