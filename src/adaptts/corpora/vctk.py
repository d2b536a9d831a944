"""The VCTK corpus: 110 people read some 400 sentences each, in many accents of English.

The archive is read as it is, without unpacking; so is a copy that has been unpacked. Of the two
microphones the second is used; who was not recorded by it (p280), and who has no texts (p315), is
left out.
"""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from adaptts.corpora import archives, audio, manifest
from adaptts.corpora.manifest import ManifestError, Remark
from adaptts.corpora.wording import spoken_words
from adaptts.params import CorpusParams

VERSION = "0.92"
ARCHIVE = archives.Download(
    name=f"VCTK-Corpus-{VERSION}.zip",
    url=f"https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-{VERSION}.zip",
    most_bytes=12_000_000_000,
)
RECORDINGS, TEXTS, SPEAKERS = "wav48_silence_trimmed", "txt", "speaker-info.txt"
MICROPHONE = "mic2"

# Of an archive or of a copy on disk: both are read in the same words.
Source = Path | zipfile.Path


def prepare(params: CorpusParams, folder: Path, downloads: Path) -> None:
    """Make the corpus in `folder` from `corpus.path`, a copy or the archive, or else the archive
    in `downloads`, in the mirror, or downloaded.

    Raises `ManifestError` for something that is laid out otherwise, and `ArchiveError` where the
    archive cannot be had or is damaged.
    """
    path = Path(params.path).expanduser() if params.path else None
    path = path or archives.locate(ARCHIVE, downloads, archives.find_mirror(params))
    try:
        _prepare_from(_open(path), params, folder)
    except zipfile.BadZipFile as error:
        raise archives.ArchiveError(
            f"{path} is truncated, damaged or no zip archive ({error}); get it anew"
        ) from None


def _open(path: Path) -> Source:
    source = path if path.is_dir() else zipfile.Path(path)
    top = source / f"VCTK-Corpus-{VERSION}"
    source = top if top.is_dir() else source
    missing = [name for name in (RECORDINGS, TEXTS, SPEAKERS) if not (source / name).exists()]
    if missing:
        raise ManifestError(
            f"{path} lacks {', '.join(missing)}: it is not VCTK {VERSION}; name a copy of that, "
            f"or {ARCHIVE.name}, as corpus.path"
        )
    return source


def _prepare_from(source: Source, params: CorpusParams, folder: Path) -> None:
    table, exclusions = _tabulate(source)
    table = manifest.draw_utterances(table, params)

    def bring(row: dict[str, str]) -> tuple[str, float]:
        text = (source / TEXTS / row["speaker"] / f"{row['utterance']}.txt").read_text("utf-8")
        recording = _recording(source, row["speaker"], row["utterance"])
        waveform = audio.read_mono(recording, params.sampling_rate)
        waveform = audio.finish(waveform, params.sampling_rate, row["utterance"])
        audio.write(folder / row["path"], waveform, params.sampling_rate)
        return " ".join(text.split()), len(waveform) / params.sampling_rate

    rows = table.to_dict("records")
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        brought = list(tqdm(pool.map(bring, rows), "vctk", len(rows), unit="file", disable=None))
    table["text"], table["seconds"] = zip(*brought, strict=True)
    groups = [column for column in table if column not in manifest.COLUMNS]
    manifest.write(
        folder,
        table[[*manifest.COLUMNS, *groups]],
        _describe(params, exclusions),
        manifest.alternatives(spoken_words(text, params.language) for text in table["text"]),
    )


def _tabulate(source: Source) -> tuple[pd.DataFrame, list[Remark]]:
    """A row for each utterance that has text and recording, and what is left out."""
    rows, exclusions = [], []
    for speaker, groups in _read_speakers(source / SPEAKERS).items():
        texts = source / TEXTS / speaker
        if not texts.is_dir():
            exclusions.append(Remark(speaker, f"there are no texts of {speaker}"))
            continue
        names = sorted(path.name for path in texts.iterdir() if path.name.endswith(".txt"))
        for name in (name.removesuffix(".txt") for name in names):
            if not _recording(source, speaker, name).exists():
                exclusions.append(Remark(name, f"there is no recording by {MICROPHONE}"))
                continue
            path = f"audio/{speaker}/{name}.wav"
            rows.append({"utterance": name, "speaker": speaker, "path": path, **groups})
    if not rows:
        raise ManifestError(f"{source} has no utterance with text and recording; mend the copy")
    return pd.DataFrame(rows), exclusions


def _read_speakers(path: Source) -> dict[str, dict[str, str]]:
    """Sex and accent of each speaker: the columns ID, AGE, GENDER, ACCENTS, then free text."""
    speakers = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        if line.strip():
            try:
                speaker, _, gender, accent, *_ = line.split()
                speakers[speaker] = {"sex": {"F": "female", "M": "male"}[gender], "accent": accent}
            except (ValueError, KeyError):
                raise ManifestError(
                    f"{path}: {line!r} must tell ID, AGE, GENDER (F or M) and ACCENTS; mend it"
                ) from None
            manifest.check_name("speaker", speaker)
    return speakers


def _recording(source: Source, speaker: str, utterance: str) -> Source:
    return source / RECORDINGS / speaker / f"{utterance}_{MICROPHONE}.flac"


def _describe(params: CorpusParams, exclusions: list[Remark]) -> manifest.CorpusInfo:
    return manifest.CorpusInfo(
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
        exclusions=exclusions,
    )
