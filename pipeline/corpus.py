"""Bring the corpus into the form that all later stages read: recordings and a manifest.

`python -m pipeline.corpus --check` looks for faults instead: see docs/corpora.md.
"""

import sys
from pathlib import Path

from adaptts import params
from adaptts.corpora import manifest, origins
from adaptts.corpora.readers import READERS, RECORDED
from pipeline.stage import Stage, run, whole

FOLDER = Path("data/corpus")
DOWNLOADS = Path("downloads")
CHECKED = Path("corpus-check")


def main(stage: Stage) -> None:
    corpus = stage.params.corpus
    if corpus.reader not in READERS:
        raise ValueError(f"corpus.reader must be one of {sorted(READERS)}, got {corpus.reader!r}")
    former = _former(stage) if corpus.reader in RECORDED else origins.nothing
    with whole(FOLDER) as folder:
        reused = READERS[corpus.reader].prepare(corpus, folder, DOWNLOADS, former)
        total = len(manifest.read(folder).table)
    counts = {"reused from the last run": reused, "made": total - reused}
    parts = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    print(f"{stage.address}: {total} recordings: {parts}", flush=True)


def _former(stage: Stage) -> origins.Former:
    # DVC takes half a second to import, which the embedded corpus does without.
    from pipeline.former import former_reader

    return former_reader(stage, FOLDER.as_posix())


def check() -> None:
    """Print what is wrong with the corpus of params.yaml, and write it into corpus-check/."""
    # Drawing takes a second to import, which the stage need not wait for.
    from adaptts.corpora import doctor

    experiment = params.read(Path("params.yaml"))
    corpus = experiment.corpus
    if corpus.reader not in RECORDED:
        raise ValueError(
            f"corpus.reader {corpus.reader!r} is none of {sorted(RECORDED)}: there are no "
            "recordings to check"
        )
    needed = max(experiment.episodes.shots) + experiment.episodes.queries
    found = RECORDED[corpus.reader](corpus, DOWNLOADS)
    report = doctor.examine(
        found, corpus, experiment.split.unit, needed, experiment.features.mel_max_hz
    )
    doctor.write(report, CHECKED)
    print(doctor.summarise(report))
    print(
        f"All findings: {CHECKED}/check.csv; a picture: {CHECKED}/check.svg; words that are "
        f"spelt or said in another language: {CHECKED}/words.csv; to leave out what is listed in "
        f"{CHECKED}/exclude.csv, look through it and name it as corpus.exclude"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        try:
            check()
        except (ValueError, OSError) as error:
            sys.exit(f"corpus --check: {error}")
    else:
        run(main)
