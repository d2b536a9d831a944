"""What of a voice adapts: some of its parameters, or low-rank updates of its matrices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from adaptts.models.acoustic import SPEAKER, Parameters

LOW_RANK = "low_rank"

# Which parameters of a voice adapt, by name. SPEAKER is the speaker vector itself.
SUBSETS: Mapping[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "decoder": lambda name: name.startswith(("decoder.", "mel.")) or name == SPEAKER,
    "variance_decoder": lambda name: (
        name.startswith(("decoder.", "mel.", "duration.", "prosody.")) or name == SPEAKER
    ),
    # The last layers: what mel frames, durations, pitch and voicing are read by.
    "head": lambda name: name.startswith(("mel.", "duration.output.", "prosody.output.")),
    # Conditional normalisation and speaker vector, as AdaSpeech adapts (Chen et al. 2021).
    "speaker_norms": lambda name: "condition." in name or name == SPEAKER,
    "speaker": lambda name: name == SPEAKER,
}


class Adapted(Protocol):
    """The part of a voice that gradient steps move."""

    def start(self, voice: Parameters) -> Parameters:
        """What moves, before the first step."""
        ...

    def apply(self, voice: Parameters, moved: Parameters) -> Parameters:
        """The voice with what has moved."""
        ...


@dataclass(frozen=True)
class Subset:
    """Parameters of the voice themselves, by a name in SUBSETS."""

    name: str

    def start(self, voice: Parameters) -> Parameters:
        return choose(voice, self.name)

    def apply(self, voice: Parameters, moved: Parameters) -> Parameters:
        return {**voice, **moved}


@dataclass(frozen=True)
class LowRank:
    """W + B A for the matrix W of every convolution and linear layer, and the speaker vector.

    A [rank, inputs] and B [outputs, rank] move, W does not (LoRA, Hu et al. 2022, equation 3). B
    starts at zero, so that the voice does at W; A starts at random, the same for every voice.
    """

    rank: int

    def start(self, voice: Parameters) -> Parameters:
        generator = torch.Generator().manual_seed(0)
        moved = {SPEAKER: voice[SPEAKER]}
        for name in self._matrices(voice):
            outputs, inputs = voice[name].shape
            spread = torch.randn(self.rank, inputs, generator=generator) / inputs**0.5
            moved[f"{name}.a"] = spread.to(voice[name])
            moved[f"{name}.b"] = voice[name].new_zeros(outputs, self.rank)
        return moved

    def apply(self, voice: Parameters, moved: Parameters) -> Parameters:
        updated = {
            name: voice[name] + moved[f"{name}.b"] @ moved[f"{name}.a"]
            for name in self._matrices(voice)
        }
        return {**voice, **updated, SPEAKER: moved[SPEAKER]}

    @staticmethod
    def _matrices(voice: Parameters) -> list[str]:
        return [n for n, w in voice.items() if w.ndim == 2 and not n.startswith("embedding.")]


def make_adapted(parameters: str, rank: int | None) -> Adapted:
    """What `parameters` names: one of SUBSETS, or `low_rank` of that rank."""
    if parameters == LOW_RANK:
        if rank is None:
            raise ValueError("low_rank needs a rank; add one")
        return LowRank(rank)
    return Subset(known_subset(parameters))


def known_subset(name: str) -> str:
    """The name itself. Raises ValueError if there is no such subset."""
    if name not in SUBSETS:
        raise ValueError(f"no parameter subset {name!r}; choose among {sorted(SUBSETS)}")
    return name


def choose(parameters: Parameters, subset: str) -> Parameters:
    """The parameters of a voice that belong to the named subset.

    Raises ValueError if there is no such subset, or nothing belongs to it.
    """
    belongs = SUBSETS[known_subset(subset)]
    chosen = {name: value for name, value in parameters.items() if belongs(name)}
    if not chosen:
        raise ValueError(f"the parameter subset {subset!r} matches no parameter of the voice")
    return chosen
