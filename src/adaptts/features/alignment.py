"""Durations of phones whose times nobody knows, by aligning the corpus with itself.

Each phone is one diagonal Gaussian over mel cepstra and their slopes, normalised per speaker.
Training starts flat: the phones of an utterance share its loud part evenly, the silences at its
ends get the rest. Then the Gaussians are estimated, the best path of each utterance is found
(Viterbi), and so on. No transcribed time enters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from tqdm import tqdm

from adaptts.features.durations import check_frames
from adaptts.features.processes import Workers

CEPSTRA = 20  # of the log-mel's cosine transform; their slopes double it
# Every variance is estimated as if this many frames more, of variance 1, had been seen.
PRIOR_FRAMES = 20
LEAST_VARIANCE = 0.05
# A frame is loud where its level has risen by this share of the way from quiet to loud.
LOUD_SHARE = 0.3
# Frames of an utterance batch, padding included: bounds a worker's memory.
BATCH_FRAMES = 4096


@dataclass(frozen=True)
class Script:
    """What one utterance says, and where its mel frames are."""

    utterance: str
    speaker: str
    start_frame: int
    frames: int
    phones: NDArray[np.int64]  # ids; the first and the last are silence


@dataclass(frozen=True)
class Batch:
    """Utterances of one speaker."""

    speaker: str
    scripts: Sequence[Script]


@dataclass(frozen=True)
class Moments:
    """Counts, sums and sums of squares of feature vectors, in groups."""

    counts: NDArray[np.float64]  # [groups]
    sums: NDArray[np.float64]  # [groups, features]
    square_sums: NDArray[np.float64]  # [groups, features]

    @classmethod
    def of(cls, groups: NDArray[np.int64], count: int, features: NDArray[np.float64]) -> Self:
        """Of `features` [frames, features], of which each belongs to one of `count` groups."""
        members = np.zeros((count, len(groups)))
        members[groups, np.arange(len(groups))] = 1
        return cls(members.sum(axis=1), members @ features, members @ features**2)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.counts + other.counts,
            self.sums + other.sums,
            self.square_sums + other.square_sums,
        )


@dataclass(frozen=True)
class Gaussians:
    """One diagonal Gaussian per row."""

    means: NDArray[np.float64]  # [groups, features]
    variances: NDArray[np.float64]  # [groups, features]

    @classmethod
    def fitted_to(cls, moments: Moments) -> Self:
        """By maximum likelihood, with variances drawn towards 1 where few frames were seen."""
        counts = moments.counts[:, None]
        means = moments.sums / np.maximum(counts, 1)
        scatter = np.maximum(moments.square_sums - counts * means**2, 0)
        variances = (scatter + PRIOR_FRAMES) / (counts + PRIOR_FRAMES)
        return cls(means, np.maximum(variances, LEAST_VARIANCE))

    def log_likelihoods(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Up to a constant, [frames, groups] for `features` [frames, features]."""
        precisions = 1 / self.variances
        offsets = (self.means**2 * precisions + np.log(self.variances)).sum(axis=1)
        squares = features**2 @ precisions.T
        return features @ (self.means * precisions).T - 0.5 * (squares + offsets)


def align(
    mel_path: Path, scripts: Sequence[Script], phones: int, iterations: int, workers: Workers
) -> list[NDArray[np.int64]]:
    """Mel frames of each phone of each script: at least 1 each, in sum the script's frames.

    `mel_path` is an array file [frames, mels] of log-mels, `phones` the size of the inventory. The
    number of workers changes no bit of the result. Raises `ValueError`, naming the utterance, if
    one has fewer frames than phones.
    """
    for script in scripts:
        check_frames(script.utterance, len(script.phones), script.frames)
    batches = list(_batches(scripts))
    speakers = _speaker_statistics(mel_path, batches, workers)
    durations: dict[str, NDArray[np.int64]] = {}
    model = None
    with tqdm(total=iterations, desc="alignment", unit="iteration", disable=None) as progress:
        # The flat start is a pass of its own, before the first iteration.
        for iteration in range(iterations + 1):
            step = partial(_align_batch, mel_path, speakers, model, phones)
            moments = []
            for found, seen in workers.in_order(step, batches):
                durations.update(found)
                moments.append(seen)
            model = Gaussians.fitted_to(sum(moments[1:], start=moments[0]))
            progress.update(iteration > 0)
    return [durations[script.utterance] for script in scripts]


def _batches(scripts: Sequence[Script]) -> Iterator[Batch]:
    by_speaker: dict[str, list[Script]] = {}
    for script in scripts:
        by_speaker.setdefault(script.speaker, []).append(script)
    for speaker, own in by_speaker.items():
        batch: list[Script] = []
        for script in own:
            longest = max([script.frames, *(other.frames for other in batch)])
            if batch and longest * (len(batch) + 1) > BATCH_FRAMES:
                yield Batch(speaker, batch)
                batch = []
            batch.append(script)
        yield Batch(speaker, batch)


