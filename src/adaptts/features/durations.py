"""Mel frames of each phone where the phones' times are known."""

import numpy as np
from numpy.typing import NDArray

MOST_FRAMES = int(np.iinfo(np.int16).max)  # the type of stored durations


def from_times(
    utterance: str,
    end_seconds: NDArray[np.float64],
    frames: int,
    frames_per_second: float,
    first_centre: float = 0.0,
) -> NDArray[np.int64]:
    """Mel frames of each phone, given where each ends: a frame belongs to the phone at its centre.

    `first_centre` is the first frame's, in frames. The last phone gets the frames that are left,
    so the sum is `frames`. A phone too short to hold a centre borrows the nearest frame of a
    neighbour. Raises `ValueError` as `check_frames` does.
    """
    check_frames(utterance, len(end_seconds), frames)
    # Times are in seconds, so a boundary at a centre can lie a rounding error behind it.
    ends = np.ceil(np.round(end_seconds * frames_per_second, 6) - first_centre).astype(np.int64)
    ends[-1] = frames
    return np.diff(_spread(ends, frames), prepend=0)


def check_frames(utterance: str, phones: int, frames: int) -> None:
    """Raise `ValueError` unless each phone can have a frame of its own, and a number for them."""
    if frames < phones:
        raise ValueError(
            f"utterance {utterance} has {frames} mel frames for {phones} phones, and each needs "
            "one; check its text against the recording, leave it out, or lower "
            "features.hop_samples"
        )
    if frames > MOST_FRAMES:
        raise ValueError(
            f"utterance {utterance} has {frames} mel frames, more than the {MOST_FRAMES} that a "
            "duration can count; cut the recording into shorter ones"
        )


def _spread(ends: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """Move ends as little as needed to make them rise strictly from at least 1 to `frames`."""
    places = np.arange(len(ends))
    late_enough = np.maximum.accumulate(np.maximum(ends, 1) - places) + places
    latest = frames - places[::-1]
    return np.minimum(late_enough, latest)
