"""Listeners without ears: they fill sheets by what the key says."""

from collections.abc import Callable, Mapping
from typing import Any

from adaptts.reporting.answers import Key, Trial

# Of any arm: what a listener gives it, from 0 to 1.
TASTE = {"natural": 1.0, "anchor": 0.1, "mid_anchor": 0.8, "copy_synthesis": 0.9, "average": 0.2,
         "prototype": 0.3, "pretrain_finetune": 0.6, "maml": 0.7}  # fmt: skip


def listener(number: int) -> str:
    return f"{number:016x}"


def fill(
    key: Key, number: int = 0, taste: Mapping[str, float] = TASTE,
    slip: Callable[[Trial], bool] = lambda trial: False,
) -> dict[str, Any]:  # fmt: skip
    """The sheet of a listener, as its JSON; where `slip` is true, by an opposite taste."""
    form = number % len(key.forms)
    answers = []
    for place, trial in enumerate(key.forms[form]):
        liked = [taste[key.sounds[sound].arm] for sound in trial.sounds]
        if slip(trial):
            liked = [1 - value for value in liked]
        answers.append(
            {
                "trial": place,
                "part": trial.part,
                "reference": trial.reference,
                "sounds": list(trial.sounds),
                "values": _values(trial, liked),
                "plays": [2] * len(trial.sounds),
                "seconds": 12.5,
            }
        )
    test = {name: getattr(key.test, name) for name in type(key.test).__dataclass_fields__}
    return {
        "schema": key.schema,
        "test": test,
        "listener": listener(number),
        "form": form,
        "started": "2026-01-01T10:00:00.000Z",
        "finished": "2026-01-01T10:20:00.000Z",
        "answers": answers,
    }


def _values(trial: Trial, liked: list[float]) -> list[float]:
    if trial.part == "ab":
        a, b = liked
        return [0.5, 0.5] if a == b else [float(a > b), float(b > a)]
    if trial.part == "acr":
        return [1 + round(4 * value) for value in liked]
    return [round(100 * value) for value in liked]
