"""The form that every corpus takes: a table of utterances, its recordings, and where they are from.

A corpus folder holds `manifest.csv`, `corpus.json`, `grammar.jsgf`, the recordings, and, where the
phones are known exactly, `phones.parquet`; a reader may add files, such as `origins.json`.
"""

import dataclasses
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import soundfile
from pydantic import TypeAdapter, ValidationError

from adaptts.params import CorpusParams

SILENCE = "sil"
# content_hash: of the recording as its source has it, see `content`.
COLUMNS = ["utterance", "speaker", "text", "path", "seconds", "content_hash"]
PHONE_COLUMNS = ["utterance", "phone", "start_seconds", "end_seconds"]
# Columns that later stages put beside those of the manifest.
RESERVED = frozenset(
    (
        "utterance",
        "seconds",
        "content_hash",
        "split",
        "role",
        "draw",
        "rank",
        "frames",
        "phones",
        "cepstrum_frames",
        "frame_offset",
        "phone_offset",
        "cepstrum_offset",
        "shard",
        "arm",
        "seed",
        "shots",
        "steps",
        "metric",
        "value",
        "note",
    )
)

_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UTTERANCE = re.compile(r"[A-Za-z0-9_.-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*")
_MOST_LINES = 20
# Phone times and the seconds column agree with the samples to within half a sample at 48 kHz.
_TOLERANCE_SECONDS = 1e-5


class ManifestError(ValueError):
    """A corpus folder breaks a rule; the message names row, rule and remedy."""


@dataclass(frozen=True)
class Remark:
    """Why an utterance was left out, or what was done to it."""

    utterance: str
    reason: str


@dataclass(frozen=True)
class CorpusInfo:
    """Where a corpus is from, and what its recordings are."""

    name: str
    version: str
    licence: str
    citation: str
    source: str
    sampling_rate: int  # Hz, of every recording
    language: str  # espeak-ng's name
    exact_phones: bool  # phones.parquet holds the true phones and times
    exclusions: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)


@dataclass(frozen=True)
class Manifest:
    """A corpus folder that keeps every rule."""

    folder: Path
    table: pd.DataFrame  # COLUMNS, then group columns of strings; one row per utterance
    info: CorpusInfo
    phones: pd.DataFrame | None  # PHONE_COLUMNS, in the order of table and of time

    @property
    def groups(self) -> list[str]:
        """The columns that tell utterances apart beyond their speaker: sex, accent …"""
        return [column for column in self.table.columns if column not in COLUMNS]


def normalise_text(text: str) -> str:
    """Lower-case words with one space between them: what recognisers and text comparisons see.

    Punctuation is dropped, save apostrophes within a word; hyphens and underscores part words.
    """
    text = unicodedata.normalize("NFC", text.lower()).replace("’", "'")
    # Letters, numbers and marks: the vowel signs of many scripts are marks. Cf: invisible joiners.
    visible = [c for c in text if unicodedata.category(c) != "Cf"]
    kept = [c if c == "'" or unicodedata.category(c)[0] in "LNM" else " " for c in visible]
    words = (word.strip("'") for word in "".join(kept).split())
    return " ".join(word for word in words if word)


def choose(known: Sequence[str], asked: Sequence[str] | None, key: str) -> list[str]:
    """The names of `known` that are asked for, in the order of `known`; None asks for all.

    `key` is the parameter that asks. Raises `ManifestError` for a name that is unknown or stands
    twice.
    """
    if asked is None:
        return list(known)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ManifestError(f"{key} names {unknown}; the corpus has {', '.join(known)}")
    if not asked or len(set(asked)) < len(asked):
        raise ManifestError(f"{key} must name at least one, and none twice, got {[*asked]}")
    return [name for name in known if name in asked]


