"""AudioMNIST: 60 people say the English digits, fifty times each.

9.5 hours, 30,000 recordings at 48 kHz, about 1 GB. S. Becker et al. (2018), MIT licence; the
archive of one commit of its repository, so that it stays the same. No checksum is published.

With ten texts in all, set `episodes.text_disjoint: false`. Put speakers in quotes in params.yaml.
Known faults, by the authors' notes: takes 20 and 29 of the digit 3 by speaker 36 are copies of
takes 19 and 28, and are left out. Accents are written in two ways (german, German), and one with a
question mark; they are made alike. An age is 1234; ages are not used.
"""

import json
import re
from pathlib import Path

from adaptts.corpora.archives import Download
from adaptts.corpora.fsdd import WORDS
from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark
from adaptts.corpora.recorded import Found, Row, obtain, top_of
from adaptts.corpora.transcripts import Source, read_text
from adaptts.params import CorpusParams

COMMIT = "6c5eb77d8e9242d6ce31af807f0409d36a246f51"
ARCHIVE = Download(
    name=f"AudioMNIST-{COMMIT}.tar.gz",
    url=f"https://github.com/soerenab/AudioMNIST/archive/{COMMIT}.tar.gz",
    most_bytes=5_000_000_000,
)
COPIES = {"3_36_20": "3_36_19", "3_36_29": "3_36_28"}
UNKNOWN = {"sex": "unknown", "accent": "unknown", "native": "unknown"}
_RECORDING = re.compile(r"(\d)_(\d\d)_(\d+)\.wav")


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances data/<speaker>/<digit>_<speaker>_<take>.wav."""
    (root,) = obtain(params, [ARCHIVE], (".wav", "audioMNIST_meta.txt"), downloads)
    top = top_of(root, "data", "AudioMNIST") / "data"
    people = _read_people(top / "audioMNIST_meta.txt")
    rows = []
    for folder in sorted((path for path in top.iterdir() if path.is_dir()), key=str):
        for source in sorted(folder.iterdir(), key=_order):
            match = _RECORDING.fullmatch(source.name)
            if match and match[2] == folder.name:
                name, word = source.name.removesuffix(".wav"), WORDS[int(match[1])]
                groups = {**people.get(match[2], UNKNOWN), "word": word, "take": match[3]}
                rows.append(Row(name, match[2], word, source, str(source), groups))
    info = CorpusInfo(
        name="audiomnist",
        version=COMMIT,
        licence="MIT",
        citation="S. Becker, J. Vielhaben, M. Ackermann, K.-R. Müller, S. Lapuschkin, W. Samek "
        "(2024), AudioMNIST: Exploring Explainable Artificial Intelligence for audio analysis on "
        "a simple benchmark, Journal of the Franklin Institute 361(1)",
        source="https://github.com/soerenab/AudioMNIST",
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=[
            Remark(row.utterance, f"a copy of {COPIES[row.utterance]}")
            for row in rows
            if row.utterance in COPIES
        ],
    )
    kept = [row for row in rows if row.utterance not in COPIES]
    return Found(info, kept, top, words=WORDS)


def _order(source: Source) -> tuple[str, int, str]:
    """By digit, then by take as a number."""
    match = _RECORDING.fullmatch(source.name)
    return (match[1], int(match[3]), "") if match else ("", 0, source.name)


def _read_people(path: Source) -> dict[str, dict[str, str]]:
    """Speaker → sex, accent, and whether English is the first language."""
    try:
        return {
            speaker: {
                "sex": entry["gender"],
                "accent": entry["accent"].rstrip("?").capitalize(),
                "native": entry["native speaker"],
            }
            for speaker, entry in json.loads(read_text(path)).items()
        }
    except (json.JSONDecodeError, KeyError, AttributeError) as error:
        raise ManifestError(f"{path} must tell of each speaker in JSON ({error})") from None
