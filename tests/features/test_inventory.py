from collections import Counter

from adaptts.features import inventory

TRANSCRIPTS = {
    **{f"u{number}": ["sil", "a", "b", "sil"] for number in range(12)},
    "last": ["sil", "a", "a", "nan", "sil"],
}
SPEAKERS = {name: "anna" if name != "u0" else "bert" for name in TRANSCRIPTS}


def test_the_inventory_begins_with_padding_and_silence():
    names = inventory.inventory_of([["sil", "z", "a"], ["b", "sil"]])
    assert names == ["<pad>", "sil", "a", "b", "z"]


def test_phones_are_counted_and_read_back(tmp_path):
    names = inventory.inventory_of(TRANSCRIPTS.values())
    inventory.write(inventory.count(names, TRANSCRIPTS, SPEAKERS), tmp_path)
    counts = inventory.read(tmp_path)
    tokens = Counter(phone for phones in TRANSCRIPTS.values() for phone in phones)
    assert dict(zip(counts["phone"], counts["tokens"], strict=True)) == tokens
    assert counts["phone"].tolist() == ["sil", "a", "b", "nan"]
    assert counts["utterances"].tolist() == [13, 13, 12, 1]
    assert counts["speakers"].tolist() == [2, 2, 2, 1]


def test_seldom_phones_are_named():
    names = inventory.inventory_of(TRANSCRIPTS.values())
    one_voice = dict.fromkeys(TRANSCRIPTS, "anna")
    assert inventory.summarise(inventory.count(names, TRANSCRIPTS, SPEAKERS)) == (
        "3 phones in 27 tokens; counts: inventory.csv\nin fewer than 10 utterances: nan 1"
    )
    assert "said by one speaker alone: a, b" in inventory.summarise(
        inventory.count(names, TRANSCRIPTS, one_voice)
    )
