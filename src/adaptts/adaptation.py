"""A new voice from its support set: gradient steps, looked at on the way."""

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call

from adaptts.compilation import compiled_voice_loss
from adaptts.episodes.batch import Batch, Utterances, stretch, take
from adaptts.inner_loop import DivergedError, Parameters, UpdateRule, descend
from adaptts.models.acoustic import SPEAKER, AcousticModel, Synthesis
from adaptts.models.adapted import Adapted, make_adapted
from adaptts.objectives import voice_loss
from adaptts.params import Experiment, LossParams, MannerParams, ParamsError, parse

POINT_COLUMNS = [
    "seed",
    "draw",
    "shots",
    "steps",
    "utterance",
    "mel_offset",
    "mel_frames",
    "phone_offset",
    "phones",
]


@dataclass(frozen=True)
class Snapshot:
    """A voice after some gradient steps."""

    steps: int
    voice: Parameters
    # What the last step descended from, penalty and augmentation included; NaN before the first.
    support_loss: float
    seconds: float  # of all steps so far


@dataclass(frozen=True)
class Spoken:
    """One utterance in a voice, with predicted durations and pitch."""

    mel: np.ndarray  # [T, M] float32 natural-log mel
    durations: np.ndarray  # [N] float32 mel frames, before rounding
    pitch_hz: np.ndarray  # [N] float32, 0 where unvoiced


def read_manner(experiment: Experiment, arm: str) -> MannerParams:
    """How an arm adapts: its own entry, and what the experiment says for all arms.

    Raises ParamsError if a setting breaks its rule.
    """
    shared = experiment.adaptation
    own = experiment.strategies[arm].get("adaptation", {})
    place = f"strategies.{arm}.adaptation"
    if not isinstance(own, dict):
        raise ParamsError(f"{place}: got {own!r}; it must be a mapping")
    values = {"parameters": shared.parameters, "space": shared.space, **own}
    manner = parse(MannerParams, values, place)
    try:
        make_adapted(manner.parameters, manner.rank)
    except ValueError as error:
        raise ParamsError(f"{place}.parameters: {error}") from None
    return manner


def adapt(
    acoustic: AcousticModel,
    voice: Parameters,
    support: Batch,
    rule: UpdateRule,
    manner: MannerParams,
    weights: LossParams,
    steps: Sequence[int],
    anchor: float = 0.0,
    compile: bool = False,
) -> Iterator[Snapshot]:
    """Yield the voice after each number of `steps` (rising; 0 is the voice as it is given).

    Only the manner's parameters move, and nothing of any query is seen. `anchor` is the weight of
    half the squared distance from where they start (L2-SP, Li et al. 2018). With `hold_back`, the
    last utterance of the support is not adapted to, and the voice after some steps is that of the
    step, up to there, with the least loss on it (early stopping); a single utterance cannot be
    held back. `compile`: see adaptts.compilation.

    Raises DivergedError when the loss or a parameter is not finite.
    """
    fixed = {name: value.detach() for name, value in voice.items()}
    adapted = make_adapted(manner.parameters, manner.rank)
    start = adapted.start(fixed)
    held_back = manner.hold_back and len(support) > 1
    batches = _at_tempos(take(support, slice(0, -1)) if held_back else support, manner.tempo)

    def loss(moved: Parameters) -> Tensor:
        voice, batch = adapted.apply(fixed, moved), next(batches)
        if compile:
            own = {name: value for name, value in voice.items() if value.requires_grad}
            shared = {name: value for name, value in voice.items() if name not in own}
            value = compiled_voice_loss(acoustic, shared, own, batch, weights)
        else:
            value = voice_loss(acoustic, voice, batch, weights)
        return value + anchor / 2 * _square_distance(moved, start) if anchor else value

    @torch.no_grad()
    def judge(moved: Parameters) -> float:
        judged = take(support, slice(-1, None))
        return voice_loss(acoustic, adapted.apply(fixed, moved), judged, weights).item()

    walk = descend(loss, start, rule)
    if held_back:
        walk = _best_so_far(walk, judge, start)
    moved, value, taken, seconds = start, float("nan"), 0, 0.0
    for count in steps:
        started = time.perf_counter()
        while taken < count:
            moved, last = next(walk)
            value, taken = last.item(), taken + 1
        seconds += time.perf_counter() - started
        if not all(torch.isfinite(part).all() for part in moved.values()):
            raise DivergedError(f"the voice is not finite after {count} steps")
        yield Snapshot(count, adapted.apply(fixed, moved), value, seconds)


