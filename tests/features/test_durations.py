import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptts.features import durations

PER_SECOND = 62.5  # frames at 16 ms


@st.composite
def timed_phones(draw):
    """Ends of phones in seconds, and at least as many frames as phones."""
    lengths = draw(st.lists(st.floats(0.0005, 0.3), min_size=1, max_size=30))
    ends = np.cumsum(lengths)
    return ends, max(len(ends), 1 + int(ends[-1] * PER_SECOND))


@given(timed_phones())
def test_durations_fill_the_utterance_and_leave_no_phone_out(phones):
    ends, frames = phones
    found = durations.from_times("u", ends, frames, PER_SECOND)
    assert found.sum() == frames
    assert found.min() >= 1


def test_a_frame_belongs_to_the_phone_at_its_centre():
    # Centres at 0, 16, 32, 48, 64 ms.
    ends = np.array([0.031, 0.050, 0.070])
    assert durations.from_times("u", ends, 5, PER_SECOND).tolist() == [2, 2, 1]


def test_a_boundary_at_a_centre_gives_the_frame_to_the_later_phone():
    ends = np.array([0.016 * 3, 0.1])
    assert durations.from_times("u", ends, 7, PER_SECOND).tolist() == [3, 4]
    assert durations.from_times("u", ends + 1e-12, 7, PER_SECOND).tolist() == [3, 4]


def test_a_phone_between_two_centres_borrows_a_frame():
    ends = np.array([0.033, 0.040, 0.080])
    assert durations.from_times("u", ends, 6, PER_SECOND).tolist() == [3, 1, 2]


def test_phones_at_the_end_borrow_from_those_before():
    ends = np.array([0.080, 0.0801, 0.0802])
    assert durations.from_times("u", ends, 6, PER_SECOND).tolist() == [4, 1, 1]


def test_more_phones_than_frames_are_refused():
    with pytest.raises(ValueError, match=r"utterance u-1 has 2 mel frames for 3 phones"):
        durations.from_times("u-1", np.array([0.01, 0.02, 0.03]), 2, PER_SECOND)


def test_more_frames_than_a_duration_can_count_are_refused():
    with pytest.raises(
        ValueError, match=r"utterance u-1 has 32768 mel frames, more than the 32767"
    ):
        durations.from_times("u-1", np.array([600.0]), 32768, PER_SECOND)
