"""One rule for each stage of dvc.yaml; DVC says what is stale, and runs it.

`snakemake` runs every stale stage, `snakemake -n` names them, `snakemake -- train@maml-0` runs one
and what it needs. Each job is `dvc repro --single-item`, so dvc.lock records it as if DVC had run
it: `dvc repro` and `snakemake` always agree on what is left to do.
"""

import os
import sys
import time
from pathlib import Path

import networkx
from dvc.repo import Repo

# Newer than the outputs of every stage that DVC finds changed, thus a reason for it to run.
CHANGED = Path(".snakemake/changed")

with Repo() as repo:
    graph = repo.index.graph  # from each stage to those whose outputs it reads
    changed = repo.status() if workflow.is_main_process else {}
stale = {
    stage
    for stage in graph
    if any(other.addressing in changed for other in networkx.descendants(graph, stage) | {stage})
}
if stale:
    CHANGED.parent.mkdir(exist_ok=True)
    CHANGED.write_text(str(time.time()), encoding="utf-8")


def outputs_of(stage):
    return [
        out.def_path if Path(out.def_path).suffix else directory(out.def_path) for out in stage.outs
    ]


rule all:
    input:
        [out.def_path for stage in graph for out in stage.outs],


for stage in graph:

    rule:
        name:
            stage.addressing
        input:
            [
                out.def_path if earlier in stale else ancient(out.def_path)
                for earlier in graph.successors(stage)
                for out in earlier.outs
            ],
            [str(CHANGED)] if stage.addressing in changed else [],
        output:
            outputs_of(stage),
        params:
            stage=stage.addressing,
        resources:
            **stage.meta["resources"],
        shell:
            "dvc --wait-for-lock repro -q --single-item {params.stage}"
