"""A new voice from its support set: the same gradient steps for every arm, looked at on the way."""

import copy
import json
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from adaptts.episodes.batch import Batch, Utterances
from adaptts.inner_loop import DivergedError, Parameters, UpdateRule, descend
from adaptts.models.acoustic import SPEAKER, AcousticModel, choose
from adaptts.objectives import voice_loss
from adaptts.params import LossParams

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
    support_loss: float  # that the last step started from; NaN before the first
    seconds: float  # of all steps so far


@dataclass(frozen=True)
class Spoken:
    """One utterance in a voice, with predicted durations and pitch."""

    mel: np.ndarray  # [T, M] float32 natural-log mel
    durations: np.ndarray  # [N] float32 mel frames, before rounding
    pitch_hz: np.ndarray  # [N] float32, 0 where unvoiced


def adapt(
    acoustic: AcousticModel,
    voice: Parameters,
    support: Batch,
    rule: UpdateRule,
    subset: str,
    weights: LossParams,
    steps: Sequence[int],
) -> Iterator[Snapshot]:
    """Yield the voice after each number of `steps` (rising; 0 is the voice as it is given).

    Only the parameters of `subset` move. Nothing of any query is seen.
    Raises DivergedError when the loss or a parameter is not finite.
    """
    fixed = {name: value.detach() for name, value in voice.items()}
    seconds = 0.0
    walk = descend(
        lambda fast: voice_loss(acoustic, {**fixed, **fast}, support, weights),
        choose(fixed, subset),
        rule,
    )
    fast, loss, taken = {}, float("nan"), 0
    for count in steps:
        while taken < count:
            started = time.perf_counter()
            fast, value = next(walk)
            seconds += time.perf_counter() - started
            loss, taken = value.item(), taken + 1
        if not all(torch.isfinite(value).all() for value in fast.values()):
            raise DivergedError(f"the voice is not finite after {count} steps")
        yield Snapshot(count, {**fixed, **fast}, loss, seconds)


@torch.no_grad()
def speak(
    acoustic: AcousticModel, voice: Parameters, queries: Batch, utterances: Utterances
) -> list[Spoken]:
    """Say the query texts in a voice; of `queries` only the phones are read."""
    weights = {name: value for name, value in voice.items() if name != SPEAKER}
    speaker = voice[SPEAKER].expand(len(queries), -1)
    speaking = copy.deepcopy(acoustic)
    speaking.load_state_dict(weights)
    said = speaking.synthesise(queries.phones, queries.phone_mask, speaker)
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


def moved_parameters(voice: Parameters, subset: str) -> dict[str, int]:
    """How many parameters adapt, and the bytes that a voice needs beside the shared model."""
    chosen: list[Tensor] = list(choose(voice, subset).values())
    return {
        "adapted_parameters": sum(value.numel() for value in chosen),
        "bytes_per_voice": sum(value.numel() * value.element_size() for value in chosen),
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
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        text = json.dumps({**cost, "peak_memory_bytes": peak}, indent=1)
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
