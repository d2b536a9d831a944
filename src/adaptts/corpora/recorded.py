"""What all readers of recorded corpora share: from rows that they find to a corpus folder.

A reader only says what there is: rows with text and recording, and what the corpus is known to
lack. Here the rows are checked, those that a list excludes are left out, subsets are drawn, and
the recordings are brought to the corpus' rate and level, but for those that the last run has
brought there from the same source: see `origins`.
"""

import csv
import hashlib
import io
import math
import os
import re
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from adaptts.corpora import (
    archives,
    audio,
    inspection,
    manifest,
    origins,
    preparation,
    transcripts,
)
from adaptts.corpora.audio import AudioError
from adaptts.corpora.content import copies
from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark
from adaptts.corpora.origins import Brought, Former
from adaptts.corpora.pronunciation import texts_of, transcribe
from adaptts.corpora.transcripts import Source
from adaptts.corpora.wording import spoken_words
from adaptts.params import CorpusParams

# What libsndfile reads, and names such files.
AUDIO = (
    *(".wav", ".wave", ".rf64", ".w64", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif"),
    *(".aifc", ".au", ".snd", ".caf", ".sph", ".nist"),
)
_LONGEST_NAME = 120  # characters: utterances name files together with speaker, shots and steps
_MOST_GAPS, _LARGEST_GAP = 100, 0.1  # more is no gap of a corpus, but half a copy
_EXCLUSION_COLUMNS = ["utterance", "reason"]


@dataclass(frozen=True)
class Row:
    """One utterance as a reader finds it, not checked yet."""

    utterance: str
    speaker: str
    text: str
    source: Source  # the recording
    where: str  # that the row stands, for messages: a line of a file
    groups: dict[str, str] = field(default_factory=dict)  # the same keys in every row
    problem: str | None = None  # what the reader sees that the row cannot be used for


@dataclass(frozen=True)
class Found:
    """What a reader finds, before any recording is opened."""

    info: CorpusInfo  # its exclusions are what the corpus is known to lack
    rows: list[Row]
    root: Source  # holds all recordings …
    recordings: tuple[str, ...] = (".wav",)  # … whose names end so, whether or not a row names them
    words: Sequence[str] | None = None  # all that is ever said, if that is little


T = TypeVar("T")
Find = Callable[[CorpusParams, Path], Found]


@dataclass(frozen=True)
class Reader:
    """Makes a corpus from what `find` finds, given the parameters and the downloads' folder."""

    find: Find

    def prepare(
        self,
        params: CorpusParams,
        folder: Path,
        downloads: Path,
        former: Former = origins.nothing,
    ) -> int:
        """Make the corpus in `folder`; see `readers.Reader`.

        Raises `ManifestError` with a line for everything that cannot be used; with
        `corpus.tolerate`, those rows are left out and stand in corpus.json.
        """
        found = select(self.find(params, downloads), params)
        keys = _keys(found.rows, params)
        brought, reused = _bring(found.rows, params, folder, keys, origins.read(former))
        table, info, prepared = _describe(found, brought, params)
        texts = found.words or (spoken_words(text, params.language) for text in table["text"])
        grammar = manifest.alternatives(texts)
        manifest.write(folder, table, info, grammar)
        if params.trim or params.loudness:
            prepared.to_csv(folder / "preparation.csv", index=False, lineterminator="\n")
        paths = [_path(row) for row in found.rows]
        origins.write(folder, keys, dict(zip(paths, brought, strict=True)))
        return reused


def obtain(
    params: CorpusParams,
    packed: Sequence[archives.Download],
    suffixes: tuple[str, ...],
    downloads: Path,
) -> list[Path]:
    """The folders that hold a corpus: the copy named by `corpus.path`, or its archives unpacked."""
    if params.path is None:
        mirror = archives.find_mirror(params)
        return archives.unpack_trees(packed, suffixes, downloads, mirror)
    return [folder_of(params)]


def folder_of(params: CorpusParams) -> Path:
    """The folder that `corpus.path` names. Raises `ManifestError` where there is none."""
    path = Path(params.path).expanduser() if params.path else None
    if path is None or not path.is_dir():
        raise ManifestError(
            f"corpus.path must be a folder for the reader {params.reader}, got {params.path!r}"
        )
    return path


def top_of(path: Source, needed: str, name: str) -> Source:
    """`path`, or the one folder within it, that holds `needed`: archives add a folder on top."""
    candidates = [path, *sorted((each for each in path.iterdir() if each.is_dir()), key=str)]
    for candidate in candidates:
        if (candidate / needed).exists():
            return candidate
    raise ManifestError(f"{path} lacks {needed}: it is not {name}; name a copy as corpus.path")


def without_missing(rows: list[Row]) -> tuple[list[Row], list[Remark]]:
    """The rows with a recording, and a remark on each without.

    For corpora that are published with some gaps. Raises `ManifestError` where so much is missing
    that the copy must be incomplete.
    """
    absent = {id(row): row for row in rows if not row.problem and not row.source.is_file()}
    lost = list(absent.values())
    if len(lost) > _MOST_GAPS and len(lost) > _LARGEST_GAP * len(rows):
        raise ManifestError(
            f"{len(lost)} of {len(rows)} recordings are missing, {lost[0].source} for one: the "
            "copy is incomplete; unpack it anew"
        )
    present = [row for row in rows if id(row) not in absent]
    return present, [Remark(row.utterance, f"there is no {_last(row.source)}") for row in lost]


def _last(source: Source) -> str:
    return PurePosixPath(str(source)).name


def path_problem(path: str) -> str | None:
    """Why a path that a user wrote cannot name a recording in the corpus' folder, if so."""
    if manifest.is_within(path) and path.strip(".") and not PureWindowsPath(path).drive:
        return None
    return f"path {path!r} must be relative, with / between folders, and stay within the folder"


def name_utterance(path: str) -> str:
    """An utterance's name: its path without suffix, / as -, and all that is not plain as _."""
    pure = PurePosixPath(path)
    parts = pure.with_suffix("").parts if pure.name else ()
    return "-".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part) for part in parts)


