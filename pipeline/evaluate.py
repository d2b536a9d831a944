"""Measures of an arm's voices."""

import json
from pathlib import Path

from tqdm import tqdm

from adaptts.adaptation import Voices
from adaptts.episodes import table
from adaptts.evaluation import results
from adaptts.evaluation.instruments import Instruments, queries
from adaptts.evaluation.recognition import Listener
from adaptts.evaluation.voice import Evaluator, Task
from adaptts.features.store import FeatureStore
from adaptts.models.vocoder import Vocoder
from pipeline.stage import Stage, run, whole

CORPUS = Path("data/corpus")


def main(stage: Stage) -> None:
    arm, params = stage.item["arm"], stage.params
    store = FeatureStore.open(Path("data/features"))
    episodes = table.read(Path("data/episodes/episodes.parquet"))
    listener = Listener.open(CORPUS, Path("models/recogniser"), params.evaluation)
    instruments = Instruments.open(CORPUS, store, episodes, listener)
    vocoder = Vocoder(store.params, store.sampling_rate, params.model)
    evaluator = Evaluator(instruments, vocoder)
    folders = [Path("voices") / arm / speaker for speaker in params.split.test]
    scratch = stage.scratch()
    # Speakers that an interrupted run has finished are kept.
    left = [folder for folder in folders if not (scratch / folder.name).exists()]
    with tqdm(desc=stage.address, unit="sound", disable=None) as progress:
        for folder in left:
            voices = Voices.open(folder)
            asked = queries(episodes, folder.name)
            task = Task(arm, folder.name, asked, params.seeds, params.evaluation)
            progress.total = task.sounds(voices) * len(left)
            found = evaluator.evaluate(voices, task, progress.update)
            with whole(scratch / folder.name) as part:
                found.save(part, store.sampling_rate)
    with whole(Path("results") / arm) as folder:
        results.join([scratch / speaker for speaker in params.split.test], folder)
        costs = [json.loads((voice / "cost.json").read_text()) for voice in folders]
        (folder / "costs.json").write_text(json.dumps(costs, indent=1) + "\n")
    stage.clear_scratch()


if __name__ == "__main__":
    run(main, ["arm"])
