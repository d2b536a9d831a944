"""An experiment with three stages, for tests of what all stages share."""

from pathlib import Path

import yaml

from adaptts import params
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
