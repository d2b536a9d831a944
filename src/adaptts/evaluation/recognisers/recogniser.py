"""What every recogniser is, whichever model hears."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptts.params import EvaluationParams


class Recogniser(Protocol):
    """Hears what is said in a sound. Each is heard afresh: their order changes nothing."""

    def objection(self, words: str) -> str:
        """Why `words` could never be heard, whoever says them; "" if they could."""
        ...

    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return what is said in `waveform` [samples], finite and at any level; "" for nothing.

        `utterance` names it: where something is drawn at random, the name is the seed. Raises
        `RuntimeError` where the model fails.
        """
        ...


class DeafError(ValueError):
    """A recogniser has no ear for this corpus, whatever is said; the message says why."""


@dataclass(frozen=True)
class Setting:
    """What a recogniser is opened with."""

    corpus: Path  # the folder of the corpus
    language: str  # espeak-ng's name of it
    trained: Path  # where the stage recogniser has left what it trained
    params: EvaluationParams
