import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptts.corpora.reading import read_out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mr. Brown’s dog — isn't it?", "Mister Brown's dog — isn't it?"),
        ("Dr. Who of St. Paul's", "Doctor Who of Saint Paul's"),
        ("on the dr. we met", "on the dr. we met"),
        ("cats, e.g. mine, etc.", "cats, for example mine, et cetera"),
        ("1,234 men, 3.50% of 20", "one thousand two hundred and thirty-four men, "
         "three point five zero percent of twenty"),
        ("the 2nd of 100 & 7", "the second of one hundred and seven"),
        ("at 10:30, 10:00 and 14:05", "at ten thirty, ten o'clock and fourteen oh five"),
        ("In 1984, of 1500 men", "In nineteen eighty-four, of one thousand five hundred men"),
        ("1914–1918, the 1990s and 80s",
         "nineteen fourteen to nineteen eighteen, the nineteen nineties and eighties"),
        ("$5, $1, £3.50 and €2 million", "five dollars, one dollar, three pounds and fifty and "
         "two million euros"),
        ("May 5, 1984 and the 3rd of June", "May fifth nineteen eighty-four and the third of June"),
        ("60 km/h, 1 kg, -5°C, 12 m²", "sixty kilometers per hour, one kilogram, "
         "minus five degrees Celsius, twelve square meters"),
        ("3½ miles, pages 5-10", "three and a half miles, pages five to ten"),
        ("Wait... what…", "Wait, what,"),
        ("and/or No. 5", "and or number five"),
        ("1234567890123 stars, A4", "1234567890123 stars, A4"),
        ("Ｆｕｌｌ ｗｉｄｔｈ ﬁne", "Full width fine"),
    ],
)  # fmt: skip
def test_english_is_read_out(text: str, words: str) -> None:
    assert read_out(text, "en-us") == words
    assert read_out(text, "en-gb") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Am 3. Mai 1984 kam der 2. Brief", "Am dritten Mai neunzehnhundertvierundachtzig "
         "kam der zweite Brief"),
        ("im 19. Jahrhundert, in der 3. Klasse", "im neunzehnten Jahrhundert, "
         "in der dritten Klasse"),
        ("z. B. 3,5 % von 1.234", "zum Beispiel drei Komma fünf Prozent von "
         "eintausendzweihundertvierunddreißig"),
        ("14:30 Uhr, 1 € und 3,50 €", "vierzehn Uhr dreißig, ein Euro und drei Euro fünfzig"),
        ("3 Mio. €, 1 kg", "drei Millionen Euro, ein Kilogramm"),
        ("Das war am 5.", "Das war am fünf."),
    ],
)  # fmt: skip
def test_german_is_read_out(text: str, words: str) -> None:
    assert read_out(text, "de") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("M. Dupont arrive à 14h30 le 1er mai 1984", "Monsieur Dupont arrive à quatorze heures "
         "trente le premier mai mille neuf cent quatre-vingt-quatre"),
        ("3,5 % de 1 234, 3 millions €", "trois virgule cinq pour cent de mille deux cent "
         "trente-quatre, trois millions d'euros"),
        ("le 2e jour, n° 5, 1 €, 21 €, 1 £, 1,5 km", "le deuxième jour, numéro cinq, un euro, "
         "vingt et un euros, une livre, un virgule cinq kilomètre"),
        ("« Mme Curie »", '" Madame Curie "'),
    ],
)  # fmt: skip
def test_french_is_read_out(text: str, words: str) -> None:
    assert read_out(text, "fr-fr") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我有3本书，2本新。", "我有三本书, 两本新."),
        ("1984年5月6日", "一九八四年五月六日"),
        ("涨了30％，¥5，$10", "涨了百分之三十, 五元, 十美元"),
        ("12:30到14:05", "十二点三十分到十四点零五分"),
        ("5-10个，-5℃，第2章", "五到十个, 负五摄氏度, 第二章"),
        ("电话13800138000，3.50", "电话一三八零零一三八零零零, 三点五零"),
        ("“你好”（世界）……", '"你好" (世界) ,'),
    ],
)  # fmt: skip
def test_mandarin_is_read_out(text: str, words: str) -> None:
    assert read_out(text, "cmn") == words


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("tengo 21 años", "es", "tengo veintiuno años"),
        ("3本、です。", "ja", "三本, です."),
        ("nina 5", "sw", "nina 5"),
    ],
)
def test_other_languages_have_whole_numbers_or_none(text, language, words) -> None:
    assert read_out(text, language) == words


@given(st.text("abcxyzäéñ' ", max_size=30), st.sampled_from(["en-us", "de", "fr-fr", "es", "sw"]))
def test_lower_case_words_stay_as_they_are(text: str, language: str) -> None:
    assert read_out(text, language) == " ".join(text.split())
