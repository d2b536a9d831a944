"""Utterances as padded tensors.

Shapes: B utterances, N phones, T mel frames, M mel bands. A mask is True where valid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from adaptts.features.normalisation import Normalisation
from adaptts.features.store import FeatureStore


@dataclass(frozen=True)
class Frames:
    """How mel frames lie in phones; made outside the model, which has no data-dependent shapes."""

    phone: Tensor  # [B, T] int64, the phone that each frame belongs to
    place: Tensor  # [B, T, 2] place in the phone from -1 to 1, and the phone's length (log, scaled)
    mask: Tensor  # [B, T] bool


@dataclass(frozen=True)
class Batch:
    phones: Tensor  # [B, N] int64
    phone_mask: Tensor  # [B, N] bool
    durations: Tensor  # [B, N] mel frames
    pitch: Tensor  # [B, N] mean log F0 of the phone, normalised; 0 where unvoiced
    voicing: Tensor  # [B, N] 1 where the phone has a voiced frame, else 0
    frames: Frames
    mel: Tensor  # [B, T, M] log-mel, normalised
    speaker: Tensor  # [B] int64, place among the training speakers; -1 where it does not train

    def __len__(self) -> int:
        return self.phones.shape[0]

    @property
    def stacked(self) -> bool:
        """Whether it is several batches, as `stack` makes them; its length then counts these."""
        return self.phones.ndim > 2

    def tensors(self) -> list[Tensor]:
        """Every tensor of the batch, in an order that `from_tensors` knows."""
        own = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return [*vars(self.frames).values(), *own]

    @staticmethod
    def from_tensors(tensors: Sequence[Tensor]) -> "Batch":
        phones, phone_mask, durations, pitch, voicing, mel, speaker = tensors[3:]
        frames = Frames(*tensors[:3])
        return Batch(phones, phone_mask, durations, pitch, voicing, frames, mel, speaker)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch of what the function makes of each tensor."""
        return Batch.from_tensors([function(tensor) for tensor in self.tensors()])


def place_frames(durations: Tensor) -> Frames:
    """Lay out mel frames over phones.

    durations: [B, N] whole numbers of frames, 0 where there is no phone.
    """
    counts = durations.long()
    ends = counts.cumsum(1)
    total = ends[:, -1]
    steps = torch.arange(int(total.max()), device=durations.device)
    mask = steps < total[:, None]
    phone = torch.searchsorted(ends, steps.expand(len(counts), -1).contiguous(), right=True)
    phone = phone.clamp(max=counts.shape[1] - 1)
    length = counts.gather(1, phone).clamp(min=1)
    start = (ends - counts).gather(1, phone)
    middle = (steps - start + 0.5) / length
    place = torch.stack([2 * middle - 1, length.log() / 2 - 0.7], -1) * mask[..., None]
    return Frames(torch.where(mask, phone, 0), place, mask)


def take(batch: Batch, rows: slice) -> Batch:
    """Some utterances of a batch, padded as before."""
    return batch.map(lambda tensor: tensor[rows])


def cut(batch: Batch, frames: int) -> list[Batch]:
    """The batch in pieces of at most `frames` each, or of one utterance that is longer."""
    lengths = batch.frames.mask.sum(1).tolist()
    starts, held = [0], 0
    for row, length in enumerate(lengths):
        if row > starts[-1] and held + length > frames:
            starts.append(row)
            held = 0
        held += length
    ends = [*starts[1:], len(lengths)]
    return [take(batch, slice(start, end)) for start, end in zip(starts, ends, strict=True)]


def join(batch: Batch, gap: int) -> Batch:
    """The utterances one after another, as a single one: what takes them all in one voice is spared
    the padding.

    gap: how many masked places follow each utterance, for what reads so far to find zeros there.
    """
    phones, frames = (_Row.of(mask, gap) for mask in (batch.phone_mask, batch.frames.mask))
    where = batch.frames.phone + phones.starts[:, None]
    return Batch(
        phones=phones.lay(batch.phones),
        phone_mask=phones.mask,
        durations=phones.lay(batch.durations),
        pitch=phones.lay(batch.pitch),
        voicing=phones.lay(batch.voicing),
        frames=Frames(frames.lay(where), frames.lay(batch.frames.place), frames.mask),
        mel=frames.lay(batch.mel),
        speaker=batch.speaker[:1],
    )


@dataclass(frozen=True)
class _Row:
    """How places of padded utterances lie behind each other, R in all."""

    starts: Tensor  # [B] where each utterance begins
    source: Tensor  # [R] the place among all B · L that comes there; after an utterance any
    mask: Tensor  # [1, R]

    @classmethod
    def of(cls, mask: Tensor, gap: int) -> "_Row":
        """mask: [B, L] of places of which the valid ones come first."""
        lengths = mask.sum(1)
        ends = (lengths + gap).cumsum(0)
        starts = ends - lengths - gap
        utterance = torch.arange(len(mask), device=mask.device).repeat_interleave(lengths + gap)
        place = torch.arange(len(utterance), device=mask.device) - starts[utterance]
        source = utterance * mask.shape[1] + place.clamp(max=mask.shape[1] - 1)
        return cls(starts, source, (place < lengths[utterance]).unsqueeze(0))

    def lay(self, values: Tensor) -> Tensor:
        """[B, L, …] -> [1, R, …]"""
        return values.flatten(0, 1)[self.source].unsqueeze(0)


