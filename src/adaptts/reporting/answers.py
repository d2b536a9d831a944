"""The answers of a listening test: what listeners hand in, checked against the key.

A listener's page saves a sheet, a JSON file without names of arms. `accept` checks sheets and joins
them with the key to one table, which the report reads from `listening/answers.csv`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

SCHEMA = 1
# The reference by its name, what is below all, and what lacks little.
LABELLED, ANCHOR, MID_ANCHOR = "reference", "anchor", "mid_anchor"
LARGEST_BYTES = 4_000_000  # of a sheet; an honest one has some ten thousand
STRICT = ConfigDict(extra="forbid", strict=True)

Part = Literal["acr", "ab", "mushra"]
SCALES: Mapping[Part, tuple[float, float]] = {"acr": (1, 5), "ab": (0, 1), "mushra": (0, 100)}
# A row for each judged sound of acr and mushra, and for each ab trial: value is then 1 where `arm`
# was chosen, 0 where `other` was, ½ where neither. `sounds` is the fingerprint of what was heard.
ANSWERS = ["listener", "part", "trial", "arm", "other", "speaker", "utterance", "value", "plays",
           "seconds", "sounds"]  # fmt: skip

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Time = Annotated[str, Field(pattern=r"^[0-9T:.Z-]{20,30}$")]
T = TypeVar("T")


class AnswersError(ValueError):
    """Answers cannot be used; the message names the file, what is wrong and the remedy."""


@dataclass(frozen=True, config=STRICT)
class Fingerprint:
    """Which test it is, by digests of what it is made of."""

    experiment: Digest
    headline: Digest
    arms: Digest
    sentences: Digest
    sounds: Digest
    trials: Digest


@dataclass(frozen=True, config=STRICT)
class Stimulus:
    """What is heard under a drawn name."""

    arm: str  # or natural, copy_synthesis, an anchor, and LABELLED
    speaker: str
    utterance: str


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One question."""

    part: Part
    reference: Digest | None  # the name of the sound to compare with
    sounds: list[Digest]  # the names of those to be judged


@dataclass(frozen=True, config=STRICT)
class Key:
    """What the names stand for; listeners do not get it."""

    schema: int
    test: Fingerprint
    baseline: str | None
    sounds: dict[Digest, Stimulus]
    forms: list[list[Trial]]


@dataclass(frozen=True, config=STRICT)
class Answer:
    """What a listener said in one trial; lists are parallel."""

    trial: int  # of the form, from 0
    part: Part
    reference: Digest | None
    sounds: Annotated[list[Digest], Field(max_length=100)]  # in the order shown
    values: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=100)
    ]  # within SCALES; of ab, what each of the two gets of one vote
    plays: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=100)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Sheet:
    """All that one listener hands in."""

    schema: int
    test: Fingerprint
    listener: Digest  # drawn by the page
    form: Annotated[int, Field(ge=0)]
    started: Time
    finished: Time
    answers: Annotated[list[Answer], Field(max_length=10_000)]  # in the order given


def read_key(path: Path) -> Key:
    """Read the key of the test. Raises `AnswersError`."""
    if not path.is_file():
        raise AnswersError(f"the key {path} is missing; `dvc repro report` writes it")
    return _parse(Key, path, "run `dvc repro report` again")


def accept(paths: Iterable[Path], key: Key) -> pd.DataFrame:
    """Check sheets against the key and return their answers: columns ANSWERS.

    Raises `AnswersError` with a line for each sheet that cannot be used. The same sheet given twice
    counts once.
    """
    sheets: dict[str, tuple[Path, Sheet]] = {}
    flaws = []
    for path in paths:
        try:
            sheet = _parse(Sheet, path, "leave it out")
            _check(sheet, key, path)
        except AnswersError as error:
            flaws.append(str(error))
            continue
        earlier, other = sheets.setdefault(sheet.listener, (path, sheet))
        if other != sheet:
            flaws.append(
                f"{path}: listener {sheet.listener} has handed in other answers with {earlier}; "
                "leave one of them out"
            )
    if flaws:
        raise AnswersError("\n".join(flaws))
    rows = [row for _, sheet in sheets.values() for row in _rows(sheet, key)]
    return pd.DataFrame(rows, columns=ANSWERS).sort_values(
        ["listener", "part", "trial", "arm"], ignore_index=True
    )


