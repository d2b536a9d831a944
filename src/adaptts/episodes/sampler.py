"""Batches and episodes for training, drawn from the training speakers alone.

Every draw is a function of (seed, step), so that an interrupted training goes on with the very
batches that it would have seen.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adaptts.episodes.batch import Batch, Utterances


@dataclass(frozen=True)
class Task:
    """A speaker's utterances to adapt to, and others of the same speaker to judge by."""

    support: list[str]
    query: list[str]


class Sampler:
    def __init__(self, utterances: Utterances, episodes: pd.DataFrame, seed: int) -> None:
        """`episodes`: the episodes table; only its rows of role `train` are used."""
        training = episodes[episodes["role"] == "train"]
        self.utterances = utterances
        self.seed = seed
        self._all = training["utterance"].to_numpy()
        of_speaker = dict(iter(training.groupby("speaker")["utterance"]))
        self._of_speaker = [of_speaker[speaker].to_numpy() for speaker in utterances.speakers]

    def batch(self, step: int, size: int) -> Batch:
        """Utterances of any training speakers, without repetition where there are enough."""
        generator = self._generator(step)
        chosen = generator.choice(self._all, size, replace=size > len(self._all))
        return self.utterances.batch(list(chosen))

    def episode(self, step: int, speakers: int, support: int, query: int) -> list[Task]:
        """Tasks of `speakers` different training speakers.

        Raises ValueError if there are too few speakers or utterances.
        """
        generator = self._generator(step)
        able = [pool for pool in self._of_speaker if len(pool) >= support + query]
        if len(able) < speakers:
            raise ValueError(
                f"an episode wants {speakers} speakers of {support} + {query} utterances, "
                f"but {len(able)} training speakers have that many; ask for fewer"
            )
        tasks = []
        for place in generator.choice(len(able), speakers, replace=False):
            chosen = list(generator.choice(able[place], support + query, replace=False))
            tasks.append(Task(chosen[:support], chosen[support:]))
        return tasks

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step])
