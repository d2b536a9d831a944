"""Analyse every utterance of the corpus: mels, F0, mel-cepstra, phones and their durations."""

from pathlib import Path

from adaptts.features import extraction, inventory, processes, shards
from adaptts.features.shards import Earlier
from pipeline.former import former_files
from pipeline.stage import Stage, run, whole

FEATURES = Path("data/features")


def main(stage: Stage) -> None:
    former = {
        Path(name).stem: path for name, path in former_files(stage, FEATURES.as_posix()).items()
    }
    earlier = Earlier(stage.scratch(), former)
    with whole(FEATURES) as folder:
        done = extraction.extract(
            Path("data/corpus"), stage.params.features, folder, processes.available(), earlier
        )
        print(inventory.summarise(inventory.read(folder)))
    print(f"{stage.address}: {shards.summarise(done)}", flush=True)
    stage.clear_scratch()


if __name__ == "__main__":
    run(main)
