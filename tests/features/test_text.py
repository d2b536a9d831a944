from dataclasses import replace

import pandas as pd
import pytest
from small_store import PARAMS

from adaptts.features import text


def pronounce(texts: dict[str, str], language: str, **changes) -> dict[str, list[str]]:
    table = pd.DataFrame({"utterance": texts.keys(), "text": texts.values()})
    return text.pronounce(table, language, replace(PARAMS, **changes))


def say(words: str, language: str = "en-us", **changes) -> str:
    return " ".join(pronounce({"u": words}, language, **changes)["u"])


def test_texts_become_ipa_between_silences():
    assert say("Peter got three large desks.") == (
        "sil p iː ɾ ɚ ɡ ɑː t θ ɹ iː l ɑːɹ dʒ d ɛ s k s sil"
    )


@pytest.mark.parametrize(
    ("language", "words", "dropped", "kept"),
    [
        ("en-us", "unbelievable", "ʌ n b ᵻ l iː v ə b əl", "ʌ n b ᵻ l ˈiː v ə b əl"),
        ("en-gb", "near Gloucester", "n iə ɡ l ɒ s t ə", "n ˌiə ɡ l ˈɒ s t ə"),
        ("de", "die Übergröße", "d iː yː b ɜ ɡ ɾ øː s ə", "d iː ˌyː b ɜ ɡ ɾ ˈøː s ə"),
        ("fr-fr", "un bon vin", "œ̃ b ɔ̃ v ɛ̃", "œ̃ b ˈɔ̃ v ˈɛ̃"),
    ],
)  # fmt: skip
def test_stress_is_part_of_the_vowel_or_dropped(language, words, dropped, kept):
    assert say(words, language) == f"sil {dropped} sil"
    assert say(words, language, stress="keep") == f"sil {kept} sil"


@pytest.mark.parametrize(
    ("language", "words", "kept", "dropped"),
    [
        ("cmn", "你好，妈骂", "n i2 h ao3 sil m a1 m a4", "n i h ao sil m a m a"),
        ("cmn-latn-pinyin", "ma1 ma4 dianr3 shi5", "m a1 m a4 d ian3 rr sh iii5",
         "m a m a d ian rr sh iii"),
        ("vi", "ma má mà", "m aː m aː3 m aː2", "m aː m aː m aː"),
        ("yue", "試事", "s i3 s i6", "s i s i"),
    ],
)  # fmt: skip
def test_tone_is_part_of_the_vowel_or_final_or_dropped(language, words, kept, dropped):
    assert say(words, language) == f"sil {kept} sil"
    assert say(words, language, tone="drop") == f"sil {dropped} sil"


def test_pinyin_that_is_known_goes_before_what_the_text_would_be():
    table = pd.DataFrame(
        {"utterance": ["u"], "text": ["重庆一点儿"], "pinyin": ["chong2 qing4 yi4 dianr3"]}
    )
    said = text.pronounce(table, "cmn", PARAMS)["u"]
    assert said == ["sil", "ch", "ong2", "q", "ing4", "i4", "d", "ian3", "rr", "sil"]


def test_the_language_decides():
    assert say("chat", "fr-fr") == "sil ʃ a sil"


def test_punctuation_pauses():
    assert say("two, five — six") == "sil t uː sil f aɪ v sil s ɪ k s sil"
    assert say('("two!")') == say("two")
    assert say("two…five") == say("two, five")
    assert say("三。五", "cmn") == "sil s an1 sil u3 sil"


def test_numbers_and_abbreviations_are_read_out():
    assert say("1,000") == say("one thousand")
    assert say("$5") == say("five dollars")
    assert say("Dr. Who") == say("doctor who")
    assert say("3,5 %", "de") == say("drei komma fünf prozent", "de")
    assert say("30%", "cmn") == say("百分之三十", "cmn")


def test_each_utterance_gets_its_own_phones():
    texts = {"a": "two", "b": "one, two", "c": "three"}
    spoken = pronounce(texts, "en-us")
    assert {name: " ".join(phones) for name, phones in spoken.items()} == {
        name: say(words) for name, words in texts.items()
    }


def test_every_text_that_cannot_be_said_is_named():
    texts = {"a": "two <laugh>", "b": "two", "c": "\ue000 five", "d": "… !", "e": "新 year"}
    with pytest.raises(ValueError, match="^4 texts cannot be said; ") as error:
        pronounce(texts, "en-us")
    assert [line.strip() for line in str(error.value).splitlines()[1:]] == [
        "utterance a: espeak-ng has no sound for ['<', '>'] of 'two <laugh>' in en-us",
        "utterance c: espeak-ng has no sound for ['\\ue000'] of '\\ue000 five' in en-us",
        "utterance e: espeak-ng has no sound for ['新'] of '新 year' in en-us",
        "utterance d: espeak-ng says nothing to '… !' in en-us",
    ]


def test_an_unknown_language_is_refused():
    with pytest.raises(text.PronunciationError, match=r"language 'klingon' is none of .*en-us"):
        say("two", "klingon")


def test_exact_transcripts_keep_order():
    table = pd.DataFrame({"utterance": ["b", "b", "a"], "phone": ["sil", "x", "sil"]})
    assert text.exact_transcripts(table, PARAMS) == {"b": ["sil", "x"], "a": ["sil"]}


def test_exact_phones_have_no_stress_to_keep():
    table = pd.DataFrame({"utterance": ["a"], "phone": ["sil"]})
    with pytest.raises(text.PronunciationError, match="set features.stress: drop"):
        text.exact_transcripts(table, replace(PARAMS, stress="keep"))
