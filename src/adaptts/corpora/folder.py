"""The user's own recordings: a folder of audio with `metadata.csv`.

metadata.csv is UTF-8 with the columns path (relative to the folder), speaker and text; all further
columns are groups. Every problem is found before any is reported.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import AUDIO, Found, Row, folder_of, name_utterance, path_problem
from adaptts.corpora.transcripts import read_text
from adaptts.params import CorpusParams

COLUMNS = ("path", "speaker", "text")


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances that metadata.csv names in the folder at `corpus.path`."""
    del downloads
    root = folder_of(params)
    metadata = root / "metadata.csv"
    rows = [_row(root, line, cells) for line, cells in _read_rows(metadata)]
    info = CorpusInfo(
        name="folder",
        version=f"metadata.csv {hashlib.sha256(metadata.read_bytes()).hexdigest()[:12]}",
        licence="the owner's; not stated",
        citation="not stated",
        source=str(params.path),
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
    )
    return Found(info, rows, root, AUDIO)


def _row(root: Path, line: int, cells: dict[str, str]) -> Row:
    path = cells["path"]
    return Row(
        utterance=name_utterance(path),
        speaker=cells["speaker"],
        text=cells["text"],
        source=root / path,
        where=f"{root / 'metadata.csv'}, line {line}",
        groups={name: value for name, value in cells.items() if name not in COLUMNS},
        problem=path_problem(path),
    )


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the line on which each ends; white space becomes one space."""
    if not path.is_file():
        raise ManifestError(f"{path} is missing; write it with the columns {', '.join(COLUMNS)}")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [" ".join(name.split()) for name in next(reader, [])]
        _check_header(header, path)
        empty = True
        for cells in filter(None, reader):
            if len(cells) != len(header):
                raise ManifestError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells where the header has "
                    f"{len(header)}; put cells that hold a comma in double quotes"
                )
            empty = False
            cells = (" ".join(cell.split()) for cell in cells)
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
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
    unfit = [
        f"column {name!r} must begin with a letter, have only letters, digits and _, and be none "
        f"of {', '.join(sorted(manifest.RESERVED))}; rename it"
        for name in header
        if name not in COLUMNS and not manifest.is_group(name)
    ]
    manifest.fail(unfit, f"{path} has columns that cannot be groups")
