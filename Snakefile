"""One rule for each stage of dvc.yaml; DVC says what is stale, and runs it.

`snakemake` runs every stale stage, `snakemake -n` names them, `snakemake -- train@maml-0` runs one
and what it needs. Each job lets DVC reproduce its stage, so dvc.lock records it as if `dvc repro`
had run it, and the two always agree on what is left to do.
"""

import os
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline import console
from pipeline.plan import make_plan

# Newer than the outputs of every stage that DVC finds changed, thus a reason for it to run.
CHANGED = Path(".snakemake/changed")
# Snakemake's own lock outlives a killed Snakemake; this one goes with its process.
RUNNING = FileLock(".snakemake/running.lock", timeout=10)
# The stages' interpreter is Snakemake's, also where its environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# Bars of stages that run side by side would overwrite each other.
os.environ["TQDM_DISABLE"] = "1"

CHANGED.parent.mkdir(exist_ok=True)
try:
    if workflow.is_main_process:
        RUNNING.acquire()
    plan = make_plan()
except Timeout:
    sys.exit("error: another snakemake runs in this folder; wait for it, or end it")
except ValueError as error:
    sys.exit(f"error: {error}")
stale = plan.stale
if workflow.is_main_process:
    console.simplify(workflow.output_settings.dryrun)
    print(plan.summary(), file=sys.stderr, flush=True)
    # Snakemake takes a newer file of the old content for unchanged.
    CHANGED.write_text(str(time.time_ns()), encoding="utf-8")


# What `snakemake --report report.html` shows, once everything has run.
SHOWN = {
    "reports/index.html": {"category": "The whole report"},
    "reports/tables": {"category": "Tables", "patterns": ["{table}.csv"]},
    "reports/figures": {"category": "Figures", "patterns": ["{figure}.svg"]},
}


def output(path):
    flagged = path if Path(path).suffix else directory(path)
    return report(flagged, **SHOWN[path]) if path in SHOWN else flagged


def outputs_of(stage):
    return [output(out.def_path) for out in stage.outs]


def processes_of(stage):
    """Of a stage whose work is spread over processes, those of its kind share the cores."""
    if not stage.meta.get("spread"):
        return 1
    alike = sum(each.name.partition("@")[0] == stage.name.partition("@")[0] for each in stale)
    return max(1, (workflow.resource_settings.cores or 1) // max(1, alike))


rule all:
    input:
        [out.def_path for stage in plan.graph for out in stage.outs],


for stage in plan.graph:

    rule:
        name:
            stage.addressing
        input:
            [
                out.def_path if earlier in stale else ancient(out.def_path)
                for earlier in plan.graph.successors(stage)
                for out in earlier.outs
            ],
            [str(CHANGED)] if stage.addressing in plan.reasons else [],
        output:
            outputs_of(stage),
        threads: processes_of(stage)
        resources:
            **plan.resources(stage),
        params:
            stage=stage.addressing,
        message:
            f"{stage.addressing}: {plan.reason(stage)}".replace("{", "{{").replace("}", "}}")
        shell:
            "ADAPTTS_PROCESSES={threads} python -m pipeline.reproduce {params.stage}"
