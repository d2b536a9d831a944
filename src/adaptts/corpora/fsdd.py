"""The Free Spoken Digit Dataset: six men say the English digits, fifty times each.

22 minutes, 3,000 recordings, 16 MB. Z. Jackson et al., CC BY-SA 4.0; every recording is verified.

The recordings are 8 kHz and cut tightly, some within the word; their levels differ by speaker up to
30 dB. `audio.finish` brings all to one level with silent edges.
"""

from importlib import resources
from pathlib import Path

import pandas as pd

from adaptts.corpora import archives, manifest
from adaptts.corpora.manifest import CorpusInfo
from adaptts.corpora.recorded import Found, Row, folder_of, top_of
from adaptts.params import CorpusParams

VERSION = "1.0.10"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TAKES = 50  # of each digit, by each speaker
# The country of each speaker's accent, by the dataset's metadata.py: United States, Belgium
# (French), Germany, Greece. All six are men.
ACCENTS = {
    "george": "GR",
    "jackson": "US",
    "lucas": "DE",
    "nicolas": "BE",
    "theo": "US",
    "yweweler": "DE",
}
_TOTAL = "dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f"


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the published archive; see `archives.unpack`."""
    return find_in(archive(), params, downloads)


def archive() -> archives.Archive:
    """The archive of the dataset's tag."""
    with resources.files("adaptts.corpora").joinpath("fsdd.csv").open(encoding="utf-8") as file:
        listing = pd.read_csv(file, dtype=str)
    top = f"free-spoken-digit-dataset-{VERSION}"
    return archives.Archive(
        name=f"{top}.tar.gz",
        url="https://github.com/Jakobovski/free-spoken-digit-dataset"
        f"/archive/refs/tags/v{VERSION}.tar.gz",
        prefix=f"{top}/recordings/",
        suffix=".wav",
        most_bytes=100_000_000,
        digest=archives.Digest(_TOTAL, dict(zip(listing["name"], listing["sha256"], strict=True))),
    )


def find_in(source: archives.Archive, params: CorpusParams, downloads: Path) -> Found:
    """The utterances of any archive that is laid out and named like the dataset's."""
    if params.path is None:
        recordings = archives.unpack(source, downloads, archives.find_mirror(params))
    else:
        top = top_of(folder_of(params), "recordings", f"FSDD {VERSION}")
        recordings = Path(str(top), "recordings")
        problems = source.digest.problems(recordings)
        manifest.fail(problems, f"{recordings} is not FSDD {VERSION}; name a copy of that")
    info = CorpusInfo(
        name="fsdd",
        version=VERSION,
        licence="CC BY-SA 4.0",
        citation="Z. Jackson et al., Free Spoken Digit Dataset, "
        "https://github.com/Jakobovski/free-spoken-digit-dataset",
        source=archive().url,
        sampling_rate=params.sampling_rate,
        language="en-us",
        exact_phones=False,
    )
    rows = [_row(recordings, *key) for key in sorted(map(_key, source.digest.files))]
    return Found(info, rows, recordings, words=WORDS)


def _key(name: str) -> tuple[str, int, int]:
    """Speaker, take and digit of a file {digit}_{speaker}_{take}.wav."""
    digit, speaker, take = name.removesuffix(".wav").split("_")
    return speaker, int(take), int(digit)


def _row(recordings: Path, speaker: str, take: int, digit: int) -> Row:
    name, word = f"{digit}_{speaker}_{take}", WORDS[digit]
    source = recordings / f"{name}.wav"
    groups = {"sex": "male", "accent": ACCENTS[speaker], "word": word, "take": str(take)}
    return Row(name, speaker, word, source, str(source), groups)
