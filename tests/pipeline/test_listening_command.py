"""The command that brings listeners' answers into the report."""

import json
import shutil
from pathlib import Path

import pytest
from reporting.listeners import fill
from small_experiment import ROOT

from adaptts.reporting import answers
from adaptts.reporting.answers import Fingerprint, Key, Stimulus, Trial
from pipeline import listening


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Key:
    """Of a small test, in a folder with the default experiment."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    arms = ["reference", "natural", "anchor", "average", "pretrain_finetune"]
    names = [f"{number:016x}" for number in range(len(arms))]
    reference, natural, anchor, *both = names
    forms = [[
        Trial("acr", None, both[:1]),
        Trial("ab", reference, both),
        Trial("ab", reference, [anchor, natural]),
        *[Trial("mushra", reference, [*both, natural, anchor])] * 2,
    ]]  # fmt: skip
    sounds = {name: Stimulus(arm, "ann", "u") for name, arm in zip(names, arms, strict=True)}
    digests = [f"{number:016x}" for number in range(6)]
    key = Key(answers.SCHEMA, Fingerprint(*digests), "pretrain_finetune", sounds, forms)
    Path("reports").mkdir()
    fields = json.loads(json.dumps(key, default=vars))
    Path("reports/listening_key.json").write_text(json.dumps(fields))
    return key


def hand_in(key: Key, number: int, **changes: object) -> str:
    path = Path(f"{number}.json")
    sheet = fill(key, number, slip=changes.pop("slip", lambda trial: False))  # pyright: ignore
    path.write_text(json.dumps({**sheet, **changes}))
    return str(path)


def test_answers_are_kept_and_shown(key: Key, capsys: pytest.CaptureFixture[str]) -> None:
    asleep = hand_in(key, 3, slip=lambda trial: trial.part == "mushra")
    listening.main([*[hand_in(key, number) for number in range(3)], asleep])
    printed = capsys.readouterr().out
    assert "| pretrain\\_finetune | " in printed
    assert "3 listeners" in printed
    assert "Left out: listener 0000000000000003 rated the hidden reference below 90 in 2 of 2" in (
        printed
    )
    assert "listening/answers.csv holds 44 answers of 4 listeners" in printed
    assert answers.read(listening.KEPT)["listener"].nunique() == 4


def test_a_flawed_file_leaves_what_was_kept(key: Key) -> None:
    listening.main([hand_in(key, 0)])
    before = listening.KEPT.read_bytes()
    with pytest.raises(SystemExit, match=r"listening: 1\.json has schema 7"):
        listening.main([hand_in(key, 0), hand_in(key, 1, schema=7)])
    assert listening.KEPT.read_bytes() == before


def test_another_key_can_be_named(key: Key) -> None:
    Path("reports/listening_key.json").rename("old.json")
    with pytest.raises(SystemExit, match="listening_key.json is missing"):
        listening.main([hand_in(key, 0)])
    listening.main([hand_in(key, 0), "--key", "old.json"])
    assert listening.KEPT.is_file()
