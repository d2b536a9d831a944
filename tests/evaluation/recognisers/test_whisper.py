"""The loading and the decoding are real; the model is tiny and can say nothing but "a"."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptts.evaluation.recognisers import whisper
from adaptts.evaluation.recognisers.recogniser import DeafError, Recogniser, Setting
from adaptts.evaluation.recognisers.requirements import check
from adaptts.features import audio_backend  # noqa: F401  transformers imports torchaudio

transformers = pytest.importorskip("transformers")

TOKENS = 12  # of a hypothesis


def write_model(folder: Path) -> None:
    """A model of Whisper's architecture, with the special tokens that its decoding needs."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    letters = {letter: number for number, letter in enumerate(bytes_to_unicode().values())}
    tokenizer = transformers.WhisperTokenizer(vocab=letters, merges=[])
    languages = [f"<|{language}|>" for language in LANGUAGES]
    start, end, task, silent = (
        "<|startoftranscript|>", "<|endoftext|>", "<|transcribe|>", "<|notimestamps|>",
    )  # fmt: skip
    tokenizer.add_tokens([end, start, *languages, task, silent], special_tokens=True)
    number = tokenizer.convert_tokens_to_ids
    size = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    sides = {
        f"{side}_{part}": count
        for side in ("encoder", "decoder")
        for part, count in (("layers", 1), ("attention_heads", 2))
    }
    ends = {"decoder_start_token_id": number(start), "bos_token_id": number(end),
            "eos_token_id": number(end), "pad_token_id": number(end)}  # fmt: skip
    config = transformers.WhisperConfig(vocab_size=len(tokenizer), **size, **sides, **ends)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        is_multilingual=True,
        lang_to_id={language: number(language) for language in languages},
        task_to_id={"transcribe": number(task)},
        no_timestamps_token_id=number(silent),
        max_length=TOKENS,
        suppress_tokens=[each for each in range(len(tokenizer)) if each != letters["a"]],
        **ends,
    )
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor()
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, evaluation) -> Setting:
    folder = tmp_path_factory.mktemp("weights")
    write_model(folder / "whisper-tiny")
    asked = replace(evaluation, recognisers=["whisper"], whisper="tiny", weights=str(folder))
    check(asked)
    return Setting(folder, "en-us", folder, asked)


@pytest.fixture(scope="module")
def recogniser(setting: Setting) -> Recogniser:
    return whisper.open_recogniser(setting)


def test_it_writes_what_its_decoder_says(recogniser) -> None:
    sound = np.random.default_rng(0).normal(size=16000)
    # The tokens of language and task are no part of it.
    assert recogniser.hear(sound, 16000, "u") == "a" * TOKENS
    assert not recogniser.objection("anything, in any script: 书")


@pytest.mark.parametrize("samples", [0, 10, 16000])
def test_silence_is_heard_as_nothing(recogniser, samples: int) -> None:
    assert recogniser.hear(np.zeros(samples), 16000, "silence") == ""


def test_what_is_too_long_fails(recogniser) -> None:
    with pytest.raises(RuntimeError, match="hears 30 s at once"):
        recogniser.hear(np.ones(31 * 8000), 8000, "speech")


@pytest.mark.parametrize(("language", "own"), [("en-gb", "en"), ("cmn", "zh"), ("de", "de")])
def test_languages_have_whisper_s_own_names(setting, language: str, own: str) -> None:
    assert whisper.open_recogniser(replace(setting, language=language)).language == own


def test_it_is_deaf_to_languages_it_has_not_learned(setting) -> None:
    with pytest.raises(DeafError, match="does not know the language grc"):
        whisper.open_recogniser(replace(setting, language="grc"))


def test_without_network_the_remedy_is_named(setting, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    online = replace(setting, params=replace(setting.params, weights=None))
    with pytest.raises(
        ValueError, match=r"(?s)cannot be loaded.*openai/whisper-tiny into a folder"
    ):
        whisper.open_recogniser(online)