def draw_utterances(table: pd.DataFrame, params: CorpusParams) -> list[int]:
    """The positions in `table`, in its order, of at most as many utterances of each chosen speaker
    as are asked for. No text is drawn twice of a speaker before all have been drawn.

    `table` has the columns speaker and text.
    """
    positions = table.groupby("speaker").indices
    chosen = choose(sorted(map(str, positions)), params.speakers, "corpus.speakers")
    kept: list[int] = []
    for speaker in chosen:
        # What is drawn of a speaker does not hang on who else is there.
        generator = np.random.default_rng([params.seed, zlib.crc32(speaker.encode())])
        order = generator.permutation(positions[speaker])
        texts = table["text"].iloc[order]
        turns = texts.groupby(texts).cumcount().to_numpy()
        order = order[np.argsort(turns, kind="stable")]
        kept += order[: params.utterances_per_speaker].tolist()
    return sorted(kept)


def is_utterance(name: str) -> bool:
    """Whether `name` may name an utterance."""
    return bool(_UTTERANCE.fullmatch(name))


def is_group(name: str) -> bool:
    """Whether `name` may be a group column."""
    return bool(_GROUP.fullmatch(name)) and name not in RESERVED and name not in COLUMNS


def check_name(kind: str, name: str) -> None:
    """Raise `ManifestError` unless `name` can stand in names of folders and stages.

    `kind` is what it names: a speaker, an accent.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise ManifestError(
            f"{kind} {name!r} must be 1 to 60 of A-Z, a-z, 0-9, _ and ., and begin with a letter "
            f"or digit, because it names folders and stages; rename the {kind}"
        )


def alternatives(texts: Iterable[str]) -> str:
    """A grammar, as JSGF, of whichever of `texts`."""
    choices = sorted({normalise_text(text) for text in texts})
    return f"#JSGF V1.0;\ngrammar texts;\npublic <utterance> = {' | '.join(choices)};\n"


def write(
    folder: Path,
    table: pd.DataFrame,
    info: CorpusInfo,
    grammar: str,
    phones: pd.DataFrame | None = None,
) -> None:
    """Write all of a corpus folder but its recordings."""
    table.to_csv(folder / "manifest.csv", index=False, lineterminator="\n")
    (folder / "corpus.json").write_text(
        json.dumps(dataclasses.asdict(info), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / "grammar.jsgf").write_text(grammar, encoding="utf-8")
    if phones is not None:
        phones.to_parquet(folder / "phones.parquet", index=False)


def read(folder: Path) -> Manifest:
    """Read a corpus folder and check it. Raises `ManifestError`, one line per broken rule."""
    info = read_info(folder)
    needed = ["manifest.csv", "grammar.jsgf", *(["phones.parquet"] if info.exact_phones else [])]
    for name in needed:
        _check_there(folder / name)
    # Texts, speakers and groups such as "NA" or "001" mean what they say.
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    phones = pd.read_parquet(folder / "phones.parquet") if info.exact_phones else None
    _check_columns(table, COLUMNS, folder / "manifest.csv")
    unfit = [name for name in table if name not in COLUMNS and not is_group(str(name))]
    if unfit:
        raise ManifestError(f"{folder / 'manifest.csv'} has columns that cannot be groups: {unfit}")
    table["seconds"] = pd.to_numeric(table["seconds"], errors="coerce")
    problems = _table_problems(table, folder, info.sampling_rate)
    if phones is not None and not problems:
        _check_columns(phones, PHONE_COLUMNS, folder / "phones.parquet")
        problems = _phone_problems(phones, table)
    fail(problems, f"{folder} breaks the rules of a corpus; mend the reader or the folder")
    return Manifest(folder, table, info, phones)


def fail(problems: Sequence[str], summary: str) -> None:
    """Raise `ManifestError` if there are problems; `summary` stands first, then one each line."""
    if not problems:
        return
    lines = [f"{summary}:", *problems[:_MOST_LINES]]
    if len(problems) > _MOST_LINES:
        lines.append(f"… and {len(problems) - _MOST_LINES} more")
    raise ManifestError("\n  ".join(lines))


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ManifestError(f"{path} is missing; run the stage corpus")


def read_info(folder: Path) -> CorpusInfo:
    """Read where a corpus folder is from, alone. Raises `ManifestError`."""
    _check_there(folder / "corpus.json")
    text = (folder / "corpus.json").read_text(encoding="utf-8")
    try:
        return TypeAdapter(CorpusInfo).validate_json(text)
    except ValidationError as error:
        raise ManifestError(
            f"{folder / 'corpus.json'} must hold the fields of CorpusInfo: {error}"
        ) from None


def _check_columns(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ManifestError(
            f"{path} lacks the columns {missing}; it has {list(table.columns)}; add them"
        )
    if table.empty:
        raise ManifestError(f"{path} names no utterance; a corpus needs at least one")


def _table_problems(table: pd.DataFrame, folder: Path, sampling_rate: int) -> list[str]:
    problems = []
    seen: set[str] = set()
    for number, row in enumerate(table.to_dict("records"), start=2):
        where = f"line {number} ({row['utterance']!r})"
        if not _UTTERANCE.fullmatch(row["utterance"]):
            problems.append(f"{where}: utterance must be of A-Z, a-z, 0-9, _, . and -")
        if row["utterance"] in seen:
            problems.append(f"{where}: utterance stands twice; make it unique")
        seen.add(row["utterance"])
        if not normalise_text(row["text"]):
            problems.append(f"{where}: text {row['text']!r} has no word; remove the row")
        if not _NAME.fullmatch(row["speaker"]):
            problems.append(f"{where}: speaker {row['speaker']!r} cannot name a folder; rename it")
        problem = _audio_problem(row["path"], row["seconds"], folder, sampling_rate)
        if problem:
            problems.append(f"{where}: {problem}")
    return problems


def _audio_problem(path: str, seconds: float, folder: Path, sampling_rate: int) -> str | None:
    if not is_within(path):
        return f"path {path!r} must be relative and stay in the folder"
    if not np.isfinite(seconds) or seconds <= 0:
        return f"seconds must be a positive number, got {seconds}"
    try:
        header = soundfile.info(folder / path)
    except (soundfile.SoundFileError, OSError):
        return f"{path} is missing or no audio; run the stage corpus again"
    form = (header.format, header.subtype, header.channels, header.samplerate)
    if form != ("WAV", "PCM_16", 1, sampling_rate):
        return f"{path} must be 16-bit mono WAV at {sampling_rate} Hz, got {form}"
    if abs(header.frames / sampling_rate - seconds) > _TOLERANCE_SECONDS:
        return f"{path} lasts {header.frames / sampling_rate} s, the manifest says {seconds}"
    return None


def is_within(path: str) -> bool:
    """Whether the POSIX path is relative and never leaves its folder."""
    pure = PurePosixPath(path)
    return not (
        pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in path or "\0" in path
    )


def _phone_problems(phones: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    seconds: dict[str, float] = dict(zip(table["utterance"], table["seconds"], strict=True))
    groups = {str(name): group for name, group in phones.groupby("utterance", sort=False)}
    problems = [
        f"{utterance}: stands in only one of manifest.csv and phones.parquet"
        for utterance in sorted(seconds.keys() ^ groups.keys())
    ]
    for utterance in [name for name in seconds if name in groups]:
        starts = groups[utterance]["start_seconds"].to_numpy(dtype=float)
        ends = groups[utterance]["end_seconds"].to_numpy(dtype=float)
        if not (ends > starts).all():
            problems.append(f"{utterance}: each phone must end after it starts")
        # Each phone starts where the one before ends, the first at 0; the last ends the utterance.
        gaps = np.append(starts, seconds[utterance]) - np.insert(ends, 0, 0.0)
        if not (np.abs(gaps) <= _TOLERANCE_SECONDS).all():
            problems.append(
                f"{utterance}: phones must join without gaps from 0 to {seconds[utterance]} s"
            )
    return problems
