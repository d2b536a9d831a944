import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.distortion import align
from adaptts.evaluation.fast_alignment import align_fast
from adaptts.evaluation.measure import NotMeasurableError
from evaluation.test_toolkits import fast_warp


def walk(seed: int, frames: int) -> np.ndarray:
    """Frames that drift as speech does, so that coarse paths guide."""
    return np.cumsum(np.random.default_rng(seed).normal(size=(frames, 4)), axis=0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_paths_are_those_of_the_definition(seed: int, rows: int, columns: int) -> None:
    a, b = walk(seed, rows), walk(seed + 1, columns)
    found = align_fast(a, b)
    path = fast_warp(a, b)
    assert list(zip(found.predicted.tolist(), found.reference.tolist(), strict=True)) == path
    along = [np.linalg.norm(a[i] - b[j]) for i, j in path]
    assert found.distance == pytest.approx(np.mean(along), rel=1e-12)


def test_it_is_never_cheaper_than_the_exact_path() -> None:
    excess = []
    for seed in range(20):
        a, b = walk(seed, 70), walk(seed + 100, 60)
        fast, exact = align_fast(a, b), align(a, b)
        excess.append(fast.distance * len(fast.predicted) - exact.distance * len(exact.predicted))
    assert min(excess) > -1e-9
    assert max(excess) > 1  # it is approximate, and this is what it costs


@pytest.mark.parametrize(
    ("frames", "reason"),
    [(np.empty((0, 4)), "no frame"), (np.full((9, 4), np.nan), "not finite")],
)
def test_what_cannot_be_aligned_says_why(frames: np.ndarray, reason: str) -> None:
    for pair in ((frames, walk(0, 5)), (walk(0, 5), frames)):
        with pytest.raises(NotMeasurableError, match=reason):
            align_fast(*pair)
