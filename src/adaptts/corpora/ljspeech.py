"""Folders laid out like LJSpeech: metadata.csv of id|text|normalised text, and wavs/<id>.wav.

`corpus.path` is a folder of such folders, each a speaker named like it; one such folder alone is
one speaker. The normalised text is used where there is one. Nothing is in quotes: the texts have
some of their own.
"""

from collections.abc import Iterator
from pathlib import Path

from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import Found, Row, folder_of, name_utterance
from adaptts.corpora.transcripts import read_lines
from adaptts.params import CorpusParams

METADATA, RECORDINGS = "metadata.csv", "wavs"


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the folder at `corpus.path`."""
    del downloads
    root = folder_of(params)
    single = (root / METADATA).is_file()
    folders = [root] if single else sorted(path.parent for path in root.glob(f"*/{METADATA}"))
    if not folders:
        raise ManifestError(f"{root} has no {METADATA}, nor has any folder in it; write one")
    rows = [row for folder in folders for row in _find_speaker(folder)]
    info = CorpusInfo(
        name="ljspeech",
        version="not stated",
        licence="the owner's; not stated",
        citation="not stated; LJSpeech itself: K. Ito, L. Johnson (2017), The LJ Speech Dataset, "
        "https://keithito.com/LJ-Speech-Dataset, public domain",
        source=str(root),
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
    )
    return Found(info, rows, root)


def _find_speaker(folder: Path) -> Iterator[Row]:
    speaker = folder.resolve().name
    for number, line in read_lines(folder / METADATA):
        where = f"{folder / METADATA}, line {number}"
        name, *texts = line.split("|")
        yield Row(
            utterance=f"{speaker}-{name_utterance(f'{name}.wav')}",
            speaker=speaker,
            text=texts[-1].strip() or texts[0] if texts else "",
            source=folder / RECORDINGS / f"{name}.wav",
            where=where,
            problem=_problem(name, texts, line),
        )


def _problem(name: str, texts: list[str], line: str) -> str | None:
    if len(texts) not in (1, 2) or "/" in name or "\\" in name:
        return f"{line!r} must be id|text or id|text|normalised text"
    return None