Walk = Iterator[tuple[Parameters, Tensor]]  # what `descend` yields


def _best_so_far(walk: Walk, judge: Callable[[Parameters], float], start: Parameters) -> Walk:
    """The walk, with the parameters that have been judged best in place of the present ones.

    They stay the best where the walk diverges.
    """
    best, least, loss = start, judge(start), torch.tensor(float("nan"))
    with contextlib.suppress(DivergedError):
        for moved, loss in walk:
            judged = judge(moved)
            if judged < least:
                best, least = moved, judged
            yield best, loss
    while True:
        yield best, loss


def _at_tempos(support: Batch, tempo: float) -> Iterator[Batch]:
    """The support set again and again, each utterance at a tempo drawn from 1 ± `tempo`.

    Ko et al. 2015, Audio Augmentation for Speech Recognition, on features and with pitch kept.
    """
    if not tempo:
        yield from itertools.repeat(support)
    generator = torch.Generator().manual_seed(0)
    while True:
        factors = 1 + tempo * (2 * torch.rand(len(support), generator=generator) - 1)
        yield stretch(support, factors.to(support.durations.device))


def _square_distance(one: Parameters, other: Parameters) -> Tensor:
    return torch.stack([(one[name] - other[name]).square().sum() for name in one]).sum()


class Speaking(nn.Module):
    """An acoustic model that is called to synthesise, which `functional_call` does with weights."""

    def __init__(self, acoustic: AcousticModel) -> None:
        super().__init__()
        self.acoustic = acoustic

    def forward(self, phones: Tensor, phone_mask: Tensor, speaker: Tensor) -> Synthesis:
        return self.acoustic.synthesise(phones, phone_mask, speaker)


@torch.no_grad()
def speak(
    acoustic: AcousticModel, voice: Parameters, queries: Batch, utterances: Utterances
) -> list[Spoken]:
    """Say the query texts in a voice; of `queries` only the phones are read.

    Raises DivergedError if what the voice says is not finite.
    """
    weights = {f"acoustic.{name}": value for name, value in voice.items() if name != SPEAKER}
    speaker = voice[SPEAKER].expand(len(queries), -1)
    text = queries.phones, queries.phone_mask
    said = functional_call(Speaking(acoustic), weights, (*text, speaker)).cpu()
    if not all(torch.isfinite(part).all() for part in (said.mel, said.durations, said.pitch)):
        raise DivergedError("what the voice says is not finite; choose a smaller step size")
    normal = utterances.normalisation
    mel = said.mel.numpy() * normal.mel_scale + normal.mel_mean
    pitch = np.exp(said.pitch.numpy() * normal.log_f0_scale + normal.log_f0_mean)
    pitch = np.where(said.voiced.numpy(), pitch, 0)
    frames = said.frames.mask.sum(1).tolist()
    phones = queries.phone_mask.sum(1).tolist()
    return [
        Spoken(
            mel[i, : frames[i]].astype(np.float32),
            said.durations[i, : phones[i]].numpy().astype(np.float32),
            pitch[i, : phones[i]].astype(np.float32),
        )
        for i in range(len(queries))
    ]


def silence(mels: int) -> Spoken:
    """What a voice that diverged says: one frame and phone of NaN, which no measure accepts."""
    nothing = np.full(1, np.nan, np.float32)
    return Spoken(np.full((1, mels), np.nan, np.float32), nothing, nothing)


