"""docs/corpora.md names every reader, and what it says to put into params.yaml is valid."""

import re
from pathlib import Path

import pytest
import yaml

from adaptts import params
from adaptts.corpora import (
    aishell3,
    arctic,
    audiomnist,
    esd,
    fsdd,
    hifi_tts,
    libritts,
    vctk,
)
from adaptts.corpora.readers import READERS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
SPEAKERS = {
    "arctic": set(arctic.VOICES),
    "audiomnist": {f"{number:02d}" for number in range(1, 61)},
    "esd": {f"{number:04d}" for number in range(1, 21)},
    "fsdd": set(fsdd.ACCENTS),
    "hifi_tts": set(hifi_tts.SEXES),
}


def merged(block: dict) -> dict:
    """The default experiment with the block's sections, as the page says."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, entries in block.items():
        whole = section in ("corpus", "split")
        values[section] = entries if whole else {**values[section], **entries}
    return values


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.get("corpus", {}).get("reader"))
def test_a_block_is_valid(block):
    experiment = params.parse(params.Experiment, merged(block), "")
    assert experiment.corpus.reader in READERS
    held_out = {*experiment.split.test, *experiment.split.validation}
    assert held_out <= SPEAKERS.get(experiment.corpus.reader, held_out)
    assert set(experiment.corpus.subsets or []) <= set(libritts.PARTS)


def test_every_reader_is_in_the_table_and_has_lines():
    first_cells = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    assert {name for cell in first_cells[1:] for name in re.findall(r"`(\w+)`", cell)} == set(
        READERS
    )
    shown = {block["corpus"]["reader"] for block in BLOCKS if "corpus" in block}
    assert set(READERS) - shown == {"synthetic", "fsdd", "libritts"}  # in presets/; as libritts_r


def test_the_archives_names_are_told():
    packed = [aishell3.ARCHIVE, audiomnist.ARCHIVE, hifi_tts.ARCHIVE, vctk.ARCHIVE, fsdd.archive()]
    packed += libritts.LIBRITTS.archives(["dev-clean"]) + libritts.LIBRITTS_R.archives(
        ["dev-clean"]
    )
    for each in packed:
        assert f"`{each.name}`" in TEXT


def test_the_number_of_speakers_with_a_reader_of_their_own_is_told():
    assert f"| `arctic` | {len(arctic.VOICES)} |" in TEXT
    assert len(audiomnist.COPIES) == 2
    assert len(esd.EMOTIONS) == 5
