import pytest

from adaptts.corpora import mandarin
from adaptts.corpora.pronunciation import guesses, transcribe


def test_words_that_are_spelt_or_borrowed_are_listed_with_their_utterances():
    found = {guess.word: guess for guess in guesses(
        {"a": "The BBC said so.", "b": "BBC news, 5 xqz", "c": "The news"}, "en-us"
    )}  # fmt: skip
    assert found.keys() == {"BBC", "xqz"}
    assert found["BBC"].how == "letter by letter"
    assert found["BBC"].phones == "b ˌiː b ˌiː s ˈiː"
    assert found["BBC"].utterances == ("a", "b")
    (borrowed,) = guesses({"a": "j'aime le football"}, "fr-fr")
    assert (borrowed.word, borrowed.how) == ("football", "as en")
    (strange,) = guesses({"a": "der снег fällt"}, "de")
    assert (strange.word, strange.how) == ("снег", "letter by letter")


def test_letters_that_are_only_named_are_not_said():
    assert transcribe({"a": "新"}, "fr-fr").problems.keys() == {"a"}
    assert transcribe({"a": "テレビ"}, "en-us").problems.keys() == {"a"}
    assert transcribe({"a": "テレビ"}, "ja").problems == {}
    assert transcribe({"a": "新"}, "yue").problems == {}


@pytest.mark.parametrize(
    ("syllable", "phones"),
    [
        ("xue2", "x ve2"),
        ("you3", "iou3"),
        ("nv3", "n v3"),
        ("lve4", "l ve4"),
        ("lue4", "l ve4"),
        ("zi5", "z ii5"),
        ("ji1", "j i1"),
        ("shi4", "sh iii4"),
        ("gui4", "g uei4"),
        ("er2", "er2"),
        ("zher4", "zh e4 rr"),
        ("de0", "d e5"),
    ],
)
def test_syllables_part_into_initial_and_final(syllable, phones):
    assert mandarin.phones_of(syllable) == phones.split()


@pytest.mark.parametrize("syllable", ["iphone5", "xyz1", "hao", "T", "ni6", ""])
def test_other_letters_are_no_syllables(syllable):
    assert mandarin.phones_of(syllable) is None


def test_nearly_every_reading_of_every_character_has_phones():
    from pypinyin import Style, pinyin
    from pypinyin.pinyin_dict import pinyin_dict

    characters = "".join(map(chr, pinyin_dict))
    readings = pinyin(
        list(characters), style=Style.TONE3, heteronym=True, neutral_tone_with_five=True
    )
    syllables = {each for found in readings for each in found}
    assert len(syllables) > 1500
    # A hum that has no vowel.
    without = {each for each in syllables if mandarin.phones_of(each) is None}
    assert {each[:-1] for each in without} <= {"m", "hm"}
