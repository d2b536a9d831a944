"""The folds of a cross-validation: each is an experiment of its own, in folds/1, folds/2, …

`snakemake --config folds=true` runs them all, side by side, and pipeline.pooled_report then makes
one report. A fold's folder is a checkout of DVC that has this folder's code, cache and parameters,
but for the split. So what is the same in all folds, the corpus and its features, is computed once,
and comes out of DVC's cache in the others; and in it `snakemake`, `dvc status` and so on work as
they do here.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError
from dvc.stage import PipelineStage

from adaptts import params
from pipeline.plan import Plan, make_plan

FOLDS = Path("folds")
# What a fold has in common with this folder, as links: code, settings, downloads, MLflow's runs.
SHARED = ("src", "pipeline", "profiles", "splits", "dvc.yaml", "Snakefile", ".dvcignore",
          ".dvc/config", ".dvc/plots", "downloads", "mlflow.db", "mlartifacts")  # fmt: skip
DIFFERING = ("name", "split", "folds")  # sections of params.yaml
# Parameters that may name a file or folder relative to this one.
PATHS = ("corpus.path", "corpus.mirror", "corpus.exclude", "model.vocoder_file.path",
         "evaluation.weights")  # fmt: skip


def folders(experiment: params.Experiment) -> list[Path]:
    """The folders of the folds.

    Raises ParamsError where there are no folds.
    """
    if not experiment.folds:
        raise params.ParamsError(
            "folds: there are none in params.yaml; list them as presets/fsdd_folds.yaml does"
        )
    return [FOLDS / str(number) for number, _ in enumerate(experiment.folds, 1)]


def make_plans() -> dict[Path, Plan]:
    """Bring the folds' folders up to date with this one, and ask DVC about each.

    Raises ValueError where params.yaml has no folds or breaks a rule, and where git is missing.
    """
    places = folders(params.read(Path("params.yaml")))
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    settings = _settings()
    plans = {}
    for number, folder in enumerate(places, 1):
        _prepare(folder, _params(values, number), settings)
        with contextlib.chdir(folder):
            try:
                plans[folder] = make_plan()
            except ValueError as error:
                raise ValueError(f"fold {number}: {error}") from error
    return plans


def is_shared(plan: Plan, stage: PipelineStage) -> bool:
    """Whether the stage does the same in every fold: neither it nor what it reads knows a split."""
    return not any(
        section.partition(".")[0] in DIFFERING
        for each in [stage, *networkx.descendants(plan.graph, stage)]
        for dependency in each.deps
        if isinstance(dependency, ParamsDependency)
        for section in dependency.params
    )


def _params(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    """params.yaml of a fold."""
    own = {
        **values,
        "name": f"{values['name']}.fold{number}",
        "split": {**values["split"], **values["folds"][number - 1]},
        "folds": [],
    }
    for path in PATHS:
        own = _with_absolute(own, *path.split("."))
    return own


def _with_absolute(values: Mapping[str, Any], name: str, *inner: str) -> dict[str, Any]:
    """The values with an absolute path at name.inner, where there is one to a file or folder."""
    value = values.get(name)
    if inner and isinstance(value, Mapping):
        value = _with_absolute(value, *inner)
    elif isinstance(value, str) and Path(value).exists():
        value = str(Path(value).absolute())
    return {**values, name: value} if name in values else dict(values)


def _settings() -> str:
    """DVC's settings of a fold: the cache of this folder, and no git of its own."""
    try:
        with Repo() as repo:
            cache, links = repo.cache.local_cache_dir, repo.config["cache"].get("type", [])
    except (SCMError, DvcException) as error:
        raise ValueError(f"{error}; run `git init`, or `dvc config core.no_scm true`") from error
    kinds = f"    type = {','.join(links)}\n" if links else ""
    return f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n{kinds}"


def _prepare(folder: Path, values: Mapping[str, Any], settings: str) -> None:
    """Make the folder of a fold, or bring it up to date."""
    (folder / ".dvc").mkdir(parents=True, exist_ok=True)
    (folder / "listening").mkdir(exist_ok=True)  # a fold's report has no listeners of its own
    Path("downloads").mkdir(exist_ok=True)
    for name in SHARED:
        link = folder / name
        if not link.is_symlink():
            up = [".."] * len(link.parts[:-1])
            link.symlink_to(Path(*up, name))
    _write(folder / ".dvc/config.local", settings)
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    _write(folder / "params.yaml", f"# Made from ../../params.yaml; edit that one.\n{text}")


def _write(path: Path, text: str) -> None:
    """Leave a file alone that says so already."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
