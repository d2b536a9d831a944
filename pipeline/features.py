"""Analyse every utterance of the corpus: mels, F0, mel-cepstra, phones and their durations."""

from pathlib import Path

from adaptts.features import extraction, inventory, processes
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    with whole(Path("data/features")) as folder:
        extraction.extract(
            Path("data/corpus"), stage.params.features, folder, processes.available()
        )
        print(inventory.summarise(inventory.read(folder)))


if __name__ == "__main__":
    run(main)
