"""Hi-Fi TTS: ten readers of LibriVox audiobooks, chosen for bandwidth and noise.

292 hours at 44.1 kHz, 41 GB. E. Bakhturina et al. (2021), OpenSLR 109, CC BY 4.0. No checksum is
published. The column `quality` tells clean from other recordings; a reader may have both. Speakers
are LibriVox's numbers: put them in quotes in params.yaml.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from adaptts.corpora.archives import Download
from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import (
    Found,
    Row,
    name_utterance,
    obtain,
    path_problem,
    top_of,
    without_missing,
)
from adaptts.corpora.transcripts import Source, read_lines
from adaptts.params import CorpusParams

ARCHIVE = Download(
    name="hi_fi_tts_v0.tar.gz",
    url="https://www.openslr.org/resources/109/hi_fi_tts_v0.tar.gz",
    most_bytes=100_000_000_000,
)
SEXES = {
    **dict.fromkeys(("92", "8051", "9136", "11614", "11697", "12787"), "female"),
    **dict.fromkeys(("6097", "6670", "6671", "9017"), "male"),
}
_LISTING = re.compile(r"(\d+)_manifest_(clean|other)_(train|dev|test)\.json")


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of all listings; their split by books is not used here."""
    (root,) = obtain(params, [ARCHIVE], (".flac", ".json"), downloads)
    top = top_of(root, "audio", "Hi-Fi TTS")
    rows: list[Row] = []
    for listing in sorted(top.iterdir(), key=lambda path: path.name):
        match = _LISTING.fullmatch(listing.name)
        if match:
            rows += _read_listing(listing, top, match[1], match[2])
    rows, gaps = without_missing(rows)
    info = CorpusInfo(
        name="hifi_tts",
        version="0",
        licence="CC BY 4.0",
        citation="E. Bakhturina, V. Lavrukhin, B. Ginsburg, Y. Zhang (2021), Hi-Fi Multi-Speaker "
        "English TTS Dataset, Interspeech, https://arxiv.org/abs/2104.01497",
        source="https://www.openslr.org/109/",
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=gaps,
    )
    return Found(info, rows, top, recordings=(".flac",))


def _read_listing(listing: Source, top: Source, speaker: str, quality: str) -> Iterator[Row]:
    """Rows of a file with a JSON object on each line: audio_filepath, text_normalized …"""
    for number, line in read_lines(listing):
        where = f"{listing.name}, line {number}"
        try:
            entry = json.loads(line)
            path, text = entry["audio_filepath"], entry["text_normalized"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ManifestError(
                f"{where}: must be JSON with audio_filepath and text_normalized ({error}); mend it"
            ) from None
        name = name_utterance(path.removeprefix("audio/"))
        groups = {"sex": SEXES.get(speaker, "unknown"), "quality": quality}
        yield Row(name, speaker, text, top / path, where, groups, path_problem(path))
