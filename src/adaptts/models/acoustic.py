"""The acoustic model: phones and a speaker vector to mel frames, not autoregressive.

FastSpeech 2 (Ren et al. 2021) with convolutions in place of attention and conditional layer
normalisation (AdaSpeech, Chen et al. 2021). Shapes: B utterances, N phones, T frames, C channels,
D speaker channels, M mel bands.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adaptts.episodes.batch import Batch, Frames, place_frames
from adaptts.models.convolution import ConditionalBlock, Embedding, Linear
from adaptts.models.derivatives import normalise
from adaptts.models.variance import PREDICTOR_KERNEL, VariancePredictor
from adaptts.params import ModelParams

# No phone is longer than this; it bounds what a diverging duration predictor can ask for.
LONGEST_PHONE_FRAMES = 120
SPEAKER = "speaker"  # the speaker vector's name among the parameters of a voice

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class Prediction:
    mel: Tensor  # [B, T, M] normalised log-mel
    log_duration: Tensor  # [B, N] log(1 + frames)
    pitch: Tensor  # [B, N] normalised log F0
    voicing: Tensor  # [B, N] logit
    # For auxiliary heads:
    encoded: Tensor  # [B, N, C] what durations and pitch are read from
    decoded: Tensor  # [B, T, C] what the mel is read from


@dataclass(frozen=True)
class Synthesis:
    """What a user would hear: durations and pitch predicted too."""

    mel: Tensor  # [B, T, M] normalised log-mel
    frames: Frames
    durations: Tensor  # [B, N] mel frames, before rounding
    pitch: Tensor  # [B, N] normalised log F0; meaningful where voiced
    voiced: Tensor  # [B, N] bool

    def cpu(self) -> "Synthesis":
        frames = Frames(*[part.cpu() for part in vars(self.frames).values()])
        rest = (self.durations, self.pitch, self.voiced)
        return Synthesis(self.mel.cpu(), frames, *[part.cpu() for part in rest])


class AcousticModel(nn.Module):
    def __init__(self, params: ModelParams, phones: int, mels: int) -> None:
        """`phones`: size of the inventory, padding included."""
        super().__init__()
        channels, speaker = params.channels, params.speaker_channels
        # How many places away a convolution reads.
        self.reach = max(params.kernel, PREDICTOR_KERNEL) // 2
        self.embedding = Embedding(phones, channels)
        nn.init.normal_(self.embedding.weight, std=0.5)
        self.speaker_input = Linear(speaker, channels)
        self.encoder = nn.ModuleList(
            ConditionalBlock(channels, params.kernel, speaker) for _ in range(params.encoder_blocks)
        )
        self.duration = VariancePredictor(channels, params.predictor_channels, 1, speaker)
        self.prosody = VariancePredictor(channels, params.predictor_channels, 2, speaker)
        self.prosody_input = Linear(2, channels)
        self.place_input = Linear(2, channels)
        self.decoder = nn.ModuleList(
            ConditionalBlock(channels, params.kernel, speaker) for _ in range(params.decoder_blocks)
        )
        self.mel = Linear(channels, mels)

    def forward(self, batch: Batch, speaker: Tensor) -> Prediction:
        """Predict with the reference durations and pitch. speaker: [B, D]."""
        mask = batch.phone_mask
        phones, encoded, log_duration, prosody = self._encode(batch.phones, mask, speaker)
        reference = torch.stack([batch.pitch, batch.voicing], -1)
        mel, decoded = self._decode(phones, reference, batch.frames, speaker)
        return Prediction(mel, log_duration, prosody[..., 0], prosody[..., 1], encoded, decoded)

    def synthesise(self, phones: Tensor, phone_mask: Tensor, speaker: Tensor) -> Synthesis:
        """Predict durations and pitch, and the mel frames from them.

        phones, phone_mask: [B, N]; speaker: [B, D].
        """
        hidden, _, log_duration, prosody = self._encode(phones, phone_mask, speaker)
        longest = math.log1p(LONGEST_PHONE_FRAMES)
        durations = torch.expm1(log_duration.clamp(max=longest)).clamp(min=1.0) * phone_mask
        voiced = (prosody[..., 1] > 0) & phone_mask
        predicted = torch.stack([prosody[..., 0] * voiced, voiced.to(prosody.dtype)], -1)
        # What a voice that has diverged says is not finite, but it has frames.
        frames = place_frames(durations.round().nan_to_num(nan=1.0))
        mel, _ = self._decode(hidden, predicted, frames, speaker)
        return Synthesis(mel, frames, durations, prosody[..., 0], voiced)

    def _encode(
        self, phones: Tensor, phone_mask: Tensor, speaker: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mask = phone_mask.unsqueeze(-1).to(speaker.dtype)
        hidden = (self.embedding(phones) + self.speaker_input(speaker).unsqueeze(1)) * mask
        for block in self.encoder:
            hidden = block(hidden, speaker, mask)
        encoded = normalise(hidden)
        log_duration = self.duration(encoded, speaker, mask).squeeze(-1)
        return hidden, encoded, log_duration, self.prosody(encoded, speaker, mask)

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
