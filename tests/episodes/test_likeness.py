import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptts.corpora import synthetic
from adaptts.episodes import likeness
from adaptts.episodes.likeness import near, nearest

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join), max_size=8)


def by_hand(first: str, second: str) -> float:
    """2·LCS / (n + m), by trying every subsequence."""
    one, two = first.split(), second.split()
    if not one and not two:
        return 1.0

    def holds(text: list[str], part: tuple[str, ...]) -> bool:
        left = iter(text)
        return all(word in left for word in part)

    lengths = (n for n in range(len(one), -1, -1))
    longest = next(
        n for n in lengths if any(holds(two, part) for part in itertools.combinations(one, n))
    )
    return 2 * longest / (len(one) + len(two))


@given(texts=TEXTS, others=TEXTS.filter(bool))
def test_the_nearest_is_the_one_of_the_longest_common_subsequence(texts, others):
    found = nearest(texts, others)
    assert len(found) == len(texts)
    for text, neighbour in zip(texts, found, strict=True):
        assert neighbour.likeness == pytest.approx(max(by_hand(text, each) for each in others))
        assert neighbour.likeness == pytest.approx(by_hand(text, neighbour.text))


@given(texts=TEXTS, queries=TEXTS, threshold=st.sampled_from([0.5, 0.8, 1.0]))
def test_near_are_those_that_are_alike_enough(texts, queries, threshold):
    expected = {t for t in texts if any(by_hand(t, q) >= threshold - 1e-12 for q in queries)}
    assert near(texts, queries, threshold) == expected


def test_many_texts_are_compared_piece_by_piece(monkeypatch):
    texts = [f"{number} and {number % 7} more" for number in range(50)]
    whole = nearest(texts, texts[10:40])
    monkeypatch.setattr(likeness, "_PAIRS", 100)
    assert nearest(texts, texts[10:40]) == whole


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("Please call Stella.", "please, call STELLA", 1.0),
        ("many colors in the rainbow's arch", "Many colours in the rainbow’s arch", 10 / 12),
        ("thank you very much", "thank you very very much", 8 / 9),
        ("alan got two red chairs", "alan got two old chairs", 0.8),
        ("今天天气很好啊", "今天天气很好吗", 12 / 14),
        ("dog bites man", "man bites dog", 2 / 6),
    ],
)  # fmt: skip
def test_words_are_compared_and_not_their_spelling(one, two, expected):
    (neighbour,) = nearest([one], [two])
    assert neighbour.likeness == pytest.approx(expected)


def test_exact_shares_reach_their_threshold():
    one = " ".join("abcdefghij")
    (neighbour,) = nearest([one], [one.replace("j", "x")])
    assert neighbour.is_near(0.9)
    assert not neighbour.is_near(0.91)


def test_matrix_sentences_are_never_near():
    slots = synthetic.SLOTS
    one = [words[0] for words in slots]
    others = [[*one[:place], slots[place][1], *one[place + 1 :]] for place in range(len(slots))]
    assert near([" ".join(one)], {" ".join(each) for each in others}, likeness.NEAR) == set()
