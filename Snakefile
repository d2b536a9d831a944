"""One rule for each stage of dvc.yaml; DVC says what is stale, and runs it.

`snakemake` runs every stale stage, `snakemake -n` names them, `snakemake -- train@maml-0` runs one
and what it needs. Each job lets DVC reproduce its stage, so dvc.lock records it as if `dvc repro`
had run it, and the two always agree on what is left to do. `snakemake --config folds=true` does so
with all folds of params.yaml in place of the experiment itself, and makes one report on them.
"""

import os
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline import console
from pipeline.folds import is_shared, make_plans
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
    # By the folder that they are for.
    plans = make_plans() if config.get("folds") else {Path(): make_plan()}
except Timeout:
    sys.exit("error: another snakemake runs in this folder; wait for it, or end it")
except ValueError as error:
    sys.exit(f"error: {error}")
stale = {folder: plan.stale for folder, plan in plans.items()}
if workflow.is_main_process:
    console.simplify(workflow.output_settings.dryrun)
    for folder, plan in plans.items():
        print(*[f"{folder}:"][: folder != Path()], plan.summary(), file=sys.stderr, flush=True)
    # Snakemake takes a newer file of the old content for unchanged.
    CHANGED.write_text(str(time.time_ns()), encoding="utf-8")


# What `snakemake --report report.html` shows, once everything has run.
SHOWN = {
    "reports/index.html": {"category": "The whole report"},
    "reports/tables": {"category": "Tables", "patterns": ["{table}.csv"]},
    "reports/figures": {"category": "Figures", "patterns": ["{figure}.svg"]},
    "reports/folds/index.html": {"category": "The report on all folds"},
}


def output(path):
    flagged = path if Path(path).suffix else directory(path)
    return report(flagged, **SHOWN[path]) if path in SHOWN else flagged


def outputs_of(folder, stage):
    return [str(folder / out.def_path) for out in stage.outs]


def named(folder, stage):
    return stage.name if folder == Path() else f"{folder}/{stage.name}"


def inputs_of(folder, stage):
    """Outputs of earlier stages; those that are not stale are never a reason to run."""
    earlier = [(folder, each) for each in plans[folder].graph.successors(stage)]
    first = next(iter(plans))
    if folder != first and is_shared(plans[folder], stage):
        # What the first fold has made is then taken out of DVC's cache.
        earlier += [(first, each) for each in plans[first].graph if each.name == stage.name]
    return [
        out if each in stale[place] else ancient(out)
        for place, each in earlier
        for out in outputs_of(place, each)
    ]


def processes_of(stage):
    """Of a stage whose work is spread over processes, those of its kind share the cores."""
    if not stage.meta.get("spread"):
        return 1
    kinds = [each.name.partition("@")[0] for several in stale.values() for each in several]
    alike = kinds.count(stage.name.partition("@")[0])
    return max(1, (workflow.resource_settings.cores or 1) // max(1, alike))


EVERYTHING = [
    out
    for folder, plan in plans.items()
    for stage in plan.graph
    for out in outputs_of(folder, stage)
]


rule all:
    input:
        EVERYTHING if Path() in plans else "reports/folds/index.html",


if Path() not in plans:

    rule:
        name:
            "pooled_report"
        input:
            EVERYTHING,
            "pipeline/pooled_report.py",
        output:
            output("reports/folds/index.html"),
        resources:
            mem_mb=2000,
            runtime=10,
            gpu=0,
        message:
            "pooled_report: the folds' results have changed"
        shell:
            "python -m pipeline.pooled_report"


for folder, plan in plans.items():
    for stage in plan.graph:

        rule:
            name:
                named(folder, stage)
            input:
                inputs_of(folder, stage),
                [str(CHANGED)] if stage.name in plan.reasons else [],
            output:
                [output(out) for out in outputs_of(folder, stage)],
            priority: plan.urgency(stage)
            threads: processes_of(stage)
            resources:
                **plan.resources(stage),
            params:
                stage=stage.name,
                folder=folder,
                # Stages of several folds run side by side; their lines say whose they are.
                told="" if folder == Path() else f" 2>&1 | (trap '' INT; sed -u 's|^|{folder}: |')",
            message:
                f"{named(folder, stage)}: {plan.reason(stage)}".replace("{", "{{").replace(
                    "}", "}}"
                )
            shell:
                "cd {params.folder} && "
                "ADAPTTS_PROCESSES={threads} python -m pipeline.reproduce {params.stage}{params.told}"