def select(found: Found, params: CorpusParams) -> Found:
    """What of the rows is used: those neither broken nor excluded, of those the subset drawn."""
    exclusions = list(found.info.exclusions)
    rows, listed = without_listed(found.rows, params.exclude)
    rows, broken = settle(rows, rule_problems(rows), params, "rows break the rules of a corpus")
    if not rows:
        raise ManifestError(f"{found.root} has no utterance that can be used; mend the copy")
    table = pd.DataFrame(
        {"speaker": [row.speaker for row in rows], "text": [row.text for row in rows]}
    )
    drawn = [rows[place] for place in manifest.draw_utterances(table, params)]
    problems = side_by_side(lambda row: _complaint(inspection.check_file, row), drawn, "headers")
    pairs = [(row, problem) for row, problem in zip(drawn, problems, strict=True) if problem]
    drawn, unusable = settle(drawn, pairs, params, "recordings cannot be used")
    drawn, unsaid = settle(
        drawn, unsayable(drawn, found.info.language), params, "texts cannot be said"
    )
    exclusions += [*listed, *broken, *unusable, *unsaid]
    return replace(found, rows=drawn, info=replace(found.info, exclusions=exclusions))


def settle(
    rows: list[Row], problems: Sequence[tuple[Row, str]], params: CorpusParams, summary: str
) -> tuple[list[Row], list[Remark]]:
    """The rows without problems, and why the others are left out.

    Raises `ManifestError` with all problems unless `corpus.tolerate` is set.
    """
    if not params.tolerate:
        manifest.fail(
            list(dict.fromkeys(problem for _, problem in problems)),
            f"{summary}; mend or remove them, list them in corpus.exclude, or leave them out by "
            "corpus.tolerate: true",
        )
    bad = {id(row) for row, _ in problems}
    return (
        [row for row in rows if id(row) not in bad],
        [Remark(row.utterance, problem) for row, problem in problems],
    )