def write(answers: pd.DataFrame, path: Path) -> None:
    """Keep accepted answers where the report finds them."""
    path.parent.mkdir(exist_ok=True)
    answers.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def read(path: Path) -> pd.DataFrame:
    """The accepted answers; none where there is no file. Raises `AnswersError`."""
    if not path.is_file():
        return pd.DataFrame(columns=ANSWERS)
    names = ["listener", "part", "arm", "other", "speaker", "utterance", "sounds"]
    kinds = {**dict.fromkeys(names, str), "trial": int, "value": float}
    try:
        table = pd.read_csv(path, dtype=kinds, keep_default_na=False, encoding="utf-8")
        lacking = [column for column in ANSWERS if column not in table.columns]
        flaw = f"lacks the columns {lacking}" if lacking else _flaw(table)
    except ValueError as error:
        flaw = f"cannot be read: {error}"
    if flaw:
        raise AnswersError(f"{path} {flaw}; write it anew with `python -m pipeline.listening`")
    return table


def _flaw(table: pd.DataFrame) -> str | None:
    for part, rows in table.groupby("part"):
        if part not in SCALES:
            return f"has a part {part!r:.80}, expected one of {list(SCALES)}"
        low, high = SCALES[part]
        if not rows["value"].between(low, high).all():
            return f"has values of {part} outside of {low} to {high}"
    return None


def _parse(kind: type[T], path: Path, remedy: str) -> T:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise AnswersError(f"{path} is larger than {LARGEST_BYTES} bytes; {remedy}")
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise AnswersError(f"{path} cannot be read: {error.strerror}; {remedy}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))[:80] or "the file"
        value = f"{problem['input']!r:.80}"
        raise AnswersError(f"{path}: {place}: {problem['msg']}, got {value}; {remedy}") from None


def _check(sheet: Sheet, key: Key, path: Path) -> None:
    """Raise `AnswersError` unless the sheet answers each trial of its form of this test."""
    remedy = "leave it out"
    if sheet.schema != SCHEMA:
        raise AnswersError(f"{path} has schema {sheet.schema}, expected {SCHEMA}; {remedy}")
    names = Fingerprint.__dataclass_fields__
    differing = [name for name in names if getattr(sheet.test, name) != getattr(key.test, name)]
    if differing:
        told = ", ".join(
            f"{name} {getattr(sheet.test, name)} in place of {getattr(key.test, name)}"
            for name in differing
        )
        raise AnswersError(
            f"{path} answers another build of the listening test, which differs in: {told}; "
            "leave it out, or name that build's key with --key"
        )
    if sheet.form >= len(key.forms):
        raise AnswersError(f"{path}: there are {len(key.forms)} forms, got {sheet.form}; {remedy}")
    form = key.forms[sheet.form]
    given = sorted(answer.trial for answer in sheet.answers)
    if given != list(range(len(form))):
        raise AnswersError(
            f"{path}: each of the {len(form)} trials must be answered once, got {given!s:.200}; "
            f"{remedy}"
        )
    for answer in sheet.answers:
        flaw = _flaw_of(answer, form[answer.trial])
        if flaw:
            raise AnswersError(f"{path}: trial {answer.trial}: {flaw}; {remedy}")


def _flaw_of(answer: Answer, trial: Trial) -> str | None:
    if (answer.part, answer.reference) != (trial.part, trial.reference):
        return "part or reference are not those of the form"
    if sorted(answer.sounds) != sorted(trial.sounds):
        return "the sounds are not those of the form"
    if not len(answer.sounds) == len(answer.values) == len(answer.plays):
        return "sounds, values and plays differ in length"
    low, high = SCALES[answer.part]
    if not all(low <= value <= high for value in answer.values):
        return f"values must be from {low} to {high}, got {answer.values!s:.200}"
    if answer.part == "acr" and not all(value == int(value) for value in answer.values):
        return f"opinions must be whole, got {answer.values!s:.200}"
    if answer.part == "ab" and sorted(answer.values) not in ([0, 1], [0.5, 0.5]):
        return f"one of two is chosen, or neither, got {answer.values!s:.200}"
    return None


def _rows(sheet: Sheet, key: Key) -> list[dict[str, Any]]:
    rows = []
    for answer in sheet.answers:
        heard = [key.sounds[sound] for sound in answer.sounds]
        judged = list(zip(heard, answer.values, answer.plays, strict=True))
        shared = {"listener": sheet.listener, "part": answer.part, "trial": answer.trial,
                  "seconds": answer.seconds, "sounds": key.test.sounds}  # fmt: skip
        if answer.part == "ab":
            # An arm against the baseline, and in a catch the reference against the anchor.
            last = {key.baseline, ANCHOR}
            judged.sort(key=lambda each: each[0].arm in last)
            shared |= {"other": judged[1][0].arm, "plays": int(np.sum(answer.plays))}
            judged = judged[:1]
        rows += [
            {"other": "", "plays": plays, **asdict(stimulus), "value": value, **shared}
            for stimulus, value, plays in judged
        ]
    return rows
