"""The user's own recordings: a folder of audio with `metadata.csv`.

metadata.csv is UTF-8 with the columns path (relative to the folder), speaker and text; all further
columns are groups. Every problem is found before any is reported.
"""

import csv
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from adaptts.corpora import audio, manifest
from adaptts.corpora.audio import AudioError, Waveform
from adaptts.corpora.manifest import ManifestError, Remark
from adaptts.corpora.wording import spoken_words
from adaptts.params import CorpusParams

COLUMNS = ("path", "speaker", "text")

_LONGEST_NAME = 120  # characters: utterances name files together with speaker, shots and steps
_SHORTEST_SECONDS = 0.1
_SILENT = 1e-3  # a range of samples below it is no recording
_CLIPPED = 0.999  # of full scale …
_CLIPPED_RUN = 3  # … for as many samples in a row


@dataclass(frozen=True)
class _Prepared:
    """What became of one recording."""

    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: str | None = None


def prepare(params: CorpusParams, folder: Path, downloads: Path) -> None:
    """Bring the recordings at `corpus.path` into `folder`; nothing is downloaded.

    Raises `ManifestError` that lists what is wrong with metadata.csv or the recordings.
    """
    del downloads
    if params.path is None or not Path(params.path).is_dir():
        raise ManifestError(
            "corpus.path must be the folder of your recordings and metadata.csv, "
            f"got {params.path!r}"
        )
    source = Path(params.path)
    table = manifest.draw_utterances(_read_table(source / "metadata.csv"), params)

    def bring(row: dict[str, str]) -> _Prepared:
        return _bring(row, source, folder, params.sampling_rate)

    rows = table.to_dict("records")
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        prepared = list(
            tqdm(pool.map(bring, rows), "folder", len(rows), unit="utterance", disable=None)
        )
    manifest.fail(
        [each.problem for each in prepared if each.problem],
        "recordings cannot be used; mend them or remove their rows from metadata.csv",
    )
    notes = [
        Remark(row["utterance"], note)
        for row, each in zip(rows, prepared, strict=True)
        for note in each.notes
    ]
    groups = [column for column in table if column not in (*COLUMNS, "utterance", "source")]
    table["seconds"] = [each.seconds for each in prepared]
    manifest.write(
        folder,
        table[[*manifest.COLUMNS, *groups]],
        _describe(params, source / "metadata.csv", notes),
        manifest.alternatives(spoken_words(text, params.language) for text in table["text"]),
    )


def _read_table(path: Path) -> pd.DataFrame:
    """metadata.csv with a column utterance; path becomes the corpus' own, source the user's."""
    rows = list(_read_rows(path))
    problems = [*_column_problems(list(rows[0][1])), *_row_problems(rows)]
    problems += _speaker_problems({row["speaker"] for _, row in rows})
    manifest.fail(problems, f"{path} breaks the rules of metadata.csv")
    table = pd.DataFrame([row for _, row in rows], dtype=str)
    table["source"] = table["path"]
    table["utterance"] = [_name_utterance(source) for source in table["source"]]
    table["path"] = "audio/" + table["speaker"] + "/" + table["utterance"] + ".wav"
    return table


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the line on which each ends; white space becomes one space."""
    try:
        # utf-8-sig: spreadsheets write a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [" ".join(name.split()) for name in next(reader, [])]
            _check_header(header, path)
            empty = True
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise ManifestError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header has "
                        f"{len(header)}; put cells that hold a comma in double quotes"
                    )
                empty = False
                cells = [" ".join(cell.split()) for cell in cells]
                if any(unicodedata.category(letter) == "Cc" for letter in "".join(cells)):
                    raise ManifestError(
                        f"{path}, line {reader.line_num}: has control characters; remove them"
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except FileNotFoundError:
        raise ManifestError(
            f"{path} is missing; write it with the columns {', '.join(COLUMNS)}"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} is not CSV in UTF-8: {error}; save it as such") from None
    if empty:
        raise ManifestError(f"{path} has no rows; write one for each recording")


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ManifestError(
            f"{path} must have the comma-separated columns {', '.join(COLUMNS)}; it lacks "
            f"{', '.join(missing)} and has {header}"
        )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise ManifestError(f"{path} has the columns {twice} more than once; rename one")


def _column_problems(columns: list[str]) -> list[str]:
    return [
        f"column {name!r} must begin with a letter, have only letters, digits and _, and be none "
        f"of {', '.join(sorted(manifest.RESERVED))}; rename it"
        for name in columns
        if name not in COLUMNS and not manifest.is_group(name)
    ]


def _row_problems(rows: list[tuple[int, dict[str, str]]]) -> list[str]:
    problems = []
    lines: dict[str, int] = {}
    for line, row in rows:
        where = f"line {line}"
        if not row["path"] or not manifest.is_within(row["path"]):
            problems.append(
                f"{where}: path {row['path']!r} must be relative, with / between folders, and stay "
                "within the folder of metadata.csv"
            )
            continue
        if not manifest.normalise_text(row["text"]):
            problems.append(f"{where}: {row['path']} has no word in its text {row['text']!r}")
        name = _name_utterance(row["path"])
        if len(name) > _LONGEST_NAME:
            problems.append(
                f"{where}: path {row['path']!r} must have at most {_LONGEST_NAME} characters"
            )
        if name in lines:
            problems.append(
                f"{where}: {row['path']} becomes the utterance {name!r}, as line {lines[name]} "
                "does; rename or remove one"
            )
        lines.setdefault(name, line)
    return problems


def _speaker_problems(speakers: set[str]) -> list[str]:
    problems = []
    for speaker in sorted(speakers):
        try:
            manifest.check_name("speaker", speaker)
        except ManifestError as error:
            problems.append(str(error))
    return problems


def _name_utterance(path: str) -> str:
    """An utterance's name: its path without suffix, / as -, and all that is not plain as _."""
    parts = PurePosixPath(path).with_suffix("").parts
    return "-".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part) for part in parts)


