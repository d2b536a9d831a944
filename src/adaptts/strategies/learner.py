"""What a strategy trains: the acoustic model, the speaker table, and what the strategy adds."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from adaptts.inner_loop import Parameters
from adaptts.models.acoustic import SPEAKER, AcousticModel
from adaptts.params import LossParams, ModelParams


@dataclass(frozen=True)
class Setting:
    """What is the same for every arm."""

    model: ModelParams
    loss: LossParams
    phones: int  # size of the inventory, padding included
    mels: int
    speakers: int  # that train
    compile: bool = False  # the loss of a voice and its gradient


class Learner(nn.Module):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.acoustic = AcousticModel(setting.model, setting.phones, setting.mels)
        self.speakers = nn.Embedding(setting.speakers, setting.model.speaker_channels)
        nn.init.normal_(self.speakers.weight, std=0.3)
        self.extra = nn.ModuleDict()

    @property
    def device(self) -> torch.device:
        return self.speakers.weight.device

    def voice(self, speaker: Tensor) -> Parameters:
        """The parameters of a voice: the acoustic model's own, and a speaker vector [D]."""
        return {**dict(self.acoustic.named_parameters()), SPEAKER: speaker}

    def average_speaker(self) -> Tensor:
        """The mean vector of the training speakers, [D]."""
        return self.speakers.weight.mean(0)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make the initial weights drawn in the block a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def read_tensors(path: Path) -> Parameters:
    """Read a safetensors file; raises ValueError if it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read ({error}); delete it and run again") from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Load what `read_tensors` reads; raises ValueError if it is of another model."""
    try:
        module.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not hold this model's weights ({error}); delete it and run again"
        ) from error
