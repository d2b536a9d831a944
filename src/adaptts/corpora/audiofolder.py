"""Audio folders of Hugging Face's `datasets` on disk: recordings, and metadata beside them.

metadata.csv or metadata.jsonl has file_name (relative to the metadata), a text (text, sentence,
transcription, transcript or normalized_text) and a speaker (speaker, speaker_id or client_id); it
stands in the folder at `corpus.path`, or one in each of its splits (train/, test/ …), which are not
used as such here. Columns of plain names become groups. Data that was saved as Parquet or Arrow is
no audio folder: export it first.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import AUDIO, Found, Row, folder_of, name_utterance, path_problem
from adaptts.corpora.transcripts import read_lines, read_text
from adaptts.params import CorpusParams

METADATA = ("metadata.csv", "metadata.jsonl")
FILE = ("file_name",)
TEXT = ("text", "sentence", "transcription", "transcript", "normalized_text")
SPEAKER = ("speaker", "speaker_id", "client_id")


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the folder at `corpus.path`."""
    del downloads
    root = folder_of(params)
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    paths = [place / name for place in places for name in METADATA if (place / name).is_file()]
    if not paths:
        raise ManifestError(
            f"{root} has no {' or '.join(METADATA)}, nor has any folder in it: it is no audio "
            "folder; export the data set as one"
        )
    rows = [row for path in paths for row in _read_metadata(path, root)]
    # Groups stand in every row, or in none.
    shared = set.intersection(*(set(row.groups) for row in rows)) if rows else set()
    rows = [
        replace(row, groups={name: row.groups[name] for name in row.groups if name in shared})
        for row in rows
    ]
    info = CorpusInfo(
        name="audiofolder",
        version="not stated",
        licence="the owner's; see the data set's card",
        citation="not stated; see the data set's card",
        source=str(root),
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
    )
    return Found(info, rows, root, AUDIO)


def _read_metadata(path: Path, root: Path) -> Iterator[Row]:
    for number, entry in _read_entries(path):
        where = f"{path}, line {number}"
        file_name = _first(entry, FILE, where)
        source = path.parent / file_name
        groups = {
            name: " ".join(value.split())
            for name, value in entry.items()
            if manifest.is_group(name) and name not in (*FILE, *TEXT, *SPEAKER)
        }
        yield Row(
            utterance=name_utterance((path.parent.relative_to(root) / file_name).as_posix()),
            speaker=_first(entry, SPEAKER, where),
            text=_first(entry, TEXT, where),
            source=source,
            where=where,
            groups=groups,
            problem=path_problem(file_name),
        )


def _read_entries(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if path.suffix == ".csv":
            rows = csv.DictReader(read_text(path).split("\n"), strict=True)
            for entry in rows:
                yield rows.line_num, {name: value or "" for name, value in entry.items() if name}
        else:
            for number, line in read_lines(path):
                yield number, {name: str(value) for name, value in json.loads(line).items()}
    except (csv.Error, json.JSONDecodeError, AttributeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}; write it anew") from None


def _first(entry: dict[str, str], names: Sequence[str], where: str) -> str:
    for name in names:
        if name in entry:
            return entry[name]
    raise ManifestError(f"{where}: has none of {', '.join(names)}; it has {', '.join(entry)}")
