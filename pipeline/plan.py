"""What DVC would run, and why: the Snakefile's source, and its first lines on the terminal."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError
from dvc.stage import PipelineStage

from adaptts import params
from adaptts.adaptation import read_manner
from adaptts.evaluation.quality import find_weights
from adaptts.evaluation.recognisers import requirements
from adaptts.strategies import read_start, read_strategy
from pipeline.patience import patiently
from pipeline.stage import flatten

NAMED = 4  # items of a stage's matrix, or reasons of a stage, that are named; more are counted


@dataclass(frozen=True)
class Plan:
    """The stages of dvc.yaml, and which of them are stale."""

    graph: networkx.DiGraph  # from each stage to those whose outputs it reads
    reasons: Mapping[str, str]  # why DVC finds a stage changed, by its address
    gpu: bool  # whether the stages that can are to compute on one

    @property
    def stale(self) -> frozenset[PipelineStage]:
        """The changed stages, and all that depend on them."""
        changed = [stage for stage in self.graph if stage.name in self.reasons]
        later = (networkx.ancestors(self.graph, stage) for stage in changed)
        return frozenset(changed).union(*later)

    def reason(self, stage: PipelineStage) -> str:
        """Why a stale stage is to run."""
        return self.reasons.get(stage.name, "after the stages that it reads from")

    def resources(self, stage: PipelineStage) -> dict[str, int]:
        """What a job of the stage asks for: meta.resources of dvc.yaml, a GPU only if one is used.

        Every stage has the key gpu, for the command lines of profiles.
        """
        wanted = stage.meta["resources"]
        return {**wanted, "gpu": wanted.get("gpu", 0) if self.gpu else 0}

    def urgency(self, stage: PipelineStage) -> int:
        """The minutes of meta.resources from the stage's start to the end, by the longest way.

        With the most urgent first, no long chain of stages is left over when all else is done.
        """
        return self._urgencies[stage]

    @cached_property
    def _urgencies(self) -> dict[PipelineStage, int]:
        found: dict[PipelineStage, int] = {}
        for stage in networkx.topological_sort(self.graph):  # the last stage comes first
            later = [found[each] for each in self.graph.predecessors(stage)]
            found[stage] = stage.meta["resources"]["runtime"] + max(later, default=0)
        return found

    def summary(self) -> str:
        """What will run, a line for each reason."""
        stale = self.stale
        if not stale:
            return f"All {len(self.graph)} stages are up to date."
        reasons = defaultdict(list)
        for stage in networkx.topological_sort(self.graph.reverse()):
            if stage in stale:
                reasons[self.reason(stage)].append(stage)
        lines = [f"  {_name(stages)}: {reason}" for reason, stages in reasons.items()]
        return "\n".join([f"{len(stale)} of {len(self.graph)} stages to run:", *lines])


def make_plan() -> Plan:
    """Ask DVC about the checkout in the current folder.

    Raises ValueError where params.yaml or dvc.yaml breaks a rule, and where git is missing.
    """
    experiment = params.read(Path("params.yaml"))
    # Now, and not when their stages come.
    for arm in experiment.arms:
        check_arm(experiment, arm)
    find_weights(experiment.evaluation)
    requirements.check(experiment.evaluation)
    try:
        graph, changed = patiently("snakemake", ask_dvc)
    except SCMError as error:
        raise ValueError(
            f"{error}, and DVC asks for one; run `git init` here, or `dvc config core.no_scm true`"
        ) from error
    except DvcException as error:
        raise ValueError(str(error)) from error
    reasons = {
        stage.name: _list(_explain(stage, changed[stage.name]))
        for stage in graph
        if stage.name in changed
    }
    return Plan(graph, reasons, experiment.training.device != "cpu")


def check_arm(experiment: params.Experiment, arm: str) -> None:
    """Raises ParamsError where an arm's entry breaks a rule, or its parts do not fit together."""
    entry = experiment.strategies[arm]
    kind, _ = read_strategy(arm, entry)
    read_start(arm, entry)
    manner = read_manner(experiment, arm)
    place, trials = f"strategies.{arm}.adaptation", experiment.adaptation.trials
    if not kind.takes_steps and "adaptation" in entry:
        raise params.ParamsError(f"{place}: {entry['strategy']} takes no gradient steps; remove it")
    if kind.takes_steps and len(manner.space) > trials:
        raise params.ParamsError(
            f"{place}.space: {len(manner.space)} update rules for {trials} trials; have as many "
            "adaptation.trials or fewer rules"
        )
    if kind.takes_steps and "learned" in manner.space and not kind.learns_rates:
        raise params.ParamsError(
            f"{place}.space: {entry['strategy']} learns no rates; remove the rule learned"
        )


def ask_dvc() -> tuple[networkx.DiGraph, dict[str, Any]]:
    """The graph of the stages, and DVC's status of the changed ones."""
    with Repo(_wait_for_lock=True) as repo:
        return repo.index.graph, repo.status()


def _explain(stage: PipelineStage, entries: Iterable[Any]) -> Iterator[str]:
    """DVC's status of a stage, in words."""
    if not any(out.hash_info for out in stage.outs):
        yield "not run yet"
        return
    for entry in entries:
        if entry == "changed command":
            yield "its command changed"
            continue
        for path, how in {**entry.get("changed deps", {}), **entry.get("changed outs", {})}.items():
            if isinstance(how, str):
                yield f"{path} {how}"
    for dependency in stage.deps:
        if isinstance(dependency, ParamsDependency):
            yield from _explain_params(dependency)


def _explain_params(dependency: ParamsDependency) -> Iterator[str]:
    """Each parameter that is another than at the last run."""
    before = flatten(dependency.hash_info.value or {})
    now = flatten(dependency.read_params())
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, "none"), now.get(key, "none")
        if old != new:
            yield f"{key} {old!s:.40} → {new!s:.40}"


def _list(reasons: Iterable[str]) -> str:
    """Parameters first, for they say most."""
    found = sorted(reasons, key=lambda reason: "→" not in reason)
    more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
    return ", ".join(found[:NAMED] + more)


def _name(stages: Iterable[PipelineStage]) -> str:
    """The stages' addresses; of a stage with many items only their number."""
    items = defaultdict(list)
    for stage in stages:
        items[stage.name.partition("@")[0]].append(stage.name)
    return ", ".join(
        f"{name}@… ({len(addresses)})" if len(addresses) > NAMED else ", ".join(addresses)
        for name, addresses in items.items()
    )