def stack(batches: Sequence[Batch]) -> Batch:
    """Batches of equally many utterances, padded to the same lengths, with one more axis in front.

    It is what torch.func.vmap takes one of at a time.
    """
    parts = zip(*(batch.tensors() for batch in batches), strict=True)
    return Batch.from_tensors([_stack_padded(part) for part in parts])


def _stack_padded(tensors: Sequence[Tensor]) -> Tensor:
    """[B, L, …] each -> [batches, B, L, …], zeros behind."""
    if tensors[0].ndim == 1:
        return torch.stack(list(tensors))
    longest = max(tensor.shape[1] for tensor in tensors)
    swapped = [tensor.transpose(0, 1) for tensor in tensors]  # what is padded comes first
    return torch.nn.utils.rnn.pad_sequence(swapped, batch_first=True).transpose(1, 2)[
        :, :, :longest
    ]


def stretch(batch: Batch, factors: Tensor) -> Batch:
    """The batch at another tempo, its pitch unchanged. factors: [B], of every duration.

    Durations are rounded to whole frames, one at least; the mel frames of each phone are
    interpolated linearly in time.
    """
    scaled = (batch.durations * factors[:, None]).round().clamp(min=1)
    durations = torch.where(batch.durations > 0, scaled, 0.0)
    frames = place_frames(durations)
    # Where in its phone a frame's middle lies, from 0 to 1, and so where it lay before.
    share = (frames.place[..., 0] + 1) / 2
    starts = batch.durations.cumsum(1) - batch.durations
    source = starts.gather(1, frames.phone) + share * batch.durations.gather(1, frames.phone) - 0.5
    last = batch.frames.mask.sum(1, keepdim=True) - 1
    source = source.clamp(min=0).minimum(last)
    before = source.floor().long()
    after = (before + 1).minimum(last)
    mel = torch.lerp(
        _frames_at(batch.mel, before), _frames_at(batch.mel, after), (source - before)[..., None]
    )
    return replace(batch, durations=durations, frames=frames, mel=mel * frames.mask[..., None])


def _frames_at(mel: Tensor, places: Tensor) -> Tensor:
    """[B, T, M] at [B, U] -> [B, U, M]."""
    return mel.gather(1, places[..., None].expand(-1, -1, mel.shape[-1]))


class Utterances:
    """The feature store as training and adaptation see it: normalised, padded, on demand."""

    def __init__(
        self,
        store: FeatureStore,
        normalisation: Normalisation,
        episodes: pd.DataFrame,
        device: torch.device | None = None,
    ) -> None:
        """`episodes`: the episodes table; its rows of role `train` tell the training speakers.
        device: of the batches; None: the processor.
        """
        training = episodes[episodes["role"] == "train"]
        self.store = store
        self.normalisation = normalisation
        self.device = device
        # In the order of the model's table.
        self.speakers: list[str] = sorted(training["speaker"].unique())
        places = training["speaker"].map({name: n for n, name in enumerate(self.speakers)})
        self._place_of = dict(zip(training["utterance"], places, strict=True))

    def batch(self, utterances: Sequence[str]) -> Batch:
        """Collate the named utterances, in that order."""
        durations = _pad([self.store.durations(u).astype(np.float32) for u in utterances])
        phones = _pad([self.store.phones(u).astype(np.int64) for u in utterances])
        spoken = [self._phone_pitch(u) for u in utterances]
        mel = [
            (self.store.mel(u) - self.normalisation.mel_mean) / self.normalisation.mel_scale
            for u in utterances
        ]
        batch = Batch(
            phones=phones,
            phone_mask=phones > 0,
            durations=durations,
            pitch=_pad([pitch for pitch, _ in spoken]),
            voicing=_pad([voicing for _, voicing in spoken]),
            frames=place_frames(durations),
            mel=_pad([m.astype(np.float32) for m in mel]),
            speaker=torch.tensor([self._place_of.get(u, -1) for u in utterances]),
        )
        return batch.map(lambda tensor: tensor.to(self.device)) if self.device else batch

    def _phone_pitch(self, utterance: str) -> tuple[np.ndarray, np.ndarray]:
        """The normalised pitch and the voicing of each phone, [N] and [N]."""
        f0_hz = self.store.f0(utterance)
        durations = self.store.durations(utterance).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(durations)[:-1]])
        voiced = (f0_hz > 0).astype(np.float32)
        log_f0 = np.where(f0_hz > 0, np.log(np.maximum(f0_hz, 1.0)), 0.0)
        count = np.add.reduceat(voiced, starts)
        mean = np.add.reduceat(log_f0, starts) / np.maximum(count, 1)
        normal = (mean - self.normalisation.log_f0_mean) / self.normalisation.log_f0_scale
        return np.where(count > 0, normal, 0).astype(np.float32), (count > 0).astype(np.float32)


def _pad(arrays: Sequence[np.ndarray]) -> Tensor:
    """Stack arrays of different lengths, zeros behind."""
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(a) for a in arrays], batch_first=True)
