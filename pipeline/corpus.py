"""Bring the corpus into the form that all later stages read: recordings and a manifest."""

from pathlib import Path

from adaptts.corpora import READERS, manifest
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    corpus = stage.params.corpus
    if corpus.reader not in READERS:
        raise ValueError(f"corpus.reader must be one of {sorted(READERS)}, got {corpus.reader!r}")
    with whole(Path("data/corpus")) as folder:
        READERS[corpus.reader].prepare(corpus, folder, Path("downloads"))
        manifest.read(folder)


if __name__ == "__main__":
    run(main)
