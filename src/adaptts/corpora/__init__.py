"""Corpora: one reader each, all leaving the same form of folder (see `manifest`)."""

from pathlib import Path
from typing import Protocol

from adaptts.corpora import folder, fsdd, synthetic, vctk
from adaptts.params import CorpusParams


class Reader(Protocol):
    """What a corpus' module provides. To add a corpus, write the module and register it below."""

    def prepare(self, params: CorpusParams, folder: Path, downloads: Path) -> None:
        """Fill the empty `folder` with the corpus; keep what is downloaded under `downloads`.

        Raises a `ValueError` or `OSError` whose message names thing, rule and remedy.
        """
        ...


READERS: dict[str, Reader] = {
    "synthetic": synthetic,
    "fsdd": fsdd,
    "vctk": vctk,
    "folder": folder,
}
