"""A split in a file, to be used again elsewhere: on another machine, or with another experiment.

CSV with one row per use of an utterance, in the order of the episodes' table:

corpus            name and version, the same in every row
split             train, validation or test
role              train, query or support
speaker           or whatever else split.unit names
draw, rank        of a support set: the K-shot set of a draw is its ranks 0 to K − 1; else -1
utterance
text_hash         of the text as the manifest has it: texts themselves may not be free to publish
content_hash      of the recording (`corpora.content`)
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from adaptts.corpora import transcripts
from adaptts.corpora.manifest import CorpusInfo, ManifestError, fail
from adaptts.episodes.split import NO_DRAW
from adaptts.episodes.table import COLUMNS
from adaptts.params import EpisodeParams, SplitParams

PUBLISHED = [
    "corpus", "split", "role", "speaker", "draw", "rank", "utterance", "text_hash", "content_hash",
]  # fmt: skip
_ROLES = {
    "train": ("train",),
    "validation": ("query", "support"),
    "test": ("query", "support"),
}
_DIGITS = 16


def publish(episodes: pd.DataFrame, index: pd.DataFrame, info: CorpusInfo) -> str:
    """The text of the file. `index` has the columns utterance, text and content_hash."""
    told = index.set_index("utterance").loc[episodes["utterance"]]
    table = episodes.assign(
        corpus=_corpus(info),
        text_hash=told["text"].map(_text_hash).to_numpy(),
        content_hash=told["content_hash"].to_numpy(),
    )
    return table[PUBLISHED].to_csv(index=False, lineterminator="\n")


def read(
    path: Path, index: pd.DataFrame, info: CorpusInfo, split: SplitParams, params: EpisodeParams
) -> pd.DataFrame:
    """The episodes' table of the file at `path`, as `draw_episodes` makes it.

    Where `params` ask for fewer shots or draws than the file has, the first ones are taken. Raises
    `ManifestError`, with a line for everything at which the file is at odds with itself, the
    corpus or the parameters. What leaks is for the audit to find.
    """
    rows = list(_read_rows(path))
    fail(list(_form_problems(rows)), f"{path} is not a split as it is exported; export it anew")
    table = pd.DataFrame(rows)[PUBLISHED].astype({"draw": int, "rank": int})
    fail(
        list(_corpus_problems(table, index, split.unit)),
        f"{path} was made from {table['corpus'].iloc[0]}, and does not fit this corpus, "
        f"{_corpus(info)}; take the corpus and the section corpus that it was made with, or draw "
        "a split: episodes.manifest: null",
    )
    fail(
        list(_params_problems(table, split, params)),
        f"{path} does not have what params.yaml asks for; change one of the two",
    )
    used = (table["rank"] < max(params.shots)) & (table["draw"] < params.draws)
    return table.loc[used, COLUMNS].reset_index(drop=True)


def _corpus(info: CorpusInfo) -> str:
    return f"{info.name} {info.version}"


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The cells of each row by column, and `line`, where it stands."""
    reader = csv.DictReader(io.StringIO(transcripts.read_text(path)), strict=True)
    try:
        missing = [name for name in PUBLISHED if name not in (reader.fieldnames or [])]
        if missing:
            raise ManifestError(f"{path} must have the columns {PUBLISHED}; it lacks {missing}")
        for row in reader:
            yield {**{name: row[name] or "" for name in PUBLISHED}, "line": str(reader.line_num)}
    except csv.Error as error:
        raise ManifestError(f"{path} is not CSV ({error}); export it anew") from None


def _form_problems(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What is wrong with the file by itself."""
    if not rows:
        yield "it has no rows"
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        where = f"line {row['line']} ({row['utterance']!r})"
        if row["role"] not in _ROLES.get(row["split"], ()):
            yield f"{where}: no {row['role']!r} row can be of the split {row['split']!r}"
        numbers = [row["draw"], row["rank"]]
        if row["role"] == "support":
            if not all(number.isdecimal() for number in numbers):
                yield f"{where}: draw and rank must count from 0, got {numbers}"
        elif numbers != [str(NO_DRAW)] * 2:
            yield f"{where}: draw and rank must be {NO_DRAW} but for support, got {numbers}"
        if row["corpus"] != rows[0]["corpus"]:
            yield f"{where}: is of {row['corpus']!r}, the first line of {rows[0]['corpus']!r}"
        use = (row["utterance"], row["role"], row["draw"])
        if use in seen:
            yield f"{where}: stands twice in one place, as on line {seen[use]}"
        seen.setdefault(use, row["line"])


def _corpus_problems(table: pd.DataFrame, index: pd.DataFrame, unit: str) -> Iterator[str]:
    """What the corpus lacks of what the file names, or has otherwise."""
    known = {row["utterance"]: row for row in index.to_dict("records")}
    for row in table.drop_duplicates("utterance").to_dict("records"):
        name = row["utterance"]
        own = known.get(name)
        if own is None:
            yield f"{name}: the corpus has no such utterance"
            continue
        if own[unit] != row["speaker"]:
            yield f"{name}: its {unit} is {own[unit]!r} here, {row['speaker']!r} in the file"
        if own["content_hash"] != row["content_hash"]:
            yield f"{name}: the recording has another content"
        if _text_hash(own["text"]) != row["text_hash"]:
            yield f"{name}: the text is another, here {own['text']!r:.80}"


def _params_problems(
    table: pd.DataFrame, split: SplitParams, params: EpisodeParams
) -> Iterator[str]:
    """Held-out speakers, queries and shots that the file lacks or has beyond what is asked for."""
    for side, asked in (("test", split.test), ("validation", split.validation)):
        rows = table[table["split"] == side]
        found = sorted(rows["speaker"].unique())
        if found != sorted(asked):
            yield f"split.{side} names {sorted(asked)}, the file has {found}"
        sets: dict[str, set[tuple[int, int]]] = defaultdict(set)
        support = rows[rows["role"] == "support"]
        for speaker, draw, rank in support[["speaker", "draw", "rank"]].itertuples(index=False):
            sets[speaker].add((draw, rank))
        for speaker in found:
            queries = int(((rows["speaker"] == speaker) & (rows["role"] == "query")).sum())
            if queries != params.queries:
                yield f"{speaker} has {queries} queries, episodes.queries asks for {params.queries}"
            for draw in range(params.draws):
                have = sum((draw, rank) in sets[speaker] for rank in range(max(params.shots)))
                if have < max(params.shots):
                    yield (
                        f"{speaker} has {have} of the {max(params.shots)} shots of draw {draw} "
                        "that episodes.shots and episodes.draws ask for"
                    )
    if not (table["split"] == "train").any():
        yield "there is no training row"
