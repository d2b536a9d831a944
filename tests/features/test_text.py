import pandas as pd
import pytest

from adaptts.features import text


def say(words: str, language: str = "en-us") -> str:
    return " ".join(text.pronounce({"u": words}, language)["u"])


def test_texts_become_ipa_between_silences():
    assert say("Peter got three large desks.") == (
        "sil p iː ɾ ɚ ɡ ɑː t θ ɹ iː l ɑːɹ dʒ d ɛ s k s sil"
    )


def test_the_language_decides():
    assert say("chat", "fr-fr") == "sil ʃ a sil"


def test_punctuation_pauses():
    assert say("two, five — six") == "sil t uː sil f aɪ v sil s ɪ k s sil"
    assert say('("two!")') == say("two")


def test_numbers_and_abbreviations_are_read_out():
    assert say("1,000") == say("one thousand")
    assert say("$5") == say("dollar five")
    assert say("Dr.") == say("doctor")


def test_each_utterance_gets_its_own_phones():
    texts = {"a": "two", "b": "one, two", "c": "three"}
    spoken = text.pronounce(texts, "en-us")
    assert {name: " ".join(phones) for name, phones in spoken.items()} == {
        name: say(words) for name, words in texts.items()
    }


@pytest.mark.parametrize(
    ("words", "named"), [("two <laugh>", r"\['<', '>'\]"), ("\ue000 five", r"\['\\ue000'\]")]
)
def test_characters_without_a_sound_are_refused(words, named):
    with pytest.raises(text.PronunciationError, match=rf"utterance u: .* no sound for {named}"):
        say(words)


def test_a_text_without_a_sound_is_refused():
    with pytest.raises(text.PronunciationError, match=r"utterance u: espeak-ng says nothing"):
        say("… !")


def test_an_unknown_language_is_refused():
    with pytest.raises(text.PronunciationError, match=r"language 'klingon' is none of .*en-us"):
        say("two", "klingon")


def test_exact_transcripts_keep_order():
    table = pd.DataFrame({"utterance": ["b", "b", "a"], "phone": ["sil", "x", "sil"]})
    assert text.exact_transcripts(table) == {"b": ["sil", "x"], "a": ["sil"]}


def test_the_inventory_begins_with_padding_and_silence():
    assert text.inventory_of([["sil", "z", "a"], ["b", "sil"]]) == ["<pad>", "sil", "a", "b", "z"]
