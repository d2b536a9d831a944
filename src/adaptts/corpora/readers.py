"""Corpora: one reader each, all leaving the same form of folder (see `manifest`)."""

from pathlib import Path
from typing import Protocol

from adaptts.corpora import (
    aishell3,
    arctic,
    audiofolder,
    audiomnist,
    esd,
    folder,
    fsdd,
    hifi_tts,
    kaldi,
    libritts,
    ljspeech,
    origins,
    recorded,
    synthetic,
    vctk,
)
from adaptts.corpora.origins import Former
from adaptts.params import CorpusParams


class Reader(Protocol):
    """What a corpus' module provides. To add a corpus, write the module and register it below.

    For recordings, a function that finds them is enough: see `recorded`.
    """

    def prepare(
        self,
        params: CorpusParams,
        folder: Path,
        downloads: Path,
        former: Former = origins.nothing,
    ) -> int:
        """Fill the empty `folder` with the corpus; keep what is downloaded under `downloads`.

        Recordings of the last run, which `former` reads, may be taken from there if they are what
        would be made now. Returns how many were; none changes a bit of the result.

        Raises a `ValueError` or `OSError` whose message names thing, rule and remedy.
        """
        ...


RECORDED = {
    "aishell3": aishell3.find,
    "arctic": arctic.find,
    "audiofolder": audiofolder.find,
    "audiomnist": audiomnist.find,
    "esd": esd.find,
    "folder": folder.find,
    "fsdd": fsdd.find,
    "hifi_tts": hifi_tts.find,
    "kaldi": kaldi.find,
    "libritts": libritts.find,
    "libritts_r": libritts.find_restored,
    "ljspeech": ljspeech.find,
    "vctk": vctk.find,
}
READERS: dict[str, Reader] = {
    "synthetic": synthetic,
    **{name: recorded.Reader(find) for name, find in RECORDED.items()},
}
