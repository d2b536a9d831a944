"""An experiment's results as of a revision of git, or of DVC's experiments, out of DVC's cache.

The workspace is neither read nor touched, unless it is what is asked for.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from adaptts.params import PointParams
from adaptts.reporting.results import MEASURES
from adaptts.reporting.side_by_side import Side
from pipeline.stage import flatten

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

WORKSPACE = "workspace"
CODE = "src/adaptts/evaluation"


class RevisionError(ValueError):
    """A revision or its results cannot be read; the message names it and the remedy."""


@dataclass(frozen=True)
class Tree:
    """The files of a revision, DVC's among them; without `files`, those of the workspace."""

    name: str
    files: "DVCFileSystem | None" = None

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where the revision has no such file, or DVC's cache lacks it."""
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexDirError

        try:
            if self.files is None:
                return Path(path).read_bytes()
            with self.files.open(path, "rb") as file:
                return file.read()
        except (FileNotFoundError, DataIndexDirError):
            return None
        except DvcException as error:
            raise RevisionError(f"DVC cannot read {path} of {self.name}: {error}") from None

    def load(self, path: str) -> Any:
        """A YAML file; an empty mapping where there is none."""
        return yaml.safe_load(self.read(path) or b"{}")


def open_tree(name: str) -> Tree:
    """The files of a branch, tag, commit or experiment of the repository in this folder.

    Raises `RevisionError`.
    """
    if name == WORKSPACE:
        return Tree(name)
    from dvc.api import DVCFileSystem
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import NoSCMError, RevError, SCMError, resolve_rev

    try:
        with Repo() as repo:
            commit = resolve_rev(repo.scm, name)
    except RevError:
        raise RevisionError(
            f"there is no revision {name!r}; `git branch`, `git tag` and `dvc exp list` name those "
            "that there are"
        ) from None
    except (NoSCMError, SCMError, NotDvcRepoError, NotImplementedError) as error:
        raise RevisionError(
            f"revisions need a git repository with DVC in this folder ({error or 'no git'}); "
            "run this in a clone"
        ) from None
    return Tree(name, DVCFileSystem(rev=commit))


def read_side(tree: Tree, point: PointParams | None = None) -> Side:
    """The experiment in `tree`, at `point` in place of its headline.

    Arms of the experiment without results are left out. Raises `RevisionError` if none has any.
    """
    params = tree.load("params.yaml")
    if "arms" not in params:
        raise RevisionError(f"{tree.name} has no params.yaml with arms: no experiment of adaptts")
    lock = tree.load("dvc.lock").get("stages", {})
    measures = [_measures(tree, arm, lock) for arm in params["arms"]]
    found = [table for table in measures if table is not None]
    if not found:
        raise RevisionError(
            f"{tree.name} has no results of any arm of {params['arms']}; run `snakemake` or `dvc "
            "repro` there, and commit dvc.lock"
        )
    _check_fresh(tree.name, params, lock)
    measures = pd.concat(found, ignore_index=True)
    headline = params["evaluation"]["headline"]
    point = point or PointParams(headline["shots"], headline["steps"])
    _check_measured(tree.name, measures, point)
    references = _measures(tree, "references", lock)
    return Side(
        name=tree.name,
        params=flatten(params),
        measures=measures,
        references=pd.DataFrame(columns=MEASURES) if references is None else references,
        texts=_texts(tree),
        code=_hash_of(lock, CODE),
        headline=point,
    )


def _check_fresh(name: str, params: dict[str, Any], lock: dict[str, Any]) -> None:
    """Raise `RevisionError` where stages of the experiment last ran with other parameters."""
    current, stale = flatten(params), set()
    for address, stage in lock.items():
        arm = address.partition("@")[2]
        if arm and not any(f"{arm}-".startswith(f"{own}-") for own in params["arms"]):
            continue  # of an arm that is no longer asked for
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            was = flatten({key: value})
            now = {each: current[each] for each in current if f"{each}.".startswith(f"{key}.")}
            stale |= {each for each in {**was, **now} if was.get(each) != now.get(each)}
    if stale:
        raise RevisionError(
            f"the results of {name} are of other values of {', '.join(sorted(stale))} than its "
            "params.yaml says; run `snakemake` or `dvc repro` there first"
        )


def _check_measured(name: str, measures: pd.DataFrame, point: PointParams) -> None:
    """Raise `RevisionError` where no arm was measured at `point`."""
    places = measures[["shots", "steps"]].drop_duplicates().sort_values(["shots", "steps"])
    found = [(int(shots), int(steps)) for shots, steps in places.itertuples(index=False)]
    if (point.shots, point.steps) not in found:
        listed = ", ".join(f"{shots}/{steps}" for shots, steps in found)
        raise RevisionError(
            f"{name} was not measured with {point.shots} shots after {point.steps} steps; it was "
            f"with these shots/steps: {listed}"
        )


def _measures(tree: Tree, name: str, lock: dict[str, Any]) -> pd.DataFrame | None:
    path = f"results/{name}/measures.parquet"
    data = tree.read(path)
    if data is not None:
        table = pd.read_parquet(io.BytesIO(data))
        lacking = [column for column in MEASURES if column not in table.columns]
        if lacking:
            raise RevisionError(f"{path} of {tree.name} lacks the columns {lacking}")
        return table[MEASURES]
    made = _outs(lock).get(f"results/{name}")
    failed = tree.read(f"results/{name}/failed.json") is not None
    if made and not failed:
        where = f"dvc fetch --rev {tree.name}" if tree.files else "dvc checkout"
        raise RevisionError(
            f"{path} of {tree.name} ({made}) is not in DVC's cache; get it with `{where} "
            f"results/{name}`, or check that revision out and run `dvc repro`"
        )
    return None


def _texts(tree: Tree) -> dict[str, str]:
    data = tree.read("data/corpus/manifest.csv")
    if data is None:
        return {}
    table = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding="utf-8")
    return dict(zip(table["utterance"], table["text"], strict=True))


def _outs(lock: dict[str, Any]) -> dict[str, str]:
    """path → hash of all outputs that DVC has recorded."""
    return {out["path"]: out["md5"] for stage in lock.values() for out in stage.get("outs", [])}


def _hash_of(lock: dict[str, Any], path: str) -> str:
    """The hash of a dependency of the stages that evaluate; all of them, where they differ."""
    deps: Iterable[dict[str, Any]] = (
        dep
        for name, stage in lock.items()
        if name.startswith("evaluate@")
        for dep in stage.get("deps", [])
    )
    return " ".join(sorted({dep["md5"] for dep in deps if dep["path"] == path}))
