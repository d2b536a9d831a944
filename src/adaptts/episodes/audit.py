"""The proof that nothing leaks: every rule of the episodes, counted on the finished table."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from adaptts.corpora.manifest import normalise_text
from adaptts.params import EpisodeParams, SplitParams


@dataclass(frozen=True)
class Check:
    """One rule and how many breaches of it were found."""

    rule: str
    breaches: int
    example: str = ""


@dataclass(frozen=True)
class Audit:
    checks: tuple[Check, ...]
    relaxed: tuple[str, ...]  # rules that the corpus cannot keep and the params waive

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def audit_episodes(
    episodes: pd.DataFrame, index: pd.DataFrame, split: SplitParams, params: EpisodeParams
) -> Audit:
    """Count the breaches of every rule, from the episodes and the corpus' index alone.

    Raises ValueError naming the first rule that is broken and an example of it.
    """
    table = index.reset_index(drop=True)
    text_of = dict(zip(table["utterance"], map(normalise_text, table["text"]), strict=True))
    episodes = episodes.assign(text=episodes["utterance"].map(text_of))
    groups = [("speakers", "speaker"), ("recordings", "utterance")]
    checks = [
        _crossing(episodes, column, f"{what} stand on one side of the split")
        for what, column in groups
    ]
    if split.keep_together:
        sibling_of = dict(zip(table["utterance"], table[split.keep_together], strict=True))
        siblings = episodes.assign(sibling=episodes["utterance"].map(sibling_of))
        checks.append(_crossing(siblings, "sibling", f"equal {split.keep_together} on one side"))
    queries = episodes[episodes["role"] == "query"]
    others = episodes[episodes["role"] != "query"]
    checks.append(_shared(queries, others, "utterance", "no query recording is used otherwise"))
    relaxed = []
    rule = "no query text is read in training or support"
    if params.text_disjoint:
        checks.append(_shared(queries, others, "text", rule))
        test = queries[queries["split"] == "test"]
        validation = queries[queries["split"] == "validation"]
        checks.append(_shared(test, validation, "text", "no test query text is read in validation"))
    else:
        shared = len(set(queries["text"]) & set(others["text"]))
        relaxed.append(
            f"Not kept, as episodes.text_disjoint is false: {rule}. "
            f"{shared} of {queries['text'].nunique()} query texts are."
        )
    checks.append(_nesting(episodes, params))
    for check in checks:
        if check.breaches:
            raise ValueError(
                f"the episodes break the rule '{check.rule}' {check.breaches} times, first with "
                f"{check.example!r}; nothing was written"
            )
    return Audit(tuple(checks), tuple(relaxed))


def _crossing(episodes: pd.DataFrame, column: str, rule: str) -> Check:
    sides = episodes.groupby(column)["split"].nunique()
    return _check(rule, list(sides.index[sides > 1]))


def _shared(first: pd.DataFrame, second: pd.DataFrame, column: str, rule: str) -> Check:
    return _check(rule, sorted(set(first[column]) & set(second[column])))


def _nesting(episodes: pd.DataFrame, params: EpisodeParams) -> Check:
    """Each draw ranks its utterances 0, 1, 2 … without a gap: the K-shot sets are nested."""
    wrong = []
    support = episodes[episodes["role"] == "support"]
    for (speaker, draw), rows in support.groupby(["speaker", "draw"]):
        ranks = sorted(rows["rank"])
        if ranks != list(range(max(params.shots))) or rows["utterance"].duplicated().any():
            wrong.append(f"{speaker}, draw {draw}")
    return _check("support sets are nested and complete", wrong)


def _check(rule: str, breaches: list[str]) -> Check:
    return Check(rule, len(breaches), str(breaches[0]) if breaches else "")
