"""How well a threshold on similarity tells pairs of one speaker from pairs of two."""

import numpy as np
from numpy.typing import NDArray


def equal_error_rate(same: NDArray[np.floating], different: NDArray[np.floating]) -> float:
    """The error rate in % of a verifier whose threshold makes both of its errors alike.

    `same` and `different` are similarities of pairs from one speaker and from two. Between two
    thresholds the rates are taken as linear. Raises `ValueError` if either is empty.
    """
    rejected, accepted = error_tradeoff(same, different)
    crossing = int(np.flatnonzero(rejected >= accepted)[0])
    gaps = rejected - accepted
    before, after = gaps[crossing - 1], gaps[crossing]
    part = before / (before - after)
    return float(
        100 * (rejected[crossing - 1] + part * (rejected[crossing] - rejected[crossing - 1]))
    )


def error_tradeoff(
    same: NDArray[np.floating], different: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False rejections and false acceptances, as parts of 1, as the threshold rises.

    The first point accepts all pairs, the last rejects all. Raises `ValueError` if `same` or
    `different` is empty.
    """
    if len(same) == 0 or len(different) == 0:
        raise ValueError(
            f"verification needs pairs of both kinds, got {len(same)} from one speaker and "
            f"{len(different)} from two"
        )
    thresholds = np.unique(np.concatenate([same, different]))
    rejected = np.searchsorted(np.sort(same), thresholds, side="right") / len(same)
    accepted = 1 - np.searchsorted(np.sort(different), thresholds, side="right") / len(different)
    return np.append(0.0, rejected), np.append(1.0, accepted)
