"""What is wrong with a recording: what makes it unusable, and what is worth a note."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from adaptts.corpora import audio
from adaptts.corpora.audio import AudioError, Recording, Waveform
from adaptts.corpora.transcripts import Source

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 120.0  # utterances, not chapters: models and alignment see one whole
SILENT = 1e-3  # a range of samples below it is no recording
CLIPPED = 0.999  # of full scale …
CLIPPED_RUN = 3  # … for as many samples in a row


def check_file(source: Source) -> None:
    """Raise `AudioError` for what shows without reading samples: at once, however long it is."""
    if not source.is_file():
        raise AudioError(f"{source} cannot be read as audio: no such file")
    if not isinstance(source, Path):
        return  # within an archive a header costs as much as all
    try:
        size = source.stat().st_size
        if size == 0:
            raise AudioError(f"{source} has 0 bytes")
        header = soundfile.info(source)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{source} cannot be read as audio: {error}") from None
    if header.frames == 0:
        raise AudioError(f"{source} is empty: a header without samples")
    if header.frames > LONGEST_SECONDS * header.samplerate:
        raise AudioError(
            f"{source} lasts {header.frames / header.samplerate:.0f} s; an utterance lasts "
            f"at most {LONGEST_SECONDS:.0f} s: cut it into utterances"
        )
    _check_length(source, size)


def read(source: Source) -> tuple[Waveform, Recording]:
    """The mean of the channels, and the recording as it stands.

    Raises `AudioError` for one that cannot be read or holds no sound that could be used.
    """
    recording = audio.read(source)
    if recording.samples.size == 0:
        raise AudioError(f"{source} is empty: a header without samples")
    broken = np.count_nonzero(~np.isfinite(recording.samples))
    if broken:
        raise AudioError(f"{source} holds {broken} samples that are NaN or infinite")
    waveform = recording.samples.mean(axis=1)
    seconds = len(waveform) / recording.sampling_rate
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise AudioError(
            f"{source} lasts {seconds:.3f} s; at least {SHORTEST_SECONDS} s are needed, and at "
            f"most {LONGEST_SECONDS:.0f} s"
        )
    if np.ptp(waveform) < SILENT:
        raise AudioError(f"{source} is silent once its channels are averaged")
    return waveform, recording


def notes(recording: Recording) -> Iterator[str]:
    """What a reader of corpus.json should know of a recording that is used all the same."""
    channels = recording.samples.shape[1]
    if channels > 1:
        yield f"the mean of {channels} channels is used"
    clipped = clipped_samples(recording)
    if clipped:
        yield f"clipped: {clipped} samples at full scale"


def clipped_samples(recording: Recording) -> int:
    """The samples at full scale, if several stand in a row; else 0."""
    full = (np.abs(recording.samples) >= CLIPPED).any(axis=1)
    runs = np.convolve(full, np.ones(CLIPPED_RUN), mode="valid") == CLIPPED_RUN
    return int(np.count_nonzero(full)) if runs.any() else 0


def _check_length(path: Path, size: int) -> None:
    """Most files cut short cannot be read; those of these kinds read as shorter ones."""
    with path.open("rb") as file:
        told = _told_bytes(file.read(28))
    if told is not None and size < told:
        raise AudioError(f"{path} is cut short: {size} of {told} bytes")


def _told_bytes(header: bytes) -> int | None:
    """How many bytes a file has by its header, or None where that does not say."""
    # Where the length stands, in which order of bytes, and what it leaves out.
    fields: dict[bytes, tuple[slice, Literal["little", "big"], int]] = {
        b"RIFF": (slice(4, 8), "little", 8),  # WAV
        b"RF64": (slice(20, 28), "little", 8),
        b"riff": (slice(16, 24), "little", 0),  # W64
        b"FORM": (slice(4, 8), "big", 8),  # AIFF
        b".snd": (slice(8, 12), "big", int.from_bytes(header[4:8], "big")),  # AU
    }
    if header[:4] not in fields:
        return None
    place, order, left_out = fields[header[:4]]
    length = header[place]
    # Programs that write to a pipe leave the length open: all ones, or nothing.
    if set(length) <= {0x00} or set(length) == {0xFF}:
        return None
    return int.from_bytes(length, order) + left_out
