"""The Free Spoken Digit Dataset: six men say the English digits, fifty times each.

The recordings are 8 kHz and cut tightly, some within the word; their levels differ by speaker up to
30 dB. `audio.finish` brings all to one level with silent edges.
"""

from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from adaptts.corpora import archives, audio, manifest
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


def prepare(params: CorpusParams, folder: Path, downloads: Path) -> None:
    """Make the corpus in `folder` from the published archive; see `archives.unpack`."""
    prepare_from(archive(), params, folder, downloads)


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


def prepare_from(
    source: archives.Archive, params: CorpusParams, folder: Path, downloads: Path
) -> None:
    """Make the corpus from any archive that is laid out and named like the dataset's."""
    recordings = archives.unpack(source, downloads, archives.find_mirror(params))
    table = _choose(_tabulate(list(source.digest.files)), params)
    seconds = []
    for row in tqdm(table.to_dict("records"), "fsdd", unit="utterance", disable=None):
        waveform = audio.read_mono(recordings / f"{row['utterance']}.wav", params.sampling_rate)
        waveform = audio.finish(waveform, params.sampling_rate, row["utterance"])
        audio.write(folder / row["path"], waveform, params.sampling_rate)
        seconds.append(len(waveform) / params.sampling_rate)
    table.insert(4, "seconds", seconds)
    manifest.write(folder, table, _describe(params), manifest.alternatives(WORDS))


def _tabulate(names: list[str]) -> pd.DataFrame:
    """One row for each file {digit}_{speaker}_{take}.wav, by speaker, take and digit."""
    parts = [name.removesuffix(".wav").split("_") for name in names]
    keys = sorted((speaker, int(take), int(digit)) for digit, speaker, take in parts)
    return pd.DataFrame(
        {
            "utterance": f"{digit}_{speaker}_{take}",
            "speaker": speaker,
            "text": WORDS[digit],
            "path": f"audio/{speaker}/{digit}_{speaker}_{take}.wav",
            "sex": "male",
            "accent": ACCENTS[speaker],
            "word": WORDS[digit],
            "take": str(take),
        }
        for speaker, take, digit in keys
    )


def _choose(table: pd.DataFrame, params: CorpusParams) -> pd.DataFrame:
    """Of each chosen speaker, at most the utterances asked for, evenly over the digits."""
    known = list(table["speaker"].unique())
    chosen = []
    for speaker in manifest.choose(known, params.speakers, "corpus.speakers"):
        rows = table[table["speaker"] == speaker]
        # What is drawn of a speaker does not hang on who else is asked for.
        generator = np.random.default_rng([params.seed, list(ACCENTS).index(speaker)])
        order = generator.permutation(len(rows))
        # The nth draw of every digit comes before the next of any: rank by draw, then by chance.
        shuffled = rows.iloc[order]
        rank = shuffled.groupby("word").cumcount().to_numpy()
        shuffled = shuffled.iloc[np.argsort(rank, kind="stable")]
        chosen.append(shuffled.iloc[: params.utterances_per_speaker].sort_index())
    return pd.concat(chosen, ignore_index=True)


def _describe(params: CorpusParams) -> manifest.CorpusInfo:
    return manifest.CorpusInfo(
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
