import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import CONVERTER_CLASSES

from adaptts.corpora.wording import spoken_words, written


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Mr. Brown’s dog — isn't it?", "en-us", "mister brown's dog isn't it"),
        ("well-known 'quotes'", "en", "well known quotes"),
        ("1,234 men, 3.5% of 20", "en-gb", "one thousand two hundred and thirty four men three "
         "point five percent of twenty"),
        ("the 2nd of 100 & 7", "en", "the second of one hundred and seven"),
        ("10:30", "en", "ten thirty"),
        ("Ｆｕｌｌ ｗｉｄｔｈ ﬁne", "en", "full width fine"),
        ("2nd, A4", "de", "2nd a4"),
        ("Ich habe 21 Äpfel", "de", "ich habe einundzwanzig äpfel"),
        ("3,5", "de", "drei komma fünf"),
        ("我有3本书。", "cmn", "我 有 三 本 书"),
        ("我有iPhone", "cmn", "我 有 iphone"),
        ("テレビ、です", "ja", "テ レ ビ で す"),
        ("5 apples", "no such language", "5 apples"),
        ("1234567890123 stars", "en", "1234567890123 stars"),
        ("0'0", "cmn", "零 零"),
        ("…", "en", ""),
        ("alan brought two cheap chairs", "en-us", "alan brought two cheap chairs"),
    ],
)  # fmt: skip
def test_texts_are_put_in_words(text: str, language: str, words: str) -> None:
    assert spoken_words(text, language) == words


# What numbers and units are written with.
WRITTEN = st.text("0123456789.,:;-–/%$€£¥°h kgmlMrDst.No#½²年月本个第'_", max_size=25)


@given(st.text(max_size=30) | WRITTEN, st.sampled_from(["en-us", "de", "fr-fr", "cmn", "ja"]))
def test_words_stay_as_they_are(text: str, language: str) -> None:
    words = spoken_words(text, language)
    assert spoken_words(words, language) == words
    assert words == " ".join(words.split())


@pytest.mark.parametrize("language", sorted(CONVERTER_CLASSES))
def test_every_language_of_numbers_can_say_some(language: str) -> None:
    for number in ("0", "7", "21", "1905", "99999"):
        said = spoken_words(number, language)
        assert said
        assert said != number or language == "am"


def test_spaces_are_written_between_words_of_letters_alone() -> None:
    assert written("我 有 3 本 书") == "我有3本书"
    assert written("two toys") == "two toys"
