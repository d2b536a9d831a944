"""The proof that nothing leaks: every rule of the episodes, counted on the finished table."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from adaptts.corpora.manifest import normalise_text
from adaptts.episodes import likeness
from adaptts.params import EpisodeParams, SplitParams


@dataclass(frozen=True)
class Check:
    """One rule and how many breaches of it were found."""

    rule: str
    breaches: int
    example: str = ""  # of a breach, or of what comes nearest to one


@dataclass(frozen=True)
class Audit:
    checks: tuple[Check, ...]
    relaxed: tuple[str, ...]  # rules that the corpus cannot keep and the params waive

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def audit_episodes(
    episodes: pd.DataFrame,
    index: pd.DataFrame,
    phones: Mapping[str, Collection[str]],
    split: SplitParams,
    params: EpisodeParams,
) -> Audit:
    """Count the breaches of every rule, from the episodes and the corpus alone.

    phones: the names of each utterance's phones. Raises ValueError naming the first rule that is
    broken and an example of it.
    """
    told = index.set_index("utterance").loc[episodes["utterance"]]
    episodes = episodes.assign(
        text=told["text"].map(normalise_text).to_numpy(), content=told["content_hash"].to_numpy()
    )
    relaxed = []
    checks = [
        _crossing(episodes, column, f"{what} stand on one side of the split")
        for what, column in [(f"{split.unit}s", "speaker"), ("recordings", "utterance")]
    ]
    if split.unit != "speaker":
        rule = "speakers stand on one side of the split"
        voices = episodes.assign(voice=told["speaker"].to_numpy())
        check = _crossing(voices, "voice", rule)
        if check.breaches:
            relaxed.append(
                f"Not kept, as split.unit is {split.unit}: {rule}. {check.breaches} of "
                f"{voices['voice'].nunique()} speakers stand on several sides."
            )
        else:
            checks.append(check)
    if split.keep_together:
        siblings = episodes.assign(sibling=told[split.keep_together].to_numpy())
        checks.append(_crossing(siblings, "sibling", f"equal {split.keep_together} on one side"))
    queries = episodes[episodes["role"] == "query"]
    others = episodes[episodes["role"] != "query"]
    checks.append(_shared(queries, others, "utterance", "no query recording is used otherwise"))
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
    check, reason = _near_duplicates(queries, others, params)
    if reason and check.breaches:
        relaxed.append(
            f"Not kept, as {reason}: {check.rule}. "
            f"{check.breaches} of {queries['text'].nunique()} are: {check.example}"
        )
    else:
        checks.append(check)
    checks += _copies(episodes, queries, others)
    untrained = _phones(queries, phones) - _phones(episodes[episodes["role"] == "train"], phones)
    rule = "every phone of a query occurs in training"
    if untrained:
        relaxed.append(
            f"Not kept by the corpus: {rule}. Not trained: {', '.join(sorted(untrained))}"
        )
    else:
        checks.append(_check(rule, []))
    checks.append(_nesting(episodes, params))
    _refuse_breaches(checks)
    return Audit(tuple(checks), tuple(relaxed))


def audit_trials(
    enrolment: pd.DataFrame, trials: pd.DataFrame, episodes: pd.DataFrame, index: pd.DataFrame
) -> tuple[Check, ...]:
    """Count the breaches of every rule of verification, from the tables and the corpus alone.

    enrolment, trials: as `trials.draw_enrolment` and `draw_trials` make them. Raises ValueError as
    `audit_episodes` does.
    """
    test = episodes[episodes["split"] == "test"]
    queries = test.loc[test["role"] == "query", ["utterance", "speaker"]]
    support = _pairs(test.loc[test["role"] == "support", ["speaker", "utterance"]])
    enrolled = _pairs(enrolment[["speaker", "utterance"]])
    speakers = sorted(test["speaker"].unique())
    expected = {(*query, name) for query in _pairs(queries) for name in speakers}
    tried = list(trials[["utterance", "speaker", "enrolled"]].itertuples(index=False, name=None))
    twice = [each for each, count in Counter(tried).items() if count > 1]
    text = index.set_index("utterance")["text"].map(normalise_text)
    read = {(speaker, text[utterance]) for speaker, utterance in enrolled}
    mislabelled = [
        (row["utterance"], row["enrolled"])
        for row in trials.to_dict("records")
        if row["target"] != (row["speaker"] == row["enrolled"])
        or row["same_text"] != ((row["enrolled"], text[row["utterance"]]) in read)
    ]
    checks = (
        _check("speakers are enrolled by support recordings alone", sorted(enrolled - support)),
        _check("each test speaker is enrolled", sorted(set(speakers) - {s for s, _ in enrolled})),
        _check("each test query is tried once against each enrolled speaker",
               sorted(expected ^ set(tried)) + twice),
        _check("trials know their speakers and whether their text was enrolled", mislabelled),
    )  # fmt: skip
    _refuse_breaches(checks)
    return checks


def _pairs(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(table.itertuples(index=False, name=None))


def _refuse_breaches(checks: Iterable[Check]) -> None:
    for check in checks:
        if check.breaches:
            raise ValueError(
                f"the episodes break the rule '{check.rule}' {check.breaches} times, first with "
                f"{check.example!r}; nothing was written"
            )


def _crossing(episodes: pd.DataFrame, column: str, rule: str) -> Check:
    sides = episodes.groupby(column)["split"].nunique()
    return _check(rule, list(sides.index[sides > 1]))


def _shared(first: pd.DataFrame, second: pd.DataFrame, column: str, rule: str) -> Check:
    return _check(rule, sorted(set(first[column]) & set(second[column])))


def _near_duplicates(
    queries: pd.DataFrame, others: pd.DataFrame, params: EpisodeParams
) -> tuple[Check, str]:
    """How many query texts nearly are texts of other roles, and why that is waived, if it is.

    Texts that are equal are another rule's.
    """
    threshold = params.near_duplicates or likeness.NEAR
    rule = f"no query text is at least {threshold:.0%} alike to one of another role"
    waived = "" if params.near_duplicates else "episodes.near_duplicates is null"
    if not params.text_disjoint:
        waived = "episodes.text_disjoint is false"
    of_validation = set(queries.loc[queries["split"] == "validation", "text"])
    of_test = set(queries.loc[queries["split"] == "test", "text"])
    elsewhere = set(others["text"])
    neighbours: dict[str, likeness.Neighbour] = {}
    for texts, known in ((of_validation, elsewhere), (of_test, elsewhere | of_validation)):
        sought, known = sorted(texts), sorted(known - texts)
        if known:
            neighbours |= zip(sought, likeness.nearest(sought, known), strict=True)
    found = sorted(neighbours.items(), key=lambda pair: -pair[1].likeness)
    near = [text for text, neighbour in found if neighbour.is_near(threshold)]
    example = f"{found[0][0]!r} beside {found[0][1].text!r}" if found else ""
    if found and not near:
        example = f"the nearest is {found[0][1].likeness:.0%}: {example}"
    return Check(rule, len(near), example), waived


def _copies(episodes: pd.DataFrame, queries: pd.DataFrame, others: pd.DataFrame) -> Iterator[Check]:
    """The same recording under several names: across roles, across the split, within a set."""
    names = episodes.drop_duplicates("utterance").groupby("content")["utterance"].agg(list)
    names = names[names.str.len() > 1]

    def check(rule: str, contents: Iterable[str]) -> Check:
        told = [
            f"{' and '.join(names[content])} have the same samples; list all but one of them in "
            "corpus.exclude"
            for content in sorted(set(contents) & set(names.index))
        ]
        return _check(rule, told)

    yield check(
        "no query recording is used otherwise under another name",
        set(queries["content"]) & set(others["content"]),
    )
    sides = episodes.groupby("content")["split"].nunique()
    yield check("copies of a recording stand on one side of the split", sides.index[sides > 1])
    held_out = episodes[episodes["role"] != "train"]
    places = ["speaker", "role", "draw", "content"]
    repeated = held_out.groupby(places, as_index=False)["utterance"].nunique()
    twice = repeated.loc[repeated["utterance"] > 1, "content"]
    yield check("no support or query set holds a recording twice", twice)


def _phones(episodes: pd.DataFrame, phones: Mapping[str, Collection[str]]) -> set[str]:
    return set().union(*(phones[utterance] for utterance in episodes["utterance"]))


def _nesting(episodes: pd.DataFrame, params: EpisodeParams) -> Check:
    """Each draw ranks its utterances 0, 1, 2 … without a gap: the K-shot sets are nested."""
    wrong = []
    support = episodes[episodes["role"] == "support"]
    for (speaker, draw), rows in support.groupby(["speaker", "draw"]):
        ranks = sorted(rows["rank"])
        if ranks != list(range(max(params.shots))) or rows["utterance"].duplicated().any():
            wrong.append(f"{speaker}, draw {draw}")
    return _check("support sets are nested and complete", wrong)


def _check(rule: str, breaches: Sequence[object]) -> Check:
    return Check(rule, len(breaches), str(breaches[0]) if breaches else "")
