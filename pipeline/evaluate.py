"""Measures of an arm's voices."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from adaptts.adaptation import Voices
from adaptts.episodes import table
from adaptts.evaluation import results
from adaptts.evaluation.instruments import Instruments, queries
from adaptts.evaluation.quality import find_weights
from adaptts.evaluation.recognition import Listener
from adaptts.evaluation.voice import Evaluator, Task
from adaptts.features.processes import Workers, available
from adaptts.features.store import FeatureStore
from adaptts.models.vocoder import open_vocoder
from adaptts.params import Experiment
from pipeline import THREADS
from pipeline.stage import Stage, run, whole

CORPUS, EPISODES = Path("data/corpus"), Path("data/episodes")


@dataclass(frozen=True)
class Part:
    """A query of a test speaker, as all of the arm's voices say it."""

    task: Task
    utterance: str
    voices: Path
    folder: Path  # of what is measured


def main(stage: Stage) -> None:
    arm, params = stage.item["arm"], stage.params
    find_weights(params.evaluation)
    folders = {speaker: Path("voices") / arm / speaker for speaker in params.split.test}
    parts = list_parts(arm, params, folders, stage.scratch())
    # Parts that an interrupted run has finished are kept.
    left = [part for part in parts if not part.folder.exists()]
    with Workers(min(available(), max(1, len(left))), partial(open_evaluator, params)) as workers:
        done = workers.in_order_with_tool(measure, left)
        bar = tqdm(done, stage.address, len(parts), initial=len(parts) - len(left), unit="query",
                   disable=None)  # fmt: skip
        for _ in bar:
            pass
    with whole(Path("results") / arm) as folder:
        results.join([part.folder for part in parts], folder)
        costs = [json.loads((voice / "cost.json").read_text()) for voice in folders.values()]
        (folder / "costs.json").write_text(json.dumps(costs, indent=1) + "\n")
    stage.clear_scratch()


def list_parts(arm: str, params: Experiment, folders: dict[str, Path], scratch: Path) -> list[Part]:
    """Every query of every speaker; raises ValueError where a voice lacks one or a point."""
    episodes = table.read(EPISODES / "episodes.parquet")
    parts = []
    for speaker, voices in folders.items():
        task = Task(arm, speaker, queries(episodes, speaker), params.seeds, params.evaluation)
        task.check(Voices.open(voices))
        parts += [Part(task, query, voices, scratch / speaker / query) for query in task.queries]
    return parts


def open_evaluator(params: Experiment) -> Evaluator:
    """What a process measures with."""
    torch.set_num_threads(THREADS)
    store = FeatureStore.open(Path("data/features"))
    listener = Listener.open(CORPUS, Path("models/recogniser"), params.evaluation)
    instruments = Instruments.open(CORPUS, store, EPISODES, listener, params.evaluation)
    return Evaluator(instruments, open_vocoder(store.params, store.sampling_rate, params.model))


def measure(evaluator: Evaluator, part: Part) -> None:
    """Write the results of a part into its folder."""
    found = evaluator.evaluate(Voices.open(part.voices), part.task, part.utterance)
    with whole(part.folder) as folder:
        found.save(folder, evaluator.instruments.store.sampling_rate)


if __name__ == "__main__":
    run(main, ["arm"])
