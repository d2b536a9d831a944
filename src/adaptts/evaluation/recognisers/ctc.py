"""A network that hears characters, trained in the pipeline on the training speakers' recordings.

Convolutions over log-mel frames predict a character, or a blank, for every second frame; the
likeliest symbol of each frame, repetitions and blanks removed, is what was said (connectionist
temporal classification, Graves et al. 2006, ICML, eq. 1 and its best-path decoding). It knows no
grammar and no words, so it hears any language whose characters it has met.

weights.safetensors         the network
recogniser.json             its alphabet and size, and the analysis that makes its input
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from adaptts import params
from adaptts.corpora.audio import resample
from adaptts.corpora.wording import written
from adaptts.evaluation.level import flaw
from adaptts.evaluation.recognisers.recogniser import Setting
from adaptts.features.mel import log_mel
from adaptts.params import FeatureParams

WEIGHTS, DESCRIPTION = "weights.safetensors", "recogniser.json"
REMEDY = "run the stage recogniser"

STRIDE = 2  # input frames for one of the output
BLOCKS = 6
DILATIONS = (1, 2, 4)  # of the blocks, in turn: a word's length is seen, not a sentence's
KERNEL = 5
DROPOUT = 0.1
# What lies further below the loudest band, in nepers, is as silent as makes no difference.
RANGE = 8.0
SCALE = 2.0  # nepers, roughly the standard deviation of speech
BLANK = 0


class Block(nn.Module):
    """A residual block that sees 5 frames, `dilation` apart."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        padding = KERNEL // 2 * dilation
        self.norm = nn.LayerNorm(channels)
        self.spread = nn.Conv1d(channels, channels, KERNEL, padding=padding, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, C, T]; mask [B, 1, T] is 0 behind an utterance's end, which none may see."""
        normal = self.norm(x.transpose(1, 2)).transpose(1, 2) * mask
        return x + self.mix(F.silu(self.spread(normal)))


class Network(nn.Module):
    """From frames to the log-probabilities of symbols: the blank, then the alphabet."""

    def __init__(self, mels: int, channels: int, symbols: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(mels, channels, KERNEL, stride=STRIDE, padding=KERNEL // 2)
        dilations = [DILATIONS[number % len(DILATIONS)] for number in range(BLOCKS)]
        self.blocks = nn.ModuleList([Block(channels, dilation) for dilation in dilations])
        self.norm = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, symbols)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T / STRIDE, symbols] and its lengths, of frames [B, T, mels], 0 behind `lengths`."""
        x = self.enter(frames.transpose(1, 2))
        lengths = (lengths + STRIDE - 1) // STRIDE
        mask = (torch.arange(x.shape[2]) < lengths[:, None]).to(x.dtype)[:, None]
        for block in self.blocks:
            x = block(x, mask)
        x = F.dropout(self.norm(x.transpose(1, 2)), DROPOUT, self.training)
        return F.log_softmax(self.leave(x), dim=-1), lengths


def hearable(mel: NDArray[np.floating]) -> NDArray[np.float32]:
    """Log-mel frames [T, mels] as the network hears them: without their level and colour."""
    audible = np.maximum(mel, mel.max() - RANGE)
    return ((audible - audible.mean(axis=0)) / SCALE).astype(np.float32)


@dataclass(frozen=True)
class Ctc:
    """A trained network, ready to hear."""

    network: Network
    alphabet: Sequence[str]  # the characters of the symbols 1, 2, …
    features: FeatureParams
    sampling_rate: int  # Hz, of what it was trained on

    def objection(self, words: str) -> str:
        """Characters that training has never met cannot be heard."""
        unknown = sorted(set(written(words)) - set(self.alphabet))
        return f"no training text has the characters {', '.join(unknown)}" if unknown else ""

    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return the likeliest characters; nothing is random, so that `utterance` has no part."""
        samples = resample(np.asarray(waveform, np.float64), sampling_rate, self.sampling_rate)
        # In less than a window nobody says a word.
        if flaw(samples) or len(samples) <= self.features.n_fft:
            return ""
        return self.read(log_mel(samples, self.sampling_rate, self.features))

    @torch.inference_mode()
    def read(self, mel: NDArray[np.floating]) -> str:
        """What log-mel frames [T, mels] say."""
        frames = torch.from_numpy(hearable(mel))[None]
        symbols, _ = self.network.eval()(frames, torch.tensor([frames.shape[1]]))
        return decode(symbols[0], self.alphabet)


def decode(symbols: Tensor, alphabet: Sequence[str]) -> str:
    """The characters along the best path of log-probabilities [T, symbols]."""
    path = [symbol for symbol, _ in groupby(symbols.argmax(dim=-1).tolist())]
    return "".join(alphabet[int(symbol) - 1] for symbol in path if symbol != BLANK)


def open_recogniser(setting: Setting) -> Ctc:
    """Open what the stage recogniser has trained. Raises `ValueError` where it is not there."""
    return load(setting.trained)


def load(folder: Path) -> Ctc:
    """Open what `ctc_training.save` has left in `folder`."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["ctc"]
        features = params.parse(FeatureParams, described["features"], "features")
        network = Network(features.mels, described["channels"], len(described["alphabet"]) + 1)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        raise ValueError(f"{folder} holds no trained recogniser ({error!r}); {REMEDY}") from None
    return Ctc(network, described["alphabet"], features, described["sampling_rate"])
