"""The sound of the report: which clips there are, and what the page needs to play them.

Beside each clip lies a picture of it, of the same name with the ending png.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adaptts.params import PointParams
from adaptts.reporting import spectrogram
from adaptts.reporting.answer import counted
from adaptts.reporting.results import CLIPS, REFERENCES, Results


@dataclass(frozen=True)
class Shelf:
    """The clips of a report, as a grid that the page picks columns from."""

    speakers: list[dict[str, Any]]  # name, sentences: the texts that are said
    points: list[str]  # where on the grid shots × steps; the headline first
    rows: list[dict[str, Any]]  # name, clips: [speaker][point][sentence] address or None


def shelve(results: Results) -> Shelf | None:
    """Order the clips; None if there are none."""
    clips = results.clips
    if clips.empty:
        return None
    places = [(point.shots, point.steps) for point in points(results)]
    found = addresses(results)
    spoken = clips[["speaker", "utterance"]].drop_duplicates()
    names = [name for name in results.test_speakers if name in set(spoken["speaker"])]
    sentences = {
        name: spoken.loc[spoken["speaker"] == name, "utterance"].tolist() for name in names
    }

    def row(arm: str) -> dict[str, Any]:
        grid = [
            [[found.get((arm, name, utterance, *place(results, arm, at)))
              for utterance in sentences[name]] for at in places]
            for name in names
        ]  # fmt: skip
        return {"name": arm, "clips": grid}

    heard = set(clips["arm"])
    return Shelf(
        [{"name": name, "sentences": [results.texts.get(u, u) for u in sentences[name]]}
         for name in names],
        [named(point) for point in points(results)],
        [row(arm) for arm in [*REFERENCES, *results.experiment.arms] if arm in heard],
    )  # fmt: skip


def points(results: Results) -> list[PointParams]:
    """Where on the grid there is sound; the headline first."""
    evaluation = results.experiment.evaluation
    return [evaluation.headline, *(p for p in evaluation.points if p != evaluation.headline)]


def named(point: PointParams) -> str:
    """The point in words."""
    return f"{counted(point.shots, 'shot')}, {counted(point.steps, 'step')}"


def addresses(results: Results) -> dict[tuple[Any, ...], str]:
    """(arm, speaker, utterance, shots, steps) → the clip's address."""
    rows = results.clips[CLIPS].itertuples(index=False, name=None)
    return {(arm, *rest): address(arm, path) for arm, *rest, path in rows}


def copy(results: Results, folder: Path) -> None:
    """Copy every clip to where `address` says, below `folder`, the report's, and draw it."""
    for arm, path in results.clips[["arm", "path"]].itertuples(index=False, name=None):
        shelf = folder / "audio" / _shelf_of(arm)
        shelf.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, shelf / path.name)
        picture = (shelf / path.name).with_suffix(".png")
        spectrogram.draw(path, picture, results.experiment.features)


def address(arm: str, path: Path) -> str:
    """The clip's address relative to the page."""
    return f"audio/{_shelf_of(arm)}/{quote(path.name)}"


def _shelf_of(arm: str) -> str:
    return "references" if arm in REFERENCES else arm


def place(results: Results, arm: str, at: tuple[int, int]) -> tuple[int, int]:
    """Where an arm or a reference has what stands for it at the point `at`, (shots, steps)."""
    if arm in REFERENCES:
        return 0, 0
    return (at[0], 0) if arm in results.zero_step_arms else at
