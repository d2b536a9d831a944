"""What an evaluation leaves: a table of measures, trials of verification, and sounds.

measures.parquet      one row per point and metric: see `adaptts.evaluation.measure`
verification.parquet  one row per heard utterance and enrolled speaker, with their similarity
audio/                FLAC
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from adaptts.corpora.audio import Waveform
from adaptts.evaluation.enrolment import Trial
from adaptts.evaluation.measure import Measure, Point, tabulate

MEASURES = "measures.parquet"
VERIFICATION = "verification.parquet"
AUDIO = "audio"

POINT = [
    ("arm", pa.string()), ("speaker", pa.string()), ("seed", pa.int64()), ("draw", pa.int64()),
    ("shots", pa.int64()), ("steps", pa.int64()), ("utterance", pa.string()),
]  # fmt: skip
SCHEMAS = {
    MEASURES: pa.schema(
        [*POINT, ("metric", pa.string()), ("value", pa.float64()), ("note", pa.string())]
    ),
    VERIFICATION: pa.schema(
        [*POINT, ("enrolled", pa.string()), ("target", pa.bool_()), ("same_text", pa.bool_()),
         ("similarity", pa.float64()), ("other_text_similarity", pa.float64())]
    ),
}  # fmt: skip
# Parts that are joined at once: however many there are, memory holds these.
PARTS_AT_ONCE = 64


@dataclass(frozen=True)
class Results:
    """Collects results, and writes them."""

    measures: list[tuple[Point, Sequence[Measure]]] = field(default_factory=list)
    trials: list[tuple[Point, Trial]] = field(default_factory=list)
    sounds: dict[str, Waveform] = field(default_factory=dict)  # by file name

    def add(self, point: Point, measures: Sequence[Measure]) -> None:
        """Add measures of a point."""
        self.measures.append((point, measures))

    def compare(self, point: Point, trials: Sequence[Trial]) -> None:
        """Add how a point's voice was held against the enrolled speakers."""
        self.trials.extend((point, trial) for trial in trials)

    def keep(self, name: str, waveform: Waveform) -> None:
        """Keep a sound under the file name `name`; `waveform` [samples] is within ±1."""
        self.sounds[name] = waveform

    def save(self, folder: Path, sampling_rate: int) -> None:
        """Write all into `folder`."""
        trials = [{**asdict(point), **asdict(trial)} for point, trial in self.trials]
        columns = SCHEMAS[VERIFICATION].names
        _write(tabulate(self.measures), folder / MEASURES)
        _write(pd.DataFrame(trials, columns=columns), folder / VERIFICATION)
        (folder / AUDIO).mkdir()
        for name, waveform in self.sounds.items():
            soundfile.write(folder / AUDIO / name, waveform, sampling_rate, subtype="PCM_16")


def join(parts: Sequence[Path], folder: Path) -> None:
    """Join saved results, part after part, into `folder`; sounds are copied there."""
    for name, schema in SCHEMAS.items():
        with pq.ParquetWriter(folder / name, schema) as writer:
            for start in range(0, len(parts), PARTS_AT_ONCE):
                some = parts[start : start + PARTS_AT_ONCE]
                writer.write_table(pa.concat_tables([pq.read_table(part / name) for part in some]))
    (folder / AUDIO).mkdir()
    for part in parts:
        for sound in sorted((part / AUDIO).iterdir()):
            (folder / AUDIO / sound.name).write_bytes(sound.read_bytes())


def _write(table: pd.DataFrame, path: Path) -> None:
    schema = SCHEMAS[path.name]
    pq.write_table(pa.Table.from_pandas(table, schema, preserve_index=False), path)