def rule_problems(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Which rows later stages could not carry, and why. The first of two of one name may stay."""
    problems: list[tuple[Row, str]] = []
    first: dict[str, str] = {}
    for row in rows:
        problems += [(row, problem) for problem in _row_problems(row)]
        if row.utterance in first:
            problem = (
                f"{row.where}: becomes the utterance {row.utterance!r}, as "
                f"{first[row.utterance]} does; rename or remove one"
            )
            problems.append((row, problem))
        first.setdefault(row.utterance, row.where)
    return problems


def _row_problems(row: Row) -> Iterator[str]:
    if row.problem:
        yield f"{row.where}: {row.problem}"
        return
    letters = "".join([row.utterance, row.speaker, *row.text.split(), *row.groups.values()])
    # JSON can name half of a character, which no file can hold.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in letters):
        yield f"{row.where}: has control characters or halves of others; remove them"
    if not manifest.normalise_text(row.text):
        yield f"{row.where}: there is no word in the text {row.text!r}"
    if not manifest.is_utterance(row.utterance) or len(row.utterance) > _LONGEST_NAME:
        yield (
            f"{row.where}: utterance {row.utterance!r} must be 1 to {_LONGEST_NAME} of A-Z, a-z, "
            "0-9, _, . and -; rename it"
        )
    try:
        manifest.check_name("speaker", row.speaker)
    except ManifestError as error:
        yield str(error)


def unsayable(rows: Sequence[Row], language: str) -> list[tuple[Row, str]]:
    """Which rows have a text that `language` cannot say, and why."""
    table = pd.DataFrame(
        {"utterance": row.utterance, "text": row.text, **row.groups} for row in rows
    )
    problems = transcribe(*texts_of(table, language)).problems if rows else {}
    return [
        (row, f"{row.where}: {problems[row.utterance]}")
        for row in rows
        if row.utterance in problems
    ]


def without_listed(rows: list[Row], path: str | None) -> tuple[list[Row], list[Remark]]:
    """The rows that the list at `path` does not name, and a remark on each that it does."""
    if path is None:
        return rows, []
    reasons = _read_exclusions(Path(path).expanduser())
    unknown = sorted(reasons.keys() - {row.utterance for row in rows})
    manifest.fail(
        [repr(name) for name in unknown],
        f"{path} (corpus.exclude) names utterances that the corpus does not have; remove them",
    )
    kept = [row for row in rows if row.utterance not in reasons]
    return kept, [Remark(name, f"listed in {path}: {why}") for name, why in reasons.items()]


def _read_exclusions(path: Path) -> dict[str, str]:
    """Utterance → reason, from a CSV file with these columns; more columns may follow."""
    rows = csv.DictReader(io.StringIO(transcripts.read_text(path)), strict=True)
    try:
        missing = [name for name in _EXCLUSION_COLUMNS if name not in (rows.fieldnames or [])]
        if missing:
            raise ManifestError(
                f"{path} must have the columns utterance and reason; lacks {missing}"
            )
        return {row["utterance"]: row["reason"] or "no reason given" for row in rows}
    except csv.Error as error:
        raise ManifestError(f"{path} is not CSV in UTF-8: {error}; save it as such") from None


def _keys(rows: Sequence[Row], params: CorpusParams) -> dict[str, str]:
    """For each recording, by its path, a hash of what it is made from."""
    sources = side_by_side(lambda row: _hash(row.source), rows, "sources")
    # The loudness of a speaker hangs on all that the speaker says.
    together = params.loudness is not None and params.loudness.per == "speaker"
    of_speaker: dict[str, list[str]] = defaultdict(list)
    for row, source in zip(rows, sources, strict=True):
        of_speaker[row.speaker] += [source] if together else []
    shared = {speaker: origins.key_of(own) for speaker, own in of_speaker.items()}
    settings = preparation.settings(params)
    return {
        _path(row): origins.key_of(settings, shared[row.speaker], row.utterance, source)
        for row, source in zip(rows, sources, strict=True)
    }


def _hash(source: Source) -> str:
    try:
        return hashlib.sha256(source.read_bytes()).hexdigest()
    except (OSError, zipfile.BadZipFile, zlib.error):
        return ""  # which is reported when the recording is made


def _bring(
    rows: Sequence[Row],
    params: CorpusParams,
    folder: Path,
    keys: Mapping[str, str],
    last: origins.Last,
) -> tuple[list[Brought], int]:
    """Write the recordings.

    Returns what became of each, and how many are those of the last run.
    """
    taken = side_by_side(
        lambda row: last.take(_path(row), keys[_path(row)], folder), rows, "last run"
    )
    rest = [row for row, each in zip(rows, taken, strict=True) if each is None]
    speakers = {row.speaker for row in rest}
    loudness = _speakers_loudness([row for row in rows if row.speaker in speakers], params)

    def make(row: Row) -> Brought:
        return _make(row, folder, params, loudness.get(row.speaker))

    made = iter(side_by_side(make, rest, params.reader))
    return [each or next(made) for each in taken], len(rows) - len(rest)


def _describe(
    found: Found, brought: Sequence[Brought], params: CorpusParams
) -> tuple[pd.DataFrame, manifest.CorpusInfo, pd.DataFrame]:
    """The manifest's table, what is to be said of the corpus, and what was done to each recording.

    Of those that can be used.
    """
    problems = [
        (row, each.problem)
        for row, each in zip(found.rows, brought, strict=True)
        if each.problem is not None
    ]
    _, unusable = settle(found.rows, problems, params, "recordings cannot be used")
    used = [
        (row, each) for row, each in zip(found.rows, brought, strict=True) if each.problem is None
    ]
    if not used:
        raise ManifestError(f"{found.root} has no recording that can be used; mend the copy")
    table = pd.DataFrame(
        {
            "utterance": row.utterance,
            "speaker": row.speaker,
            "text": " ".join(row.text.split()),
            "path": _path(row),
            "seconds": each.seconds,
            "content_hash": each.content,
            **row.groups,
        }
        for row, each in used
    )
    repeated = copies(zip(table["utterance"], table["content_hash"], strict=True))
    info = replace(
        found.info,
        exclusions=[*found.info.exclusions, *unusable],
        notes=[
            *found.info.notes,
            *(Remark(row.utterance, note) for row, each in used for note in each.notes),
            *(Remark(copy, f"has the samples of {first}") for copy, first in repeated.items()),
        ],
    )
    prepared = pd.DataFrame({"utterance": row.utterance, **each.prepared} for row, each in used)
    return table, info, prepared


def _speakers_loudness(rows: Sequence[Row], params: CorpusParams) -> dict[str, float]:
    """The loudness of all that each speaker says, in LUFS, where the level is set by it."""
    if params.loudness is None or params.loudness.per != "speaker":
        return {}

    def measure(row: Row) -> NDArray[np.float64] | None:
        try:
            return preparation.prepare(row.source, params).block_powers(params)
        except AudioError:
            return None  # which is reported when the recording is made

    powers: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for row, own in zip(rows, side_by_side(measure, rows, "loudness"), strict=True):
        if own is not None:
            powers[row.speaker].append(own)
    return {speaker: preparation.loudness_together(own) for speaker, own in powers.items()}


def _make(row: Row, folder: Path, params: CorpusParams, speaker_lufs: float | None) -> Brought:
    try:
        prepared = preparation.prepare(row.source, params)
    except AudioError as error:
        return Brought(problem=str(error))
    level = preparation.level(prepared, params, speaker_lufs)
    rate = params.sampling_rate
    finished = audio.finish(prepared.waveform, rate, row.utterance, level.gain)
    audio.write(folder / _path(row), finished, rate)
    notes = [*inspection.notes(prepared.recording), *filter(None, [level.note])]
    before, after = prepared.cut_seconds
    return Brought(
        len(finished) / rate,
        prepared.content,
        tuple(notes),
        prepared={
            "cut_before_seconds": round(before, 4),
            "cut_after_seconds": round(after, 4),
            "measured_lufs": None if level.lufs is None else round(level.lufs, 2),
            "gain_db": round(20 * math.log10(level.gain), 2),
        },
    )


def _path(row: Row) -> str:
    return f"audio/{row.speaker}/{row.utterance}.wav"


def _complaint(check: Callable[[Source], None], row: Row) -> str | None:
    try:
        check(row.source)
    except AudioError as error:
        return str(error)
    return None


def side_by_side(work: Callable[[Row], T], rows: Sequence[Row], name: str) -> list[T]:
    """The results of `work` for all rows, in their order, made by several threads."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return list(tqdm(pool.map(work, rows), name, len(rows), unit="utterance", disable=None))
