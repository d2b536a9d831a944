"""FastDTW (Salvador and Chan 2007): time alignment near the path of a coarser one.

It is here because toolkits measure by it: the path is not the cheapest one, so that their figures
lie above those of `distortion.align`. Radius, halving and the order in which equal steps are
preferred are those of the package `fastdtw`, whose paths it meets.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adaptts.evaluation.distortion import Alignment, check_frames

RADIUS = 1

Path = tuple[list[int], list[int]]
# The first and the last column that the path may visit, in each row.
Window = tuple[NDArray[np.intp], NDArray[np.intp]]


def align_fast(predicted: NDArray[np.floating], reference: NDArray[np.floating]) -> Alignment:
    """Align `predicted` [T, D] with `reference` [U, D] by Euclidean distance, nearly as cheaply.

    Raises `NotMeasurableError` as `distortion.align` does.
    """
    check_frames(predicted, reference)
    rows, columns = map(np.array, _align(np.asarray(predicted), np.asarray(reference)))
    along = np.linalg.norm(predicted[rows] - reference[columns], axis=1)
    return Alignment(rows, columns, float(along.mean()))


def _align(a: NDArray[np.floating], b: NDArray[np.floating]) -> Path:
    if min(len(a), len(b)) < RADIUS + 2:
        everywhere = np.zeros(len(a), dtype=np.intp), np.full(len(a), len(b) - 1)
        return _cheapest_path(a, b, everywhere)
    coarse = _align(_halve(a), _halve(b))
    return _cheapest_path(a, b, _widen(coarse, len(a), len(b)))


def _halve(frames: NDArray[np.floating]) -> NDArray[np.floating]:
    """Means of neighbours; an odd last frame is left out."""
    pairs = frames[: len(frames) // 2 * 2]
    return (pairs[::2] + pairs[1::2]) / 2


def _widen(coarse: Path, rows: int, columns: int) -> Window:
    """The cells of twice the resolution within `RADIUS` coarse cells of the path `coarse`."""
    visited, where = map(np.array, coarse)
    coarse_rows = np.arange((rows + 1) // 2)
    # A path never goes back: what is near a row begins where its first near row begins.
    first = np.searchsorted(visited, coarse_rows - RADIUS, side="left")
    last = np.searchsorted(visited, coarse_rows + RADIUS, side="right") - 1
    low = np.maximum(2 * (where[first] - RADIUS), 0)
    high = np.minimum(2 * (where[last] + RADIUS) + 1, columns - 1)
    return np.repeat(low, 2)[:rows], np.repeat(high, 2)[:rows]


def _cheapest_path(a: NDArray[np.floating], b: NDArray[np.floating], window: Window) -> Path:
    """The cheapest monotonic path inside `window`; of equals, up before left before both."""
    low, high = window
    sizes = high - low + 1
    ends = np.cumsum(sizes)
    row_of = np.repeat(np.arange(len(a)), sizes)
    column_of = np.arange(ends[-1]) - np.repeat(ends - sizes - low, sizes)
    # Cell by cell in Python: few cells are left, and lists are quicker there than arrays.
    costs = np.linalg.norm(a[row_of] - b[column_of], axis=1).tolist()
    bounds = [0, *ends.tolist()]
    steps: list[list[int]] = []
    above, above_low = [0.0], -1  # before the first frame of either is the path's start
    for start, (begin, end) in zip(low.tolist(), pairwise(bounds), strict=True):
        totals: list[float] = []
        chosen: list[int] = []
        left = np.inf
        shift = start - above_low
        for place, cost in enumerate(costs[begin:end]):
            over = place + shift
            best, step = (above[over], 0) if over < len(above) else (np.inf, 0)
            if left < best:
                best, step = left, 1
            if 0 < over <= len(above) and above[over - 1] < best:
                best, step = above[over - 1], 2
            left = best + cost
            totals.append(left)
            chosen.append(step)
        steps.append(chosen)
        above, above_low = totals, start
    return _trace(steps, low.tolist(), len(b) - 1)


def _trace(steps: list[list[int]], low: list[int], last: int) -> Path:
    """Follow the steps back from the last cell to the first."""
    row, column = len(steps) - 1, last
    rows, columns = [row], [column]
    while row > 0 or column > 0:
        step = steps[row][column - low[row]]
        row -= step != 1
        column -= step != 0
        rows.append(row)
        columns.append(column)
    return rows[::-1], columns[::-1]
