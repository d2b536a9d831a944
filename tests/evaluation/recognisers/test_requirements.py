from dataclasses import replace
from pathlib import Path

import pytest

from adaptts.evaluation.recognisers import requirements
from adaptts.evaluation.recognisers.recogniser import DeafError, Setting
from adaptts.evaluation.recognisers.registry import RECOGNISERS, open_all
from adaptts.evaluation.recognisers.requirements import WAV2VEC2_WEIGHTS, check
from adaptts.evaluation.recognisers.sphinx import Sphinx


def test_each_name_that_params_know_is_registered(evaluation) -> None:
    kind = type(evaluation).__annotations__["recognisers"]
    assert set(RECOGNISERS) == set(kind.__args__[0].__args__)


def test_what_ships_needs_nothing(evaluation) -> None:
    check(replace(evaluation, recognisers=["sphinx", "ctc"], weights="/no/such/folder"))


def test_a_folder_without_the_weights_is_told_at_once(tmp_path: Path, evaluation) -> None:
    asked = replace(evaluation, recognisers=["wav2vec2"], weights=str(tmp_path))
    with pytest.raises(ValueError, match=f"{WAV2VEC2_WEIGHTS} is missing; put https://.*weights"):
        check(asked)
    (tmp_path / WAV2VEC2_WEIGHTS).touch()
    check(asked)


def test_a_package_that_is_missing_is_told_at_once(evaluation, monkeypatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install -e '.\[whisper\]'"):
        check(replace(evaluation, recognisers=["whisper"]))


def test_a_folder_without_a_model_is_told_at_once(tmp_path: Path, evaluation, monkeypatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: object())
    asked = replace(evaluation, recognisers=["whisper"], whisper="tiny", weights=str(tmp_path))
    with pytest.raises(ValueError, match="whisper-tiny holds no model; put the files of https://"):
        check(asked)


def test_what_cannot_hear_the_corpus_stands_beside_what_can(corpus, evaluation) -> None:
    asked = replace(evaluation, recognisers=["sphinx"])
    heard = {
        language: open_all(Setting(corpus, language, corpus, asked))["sphinx"]
        for language in ("en-gb", "cmn")
    }
    assert isinstance(heard["en-gb"], Sphinx)
    assert isinstance(heard["cmn"], DeafError)
    assert "in cmn" in str(heard["cmn"])
