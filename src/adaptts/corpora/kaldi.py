"""Data folders of Kaldi and ESPnet: wav.scp, text and utt2spk, and spk2gender where there is one.

Each line is a key and its value. Recordings are named in wav.scp, relative to the folder at
`corpus.path` or absolute. Commands there (… |) are not run, and `segments` of longer recordings are
not cut: make files of them first.
"""

from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import AUDIO, Found, Row, folder_of, name_utterance
from adaptts.corpora.transcripts import read_lines
from adaptts.params import CorpusParams

SEXES = {"f": "female", "m": "male"}


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the folder at `corpus.path`."""
    del downloads
    root = folder_of(params)
    if (root / "segments").exists():
        raise ManifestError(f"{root} has segments: cut them into files, one for each utterance")
    recordings, texts, speakers = (_read(root / name) for name in ("wav.scp", "text", "utt2spk"))
    _check_keys(root, recordings, texts, speakers)
    sexes = _read(root / "spk2gender") if (root / "spk2gender").exists() else {}
    rows = []
    for key, (number, recording) in recordings.items():
        where = f"{root / 'wav.scp'}, line {number}"
        speaker = speakers[key][1]
        groups = {"sex": SEXES.get(sexes.get(speaker, (0, ""))[1], "unknown")} if sexes else {}
        name = name_utterance(f"{key}.wav")
        problem = _problem(recording)
        rows.append(Row(name, speaker, texts[key][1], root / recording, where, groups, problem))
    info = CorpusInfo(
        name="kaldi",
        version="not stated",
        licence="the owner's; not stated",
        citation="not stated",
        source=str(root),
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
    )
    return Found(info, rows, root, AUDIO)


def _read(path: Path) -> dict[str, tuple[int, str]]:
    """Key → line number and value. Raises `ManifestError` for a key that stands twice."""
    entries: dict[str, tuple[int, str]] = {}
    for number, line in read_lines(path):
        key, *rest = line.split(maxsplit=1)
        if key in entries:
            raise ManifestError(
                f"{path}, line {number}: {key!r} stands on line {entries[key][0]} too; remove one"
            )
        entries[key] = (number, rest[0] if rest else "")
    return entries


def _check_keys(root: Path, recordings: dict, texts: dict, speakers: dict) -> None:
    named = {"wav.scp": recordings, "text": texts, "utt2spk": speakers}
    everything = sorted({key for entries in named.values() for key in entries})
    problems = [
        f"{key} is not in {' nor in '.join(absent)}"
        for key in everything
        if (absent := [name for name, entries in named.items() if key not in entries])
    ]
    manifest.fail(problems, f"{root}: wav.scp, text and utt2spk must have the same keys")


def _problem(recording: str) -> str | None:
    if recording.endswith("|") or recording.startswith("|"):
        return f"{recording!r} is a command, which is not run; make a file of it"
    if "\\" in recording:
        return f"path {recording!r} must have / between folders"
    return None
