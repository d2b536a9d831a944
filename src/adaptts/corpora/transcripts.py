"""Reading the text files of corpora, which come in many encodings and with any line ends."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from adaptts.corpora.manifest import ManifestError

# Of an archive or of a copy on disk: both are read in the same words.
Source = Path | zipfile.Path

UTF_8 = ("utf-8-sig",)  # with or without a byte order mark


def read_text(path: Source, encodings: Sequence[str] = UTF_8) -> str:
    """The file's text by the first of `encodings` that fits, without byte order mark.

    Line ends become "\\n". Raises `ManifestError` for a file that is not there or fits none.
    """
    try:
        data = path.read_bytes()
    except (OSError, KeyError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError | KeyError) else str(error)
        raise ManifestError(f"{path} cannot be read: {reason}") from None
    line = 0
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
        else:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    names = " or ".join(encodings).replace("utf-8-sig", "UTF-8")
    raise ManifestError(f"{path}, line {line}: is not text in {names}; save it as UTF-8")


def try_text(path: Source) -> tuple[str, str | None]:
    """The text of an utterance's own file, or nothing and why."""
    try:
        return read_text(path), None
    except ManifestError as error:
        return "", str(error)


def read_lines(path: Source, encodings: Sequence[str] = UTF_8) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, stripped, with their numbers from 1."""
    for number, line in enumerate(read_text(path, encodings).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()