def _bring(row: dict[str, str], source: Path, folder: Path, sampling_rate: int) -> _Prepared:
    try:
        recording = audio.read(source / row["source"])
        _check_length(source / row["source"], row["source"])
        _check_samples(recording, row["source"])
        waveform = recording.samples.mean(axis=1)
        _check_sound(waveform, recording.sampling_rate, row["source"])
    except AudioError as error:
        return _Prepared(problem=str(error))
    resampled = audio.resample(waveform, recording.sampling_rate, sampling_rate)
    finished = audio.finish(resampled, sampling_rate, row["utterance"])
    audio.write(folder / row["path"], finished, sampling_rate)
    return _Prepared(len(finished) / sampling_rate, tuple(_notes(recording)))


def _check_length(path: Path, name: str) -> None:
    """A WAV file cut short reads as a shorter one; its header tells."""
    with path.open("rb") as file:
        header = file.read(8)
    if header[:4] == b"RIFF":
        told = int.from_bytes(header[4:], "little") + 8
        # Programs that write to a pipe leave the length open: all ones, or nothing.
        if told not in (8, 2**32 + 7) and path.stat().st_size < told:
            raise AudioError(f"{name} is cut short: {path.stat().st_size} of {told} bytes")


def _check_samples(recording: audio.Recording, name: str) -> None:
    if recording.samples.size == 0:
        raise AudioError(f"{name} is empty")
    broken = np.count_nonzero(~np.isfinite(recording.samples))
    if broken:
        raise AudioError(f"{name} holds {broken} samples that are NaN or infinite")


def _check_sound(waveform: Waveform, sampling_rate: int, name: str) -> None:
    seconds = len(waveform) / sampling_rate
    if seconds < _SHORTEST_SECONDS:
        raise AudioError(f"{name} lasts {seconds:.3f} s; at least {_SHORTEST_SECONDS} s are needed")
    if np.ptp(waveform) < _SILENT:
        raise AudioError(f"{name} is silent once its channels are averaged")


def _notes(recording: audio.Recording) -> Iterator[str]:
    channels = recording.samples.shape[1]
    if channels > 1:
        yield f"the mean of {channels} channels is used"
    full = (np.abs(recording.samples) >= _CLIPPED).any(axis=1)
    runs = np.convolve(full, np.ones(_CLIPPED_RUN), mode="valid") == _CLIPPED_RUN
    if runs.any():
        yield f"clipped: {np.count_nonzero(full)} samples at full scale"


def _describe(params: CorpusParams, metadata: Path, notes: list[Remark]) -> manifest.CorpusInfo:
    return manifest.CorpusInfo(
        name="folder",
        version=f"metadata.csv {hashlib.sha256(metadata.read_bytes()).hexdigest()[:12]}",
        licence="the owner's; not stated",
        citation="not stated",
        source=str(params.path),
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        notes=notes,
    )