def moved_parameters(voice: Parameters, adapted: Adapted, own: bool = False) -> dict[str, int]:
    """How many parameters adapt, and the bytes that a voice needs beside the shared model.

    own: whether the speaker vector is the voice's own before the first step already.
    """
    moved = adapted.start(voice)
    kept = {**moved, SPEAKER: voice[SPEAKER]} if own else moved
    return {
        "adapted_parameters": sum(value.numel() for value in moved.values()),
        "bytes_per_voice": sum(value.numel() * value.element_size() for value in kept.values()),
    }


class VoiceWriter:
    """Collects what voices of one speaker say, and writes it as a few large arrays."""

    def __init__(self) -> None:
        self._rows: list[dict] = []
        self._spoken: list[Spoken] = []
        self._frames = 0
        self._phones = 0

    def add(self, key: dict[str, int], utterances: Sequence[str], spoken: list[Spoken]) -> None:
        """key: seed, draw, shots and steps of the voice."""
        for utterance, said in zip(utterances, spoken, strict=True):
            self._rows.append(
                {
                    **key,
                    "utterance": utterance,
                    "mel_offset": self._frames,
                    "mel_frames": len(said.mel),
                    "phone_offset": self._phones,
                    "phones": len(said.durations),
                }
            )
            self._spoken.append(said)
            self._frames += len(said.mel)
            self._phones += len(said.durations)

    def save(self, folder: Path, curve: list[dict], cost: dict) -> None:
        pd.DataFrame(self._rows, columns=POINT_COLUMNS).to_parquet(folder / "points.parquet")
        mel = np.concatenate([said.mel for said in self._spoken])
        np.save(folder / "mel.npy", mel.astype(np.float16))
        np.save(folder / "durations.npy", np.concatenate([s.durations for s in self._spoken]))
        np.save(folder / "pitch.npy", np.concatenate([s.pitch_hz for s in self._spoken]))
        pd.DataFrame(curve, columns=["seed", "draw", "shots", "step", "support_loss"]).to_csv(
            folder / "curve.csv", index=False
        )
        text = json.dumps(cost, indent=1)
        (folder / "cost.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Voices:
    """What the voices of one arm and speaker said: points (rows) and their arrays."""

    points: pd.DataFrame
    _mel: np.ndarray
    _durations: np.ndarray
    _pitch: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> "Voices":
        """Raises ValueError if a file is missing or shorter than the points say."""
        try:
            points = pd.read_parquet(folder / "points.parquet")
            arrays = [
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("mel", "durations", "pitch")
            ]
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{folder} is not whole ({error}); delete it and run the adapt stage again"
            ) from error
        frames, phones = points["mel_frames"].sum(), points["phones"].sum()
        if [len(array) for array in arrays] != [frames, phones, phones]:
            raise ValueError(
                f"{folder}: points.parquet tells of {frames} frames and {phones} phones, the "
                f"arrays hold {[len(a) for a in arrays]}; delete it and run the adapt stage again"
            )
        return cls(points, *arrays)

    def mel(self, row: pd.Series) -> np.ndarray:
        """[T, M] float32 natural-log mel of a row of `points`."""
        start = int(row["mel_offset"])
        return self._mel[start : start + int(row["mel_frames"])].astype(np.float32)

    def durations(self, row: pd.Series) -> np.ndarray:
        """[N] predicted mel frames of each phone."""
        return self._phone_array(self._durations, row)

    def pitch(self, row: pd.Series) -> np.ndarray:
        """[N] predicted F0 of each phone in Hz, 0 where unvoiced."""
        return self._phone_array(self._pitch, row)

    def _phone_array(self, array: np.ndarray, row: pd.Series) -> np.ndarray:
        start = int(row["phone_offset"])
        return np.asarray(array[start : start + int(row["phones"])])
