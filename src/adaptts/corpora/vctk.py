"""The VCTK corpus 0.92: 110 people read some 400 sentences each, in many accents of English.

44 hours at 48 kHz, 10.9 GB. J. Yamagishi, C. Veaux, K. MacDonald (2019), CC BY 4.0; from the
University of Edinburgh's DataShare, with the SHA-256 by which torchaudio verifies it.

The archive is read as it is, without unpacking; so is a copy that has been unpacked. Known faults:
of the two microphones the second is used, and who was not recorded by it (p280; some of p362), or
has no texts (p315), is left out.
"""

import zipfile
from pathlib import Path

from adaptts.corpora import archives
from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark
from adaptts.corpora.recorded import Found, Row, top_of, without_missing
from adaptts.corpora.transcripts import Source, read_lines, try_text
from adaptts.params import CorpusParams

VERSION = "0.92"
ARCHIVE = archives.Download(
    name=f"VCTK-Corpus-{VERSION}.zip",
    url=f"https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-{VERSION}.zip",
    most_bytes=12_000_000_000,
    checksum="sha256:f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
)
RECORDINGS, TEXTS, SPEAKERS = "wav48_silence_trimmed", "txt", "speaker-info.txt"
MICROPHONE = "mic2"
SEXES = {"F": "female", "M": "male"}


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of `corpus.path`, a copy or the archive, or else of the archive downloaded.

    Raises `ManifestError` for something that is laid out otherwise, and `ArchiveError` where the
    archive cannot be had or is damaged.
    """
    path = Path(params.path).expanduser() if params.path else None
    path = path or archives.locate([ARCHIVE], downloads, archives.find_mirror(params))[0]
    try:
        return _find_in(_open(path), params)
    except zipfile.BadZipFile as error:
        raise archives.ArchiveError(
            f"{path} is truncated, damaged or no zip archive ({error}); get it anew"
        ) from None


def _open(path: Path) -> Source:
    name = f"VCTK {VERSION} ({ARCHIVE.name} or an unpacked copy)"
    if not path.exists():
        raise ManifestError(f"corpus.path {path} does not exist; it must be {name}")
    source = top_of(path if path.is_dir() else zipfile.Path(path), RECORDINGS, name)
    missing = [name for name in (TEXTS, SPEAKERS) if not (source / name).exists()]
    if missing:
        raise ManifestError(f"{path} lacks {', '.join(missing)}: it is not {name}")
    return source


def _find_in(source: Source, params: CorpusParams) -> Found:
    rows: list[Row] = []
    exclusions = []
    for speaker, groups in _read_speakers(source / SPEAKERS).items():
        texts = source / TEXTS / speaker
        if not texts.is_dir():
            exclusions.append(Remark(speaker, f"there are no texts of {speaker}"))
            continue
        for text in sorted(texts.iterdir(), key=lambda path: path.name):
            if text.name.endswith(".txt"):
                name = text.name.removesuffix(".txt")
                recording = source / RECORDINGS / speaker / f"{name}_{MICROPHONE}.flac"
                words, problem = try_text(text)
                rows.append(Row(name, speaker, words, recording, str(text), groups, problem))
    rows, gaps = without_missing(rows)
    info = CorpusInfo(
        name="vctk",
        version=VERSION,
        licence="CC BY 4.0",
        citation="J. Yamagishi, C. Veaux, K. MacDonald (2019), CSTR VCTK Corpus: English "
        "Multi-speaker Corpus for CSTR Voice Cloning Toolkit (version 0.92), "
        "https://doi.org/10.7488/ds/2645",
        source="https://datashare.ed.ac.uk/handle/10283/3443",
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=[*exclusions, *gaps],
    )
    return Found(info, rows, source / RECORDINGS, recordings=(f"_{MICROPHONE}.flac",))


def _read_speakers(path: Source) -> dict[str, dict[str, str]]:
    """Sex and accent of each speaker: the columns ID, AGE, GENDER, ACCENTS, then free text."""
    speakers = {}
    for number, line in read_lines(path):
        if number > 1:
            try:
                speaker, _, gender, accent, *_ = line.split()
                speakers[speaker] = {"sex": SEXES[gender], "accent": accent}
            except (ValueError, KeyError):
                raise ManifestError(
                    f"{path}: {line!r} must tell ID, AGE, GENDER (F or M) and ACCENTS; mend it"
                ) from None
    return speakers