def _speaker_statistics(
    mel_path: Path, batches: Sequence[Batch], workers: Workers
) -> dict[str, Gaussians]:
    """Mean and variance of each speaker's features, [1, features]."""
    moments: dict[str, Moments] = {}
    for batch, seen in zip(
        batches, workers.in_order(partial(_batch_moments, mel_path), batches), strict=True
    ):
        moments[batch.speaker] = moments[batch.speaker] + seen if batch.speaker in moments else seen
    return {speaker: Gaussians.fitted_to(total) for speaker, total in moments.items()}


def _batch_moments(mel_path: Path, batch: Batch) -> Moments:
    features = np.concatenate([_cepstra(log_mel) for log_mel in _read(mel_path, batch)])
    return Moments.of(np.zeros(len(features), dtype=np.int64), 1, features)


def _align_batch(
    mel_path: Path,
    speakers: Mapping[str, Gaussians],
    model: Gaussians | None,
    phones: int,
    batch: Batch,
) -> tuple[dict[str, NDArray[np.int64]], Moments]:
    """Durations by the best path under `model`, or flat ones, and the moments of the phones."""
    log_mels = _read(mel_path, batch)
    speaker = speakers[batch.speaker]
    scale = np.sqrt(speaker.variances)
    features = [(_cepstra(log_mel) - speaker.means) / scale for log_mel in log_mels]
    sequences = [script.phones for script in batch.scripts]
    if model is None:
        durations = [
            flat_durations(log_mel, len(sequence))
            for log_mel, sequence in zip(log_mels, sequences, strict=True)
        ]
    else:
        durations = best_durations(
            [
                model.log_likelihoods(own)[:, sequence]
                for own, sequence in zip(features, sequences, strict=True)
            ]
        )
    labels = np.concatenate([np.repeat(*pair) for pair in zip(sequences, durations, strict=True)])
    names = [script.utterance for script in batch.scripts]
    found = dict(zip(names, durations, strict=True))
    return found, Moments.of(labels, phones, np.concatenate(features))


def _read(mel_path: Path, batch: Batch) -> list[NDArray[np.float64]]:
    log_mel = np.load(mel_path, mmap_mode="r")
    return [
        log_mel[script.start_frame : script.start_frame + script.frames].astype(np.float64)
        for script in batch.scripts
    ]


def _cepstra(log_mel: NDArray[np.float64]) -> NDArray[np.float64]:
    cepstra = scipy.fft.dct(log_mel, axis=1, norm="ortho")[:, :CEPSTRA]
    return np.concatenate([cepstra, np.gradient(cepstra, axis=0)], axis=1)


def flat_durations(log_mel: NDArray[np.float64], phones: int) -> NDArray[np.int64]:
    """Share the loud part of `log_mel` [frames, mels] evenly among all phones but the outer two.

    The outer two, silences, get what is before and behind; where they would get nothing, or the
    loud part is shorter than its phones, all phones share all frames.
    """
    level = log_mel.mean(axis=1)
    quiet, loud = np.percentile(level, [2, 95])
    above = np.flatnonzero(level > quiet + LOUD_SHARE * (loud - quiet))
    frames = len(level)
    if phones < 3 or not len(above):
        return _even(frames, phones)
    first, last = max(above[0], 1), min(above[-1] + 1, frames - 1)
    if last - first < phones - 2:
        return _even(frames, phones)
    return np.concatenate([[first], _even(last - first, phones - 2), [frames - last]])


def _even(frames: int, phones: int) -> NDArray[np.int64]:
    return np.diff(np.arange(phones + 1) * frames // phones)


def best_durations(scores: Sequence[NDArray[np.float64]]) -> list[NDArray[np.int64]]:
    """Frames of each phone on the path of greatest score through each of `scores`.

    `scores` are [frames, phones] arrays, one per utterance, with no more phones than frames. A path
    runs from the first phone at the first frame to the last at the last, and skips none. All
    utterances are searched at once, frame by frame.
    """
    frames = np.array([len(own) for own in scores])
    phones = np.array([own.shape[1] for own in scores])
    padded = np.zeros((frames.max(), len(scores), phones.max()))
    for place, own in enumerate(scores):
        padded[: len(own), place, : own.shape[1]] = own
    entered = np.zeros(padded.shape, dtype=bool)  # from the phone before, at this frame
    best = np.full(padded.shape[1:], -np.inf)
    best[:, 0] = padded[0, :, 0]
    for frame in range(1, len(padded)):
        move = np.full_like(best, -np.inf)
        move[:, 1:] = best[:, :-1]
        entered[frame] = move > best
        best = np.maximum(move, best) + padded[frame]
    return _trace(entered, frames, phones)


def _trace(
    entered: NDArray[np.bool_], frames: NDArray[np.int64], phones: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    utterances = np.arange(len(frames))
    durations = np.zeros((len(frames), phones.max()), dtype=np.int64)
    place = phones - 1
    for frame in range(len(entered) - 1, -1, -1):
        inside = frame < frames
        durations[utterances, place] += inside
        place = place - (entered[frame, utterances, place] & inside)
    return [own[:count] for own, count in zip(durations, phones, strict=True)]
