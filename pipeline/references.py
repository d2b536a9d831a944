"""Measures of the recordings, of the vocoder alone, and of second readings."""

import json
from pathlib import Path

from tqdm import tqdm

from adaptts.episodes import table
from adaptts.evaluation.instruments import Instruments, queries
from adaptts.evaluation.recognition import Listener
from adaptts.evaluation.references import (
    Speaker,
    measure_copies,
    measure_natural,
    measure_retakes,
)
from adaptts.evaluation.results import Results
from adaptts.features.store import FeatureStore
from adaptts.models.vocoder import open_vocoder
from pipeline.stage import Stage, run, whole

CORPUS, EPISODES = Path("data/corpus"), Path("data/episodes")


def main(stage: Stage) -> None:
    params, split = stage.params.evaluation, stage.params.split
    store = FeatureStore.open(Path("data/features"))
    episodes = table.read(EPISODES / "episodes.parquet")
    listener = Listener.open(CORPUS, Path("models/recogniser"), params)
    instruments = Instruments.open(CORPUS, store, EPISODES, listener, params)
    vocoder = open_vocoder(store.params, store.sampling_rate, stage.params.model)
    results, retakes = Results(), 0
    for name in tqdm(split.test, desc=stage.address, unit=split.unit, disable=None):
        asked = queries(episodes, name)
        speaker = Speaker(name, asked, asked[: params.sentences_to_hear])
        measure_natural(speaker, instruments, CORPUS, results)
        measure_copies(speaker, instruments, vocoder, results)
        retakes += measure_retakes(speaker, split.unit, instruments, results)
    with whole(Path("results/references")) as folder:
        results.save(folder, store.sampling_rate)
        (folder / "references.json").write_text(
            json.dumps(describe(retakes, split.unit), indent=1) + "\n"
        )


def describe(retakes: int, unit: str) -> dict[str, object]:
    """How many second readings there are, and why there is none."""
    reason = "" if retakes else f"no test {unit} has a second recording of a query's text"
    return {"retakes": retakes, "reason": reason}


if __name__ == "__main__":
    run(main)
