"""The acoustic model: phones and a speaker vector to mel frames, not autoregressive.

FastSpeech 2 (Ren et al. 2021) with convolutions in place of attention and conditional layer
normalisation (AdaSpeech, Chen et al. 2021). Shapes: B utterances, N phones, T frames, C channels,
D speaker channels, M mel bands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adaptts.episodes.batch import Batch, Frames, place_frames
from adaptts.models.convolution import ConditionalBlock
from adaptts.models.derivatives import normalise
from adaptts.models.variance import VariancePredictor
from adaptts.params import ModelParams

# No phone is longer than this; it bounds what a diverging duration predictor can ask for.
LONGEST_PHONE_FRAMES = 120
SPEAKER = "speaker"  # the speaker vector's name among the parameters of a voice

Parameters = dict[str, Tensor]

# Which parameters of a voice adapt, by name. `speaker` is the speaker vector itself.
SUBSETS: Mapping[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "decoder": lambda name: name.startswith(("decoder.", "mel.")) or name == SPEAKER,
    "variance_decoder": lambda name: (
        name.startswith(("decoder.", "mel.", "duration.", "prosody.")) or name == SPEAKER
    ),
    "speaker_norms": lambda name: "condition." in name or name == SPEAKER,
    "speaker": lambda name: name == SPEAKER,
}


@dataclass(frozen=True)
class Prediction:
    mel: Tensor  # [B, T, M] normalised log-mel
    log_duration: Tensor  # [B, N] log(1 + frames)
    pitch: Tensor  # [B, N] normalised log F0
    voicing: Tensor  # [B, N] logit
    decoded: Tensor  # [B, T, C] what the mel is read from, for auxiliary heads


@dataclass(frozen=True)
class Synthesis:
    """What a user would hear: durations and pitch predicted too."""

    mel: Tensor  # [B, T, M] normalised log-mel
    frames: Frames
    durations: Tensor  # [B, N] mel frames, before rounding
    pitch: Tensor  # [B, N] normalised log F0; meaningful where voiced
    voiced: Tensor  # [B, N] bool


class AcousticModel(nn.Module):
    def __init__(self, params: ModelParams, phones: int, mels: int) -> None:
        """`phones`: size of the inventory, padding included."""
        super().__init__()
        channels, speaker = params.channels, params.speaker_channels
        self.embedding = nn.Embedding(phones, channels)
        nn.init.normal_(self.embedding.weight, std=0.5)
        self.speaker_input = nn.Linear(speaker, channels)
        self.encoder = nn.ModuleList(
            ConditionalBlock(channels, params.kernel, speaker) for _ in range(params.encoder_blocks)
        )
        self.duration = VariancePredictor(channels, params.predictor_channels, 1, speaker)
        self.prosody = VariancePredictor(channels, params.predictor_channels, 2, speaker)
        self.prosody_input = nn.Linear(2, channels)
        self.place_input = nn.Linear(2, channels)
        self.decoder = nn.ModuleList(
            ConditionalBlock(channels, params.kernel, speaker) for _ in range(params.decoder_blocks)
        )
        self.mel = nn.Linear(channels, mels)

    def forward(self, batch: Batch, speaker: Tensor) -> Prediction:
        """Predict with the reference durations and pitch. speaker: [B, D]."""
        phones, log_duration, prosody = self._encode(batch.phones, batch.phone_mask, speaker)
        reference = torch.stack([batch.pitch, batch.voicing], -1)
        mel, decoded = self._decode(phones, reference, batch.frames, speaker)
        return Prediction(mel, log_duration, prosody[..., 0], prosody[..., 1], decoded)

    def synthesise(self, phones: Tensor, phone_mask: Tensor, speaker: Tensor) -> Synthesis:
        """Predict durations and pitch, and the mel frames from them.

        phones, phone_mask: [B, N]; speaker: [B, D].
        """
        hidden, log_duration, prosody = self._encode(phones, phone_mask, speaker)
        longest = torch.log1p(torch.tensor(float(LONGEST_PHONE_FRAMES)))
        durations = torch.expm1(log_duration.clamp(max=longest)).clamp(min=1.0) * phone_mask
        voiced = (prosody[..., 1] > 0) & phone_mask
        predicted = torch.stack([prosody[..., 0] * voiced, voiced.to(prosody.dtype)], -1)
        frames = place_frames(durations.round())
        mel, _ = self._decode(hidden, predicted, frames, speaker)
        return Synthesis(mel, frames, durations, prosody[..., 0], voiced)

    def _encode(
        self, phones: Tensor, phone_mask: Tensor, speaker: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        mask = phone_mask.unsqueeze(-1).to(speaker.dtype)
        hidden = (self.embedding(phones) + self.speaker_input(speaker).unsqueeze(1)) * mask
        for block in self.encoder:
            hidden = block(hidden, speaker, mask)
        normal = normalise(hidden)
        log_duration = self.duration(normal, speaker, mask).squeeze(-1)
        return hidden, log_duration, self.prosody(normal, speaker, mask)

    def _decode(
        self, phones: Tensor, prosody: Tensor, frames: Frames, speaker: Tensor
    ) -> tuple[Tensor, Tensor]:
        mask = frames.mask.unsqueeze(-1).to(speaker.dtype)
        phones = phones + self.prosody_input(prosody)
        spread = frames.phone.unsqueeze(-1).expand(-1, -1, phones.shape[-1])
        hidden = (phones.gather(1, spread) + self.place_input(frames.place)) * mask
        for block in self.decoder:
            hidden = block(hidden, speaker, mask)
        decoded = normalise(hidden)
        return self.mel(decoded), decoded


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
