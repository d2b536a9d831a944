"""What an evaluation leaves: a table of measures, trials of verification, and sounds.

measures.parquet      one row per point and metric: see `adaptts.evaluation.measure`
verification.parquet  one row per heard utterance and enrolled speaker, with their similarity
audio/                FLAC
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import soundfile

from adaptts.corpora.audio import Waveform
from adaptts.evaluation.measure import Measure, Point, tabulate

MEASURES = "measures.parquet"
VERIFICATION = "verification.parquet"
AUDIO = "audio"

TRIALS = [*Point.__dataclass_fields__, "enrolled", "similarity"]


@dataclass(frozen=True)
class Results:
    """Collects results, and writes them."""

    measures: list[tuple[Point, Sequence[Measure]]] = field(default_factory=list)
    trials: list[dict] = field(default_factory=list)  # with the columns TRIALS
    sounds: dict[str, Waveform] = field(default_factory=dict)  # by file name

    def add(self, point: Point, measures: Sequence[Measure]) -> None:
        """Add measures of a point."""
        self.measures.append((point, measures))

    def compare(self, point: Point, similarities: Mapping[str, float]) -> None:
        """Add the similarity of a point's voice with each enrolled speaker."""
        for enrolled, value in similarities.items():
            self.trials.append({**asdict(point), "enrolled": enrolled, "similarity": value})

    def keep(self, name: str, waveform: Waveform) -> None:
        """Keep a sound under the file name `name`; `waveform` [samples] is within ±1."""
        self.sounds[name] = waveform

    def save(self, folder: Path, sampling_rate: int) -> None:
        """Write all into `folder`."""
        tabulate(self.measures).to_parquet(folder / MEASURES, index=False)
        trials = pd.DataFrame(self.trials, columns=TRIALS)
        trials.to_parquet(folder / VERIFICATION, index=False)
        (folder / AUDIO).mkdir()
        for name, waveform in self.sounds.items():
            soundfile.write(folder / AUDIO / name, waveform, sampling_rate, subtype="PCM_16")


def join(parts: Iterable[Path], folder: Path) -> None:
    """Join saved results, part after part, into `folder`; sounds are moved there."""
    parts = list(parts)
    for name in (MEASURES, VERIFICATION):
        tables = [pd.read_parquet(part / name) for part in parts]
        pd.concat(tables, ignore_index=True).to_parquet(folder / name, index=False)
    (folder / AUDIO).mkdir()
    for part in parts:
        for sound in sorted((part / AUDIO).iterdir()):
            (folder / AUDIO / sound.name).write_bytes(sound.read_bytes())
