import ast
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from adaptts.corpora import audio, espeak, manifest, synthetic
from adaptts.corpora.manifest import ManifestError
from adaptts.params import CorpusParams

RATE = 16000


def prepare(folder: Path, **changes) -> manifest.Manifest:
    values = {"reader": "synthetic", "sampling_rate": RATE, "seed": 1, "utterances_per_speaker": 3}
    folder.mkdir()
    synthetic.prepare(CorpusParams(**{**values, **changes}), folder, folder)
    return manifest.read(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "corpus"
    return prepare(folder, speakers=["m8", "m1b", "f5b", "klatt4"], utterances_per_speaker=5)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_two_runs_are_bit_identical(corpus, tmp_path):
    again = prepare(
        tmp_path / "again", speakers=["m8", "m1b", "f5b", "klatt4"], utterances_per_speaker=5
    )
    assert contents(again.folder) == contents(corpus.folder)


def test_an_utterance_does_not_depend_on_who_else_speaks_or_how_much(corpus, tmp_path):
    fewer = prepare(tmp_path / "fewer", speakers=["f5b"], utterances_per_speaker=2)
    both = contents(corpus.folder)
    recordings = {name: data for name, data in contents(fewer.folder).items() if "audio/" in name}
    assert len(recordings) == 2
    assert recordings == {name: both[name] for name in recordings}


def test_an_accent_is_read_as_in_a_corpus_of_its_own_and_beside_others(corpus, tmp_path):
    several = prepare(
        tmp_path / "several",
        speakers=["f5b"],
        accents=["en_029", "en_us"],
        utterances_per_speaker=2,
    )
    alone = prepare(tmp_path / "alone", speakers=["f5b"], accents=["en_029"])
    known = contents(corpus.folder) | contents(alone.folder)
    recordings = {name: data for name, data in contents(several.folder).items() if "audio/" in name}
    assert len(recordings) == 4
    assert recordings == {name: known[name] for name in recordings}
    assert several.table["accent"].tolist() == ["en_us", "en_us", "en_029", "en_029"]
    assert several.table["text"].is_unique


def test_every_accent_can_name_folders_and_sounds_like_no_other():
    voice, text = synthetic.voices()[0], "thomas brought three old chairs"
    with espeak.Synthesiser() as synthesiser:
        said = {synthesiser.say(voice.prompt(text, accent)).pcm for accent in synthetic.ACCENTS}
    assert len(said) == len(synthetic.ACCENTS) == 8
    for accent in synthetic.ACCENTS:
        manifest.check_name("accent", accent)


def test_an_unknown_accent_is_refused_with_the_known_names(tmp_path):
    with pytest.raises(
        ManifestError, match=r"corpus\.accents names \['en-gb'\].*en_us.*en_gb_scotl"
    ):
        prepare(tmp_path / "corpus", accents=["en_us", "en-gb"])


def test_another_seed_draws_other_sentences(corpus, tmp_path):
    other = prepare(tmp_path / "other", speakers=["m8"], seed=2)
    texts = set(corpus.table["text"])
    assert texts.isdisjoint(other.table["text"])


def test_the_voices_are_24_with_safe_names_and_siblings_share_a_variant(corpus):
    voices = synthetic.voices()
    assert len({voice.speaker for voice in voices}) == 24
    for voice in voices:
        manifest.check_name("speaker", voice.speaker)
    siblings = {voice.speaker: voice.variant for voice in voices}
    assert siblings["m1"] == siblings["m1b"]
    variants = corpus.table.set_index("speaker")["variant"]
    assert variants["f5b"].iloc[0] == "f5"


def test_phones_fill_each_utterance_and_begin_and_end_with_silence(corpus):
    seconds = corpus.table.set_index("utterance")["seconds"]
    for utterance, phones in corpus.phones.groupby("utterance"):
        starts, ends = phones["start_seconds"].to_numpy(), phones["end_seconds"].to_numpy()
        assert starts[0] == 0
        np.testing.assert_array_equal(starts[1:], ends[:-1])
        assert (ends > starts).all()
        waveform = audio.read_mono(corpus.folder / "audio" / f"{phones_path(utterance)}", RATE)
        assert ends[-1] == seconds[utterance] == len(waveform) / RATE
        assert phones["phone"].iloc[0] == phones["phone"].iloc[-1] == manifest.SILENCE


def phones_path(utterance: str) -> str:
    return f"{utterance.partition('-')[0]}/{utterance}.wav"


def test_phone_times_point_at_their_sounds_whatever_the_tract(corpus):
    # Hissing crosses zero often, vowels seldom; klatt4, m8 and m1b have tracts 1, .92 and 1.14.
    crossings = {"s": [], "'i:": []}
    for row in corpus.table.to_dict("records"):
        waveform = audio.read_mono(corpus.folder / row["path"], RATE)
        phones = corpus.phones[corpus.phones["utterance"] == row["utterance"]]
        for phone in phones[phones["phone"].isin(list(crossings))].to_dict("records"):
            start, end = (round(phone[key] * RATE) for key in ("start_seconds", "end_seconds"))
            third = (end - start) // 3
            signs = np.sign(waveform[start + third : end - third])
            crossings[phone["phone"]].append(np.mean(signs[1:] != signs[:-1]))
    assert len(crossings["s"]) > 10
    assert len(crossings["'i:"]) > 5
    assert min(crossings["s"]) > 2 * max(crossings["'i:"])


def test_phones_are_located_after_resampling_and_padding():
    # Half the rate, and 800 samples of edge at 16 kHz.
    events = [("t", 400), ("w", 1000), ("'E", 2000), ("l", 3000), ("v", 3000), ("_:", 4000)]
    events.append(("_", 4100))
    phones = synthetic.locate_phones(events, 800 + 2100 + 800, Fraction(1, 2), RATE)
    assert phones["phone"].tolist() == ["sil", "t", "w", "'El", "v", "sil"]
    starts = [0, 1000, 1300, 1800, 2300, 2800]
    np.testing.assert_array_equal(phones["start_seconds"] * RATE, starts)
    np.testing.assert_array_equal(phones["end_seconds"] * RATE, [*starts[1:], 3700])


def test_a_list_of_ten_sentences_holds_each_word_once():
    sentences = synthetic.draw_sentences(20, np.random.default_rng(0))
    for block in (sentences[:10], sentences[10:]):
        columns = zip(*(sentence.split() for sentence in block), strict=True)
        for words, column in zip(synthetic.SLOTS, columns, strict=True):
            assert sorted(column) == sorted(words)


def test_sentences_of_a_speaker_differ():
    sentences = synthetic.draw_sentences(2000, np.random.default_rng(0))
    assert len(set(sentences)) == 2000


def test_grammar_accepts_every_sentence_and_nothing_else(corpus):
    from pocketsphinx import Decoder

    grammar = (corpus.folder / "grammar.jsgf").read_text(encoding="utf-8")
    decoder = Decoder(samprate=RATE, lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("matrix", grammar)
    for slot in synthetic.SLOTS:
        for word in slot:
            assert decoder.lookup_word(word), f"{word} is not in the recogniser's dictionary"
    rule = grammar.splitlines()[2].removeprefix("public <utterance> = ").rstrip(";")
    slots = [set(part.strip(" (").split(" | ")) for part in rule.split(")") if part.strip()]
    assert slots == [set(words) for words in synthetic.SLOTS]


def test_unknown_speaker_is_refused_with_the_known_names(tmp_path):
    with pytest.raises(ManifestError, match=r"\['nobody'\].*m8, paul.*belinda"):
        prepare(tmp_path / "corpus", speakers=["m8", "nobody"])


def test_too_many_sentences_are_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"at most 10000.*10001"):
        prepare(tmp_path / "corpus", utterances_per_speaker=10_001)


def test_a_variant_that_espeak_lacks_is_refused():
    prompt = espeak.Prompt("peter got two old shoes", "en-us+nobody", 150, 50, 50)
    with (
        espeak.Synthesiser() as synthesiser,
        pytest.raises(espeak.SynthesisError, match=r"no variant.*en-us\+nobody"),
    ):
        synthesiser.say(prompt)


def test_a_synthesiser_answers_alike_whatever_it_said_before():
    prompt = espeak.Prompt("peter got two old shoes", "en-us+m5", 150, 50, 50)
    other = espeak.Prompt("doris wants nine red rings", "en-us+f4", 150, 50, 50)
    with espeak.Synthesiser() as fresh:
        expected = fresh.say(prompt)
    with espeak.Synthesiser() as used:
        used.say(other)
        assert used.say(prompt) == expected


def test_the_server_imports_nothing_large():
    tree = ast.parse(Path(espeak.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in imports
    }
    assert names - sys.stdlib_module_names == {"espeakng_loader"}
