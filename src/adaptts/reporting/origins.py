"""Where the results of each arm come from: commit, tracked runs, hashes of outputs."""

from typing import TYPE_CHECKING, Any

from adaptts.reporting.results import REFERENCES, TRUNK, Results

if TYPE_CHECKING:
    from adaptts.reporting.page import Provenance

Origin = tuple[str, str, str]  # what, its name, an address or ""


def trace(results: Results, provenance: "Provenance") -> dict[str, Any]:
    """all: what every arm has in common; arms: for each arm and reference its own."""
    arms = {}
    for arm in results.experiment.arms:
        models = [arm, TRUNK] if results.start_of(arm) == TRUNK else [arm]
        runs = [run for model in models for run in _runs(model, provenance)]
        none = [("MLflow run", "none is recorded here for its training", "")]
        if runs and provenance.run_command:
            runs.append(("to see runs, in the experiment's folder", provenance.run_command, ""))
        arms[arm] = (runs or none) + [
            out for model in models for out in _outputs(model, provenance)
        ]
    return {
        "all": [("git commit", provenance.commit, "")],
        "arms": {**arms, **dict.fromkeys(REFERENCES, _outputs("references", provenance))},
    }


def _runs(model: str, provenance: "Provenance") -> list[Origin]:
    # The stages are trunk@0 and train@maml-0.
    return [
        (f"MLflow run of {stage}", run, provenance.run_pages and provenance.run_pages + run)
        for stage, run in provenance.runs.items()
        if stage.partition("@")[0] == model or stage.rpartition("-")[0] == f"train@{model}"
    ]


def _outputs(name: str, provenance: "Provenance") -> list[Origin]:
    # models/maml/0, tuning/maml, voices/maml/m8, results/maml; of a fold, folds/1/results/maml
    return [
        (f"DVC hash of {path}", md5, "")
        for path, md5 in provenance.outputs.items()
        if path.split("/")[3 if path.startswith("folds/") else 1 :][:1] == [name]
    ]
