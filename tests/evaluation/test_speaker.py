import numpy as np
import pytest
import resemblyzer

from adaptts.evaluation.instruments import record
from adaptts.evaluation.speaker import SpeakerEncoder, mean_embedding, similarity

# Windows of several sounds go through the network at once: float32, in another order.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    return SpeakerEncoder()


@pytest.fixture(scope="module")
def said(corpus, store) -> dict[str, list[np.ndarray]]:
    return {
        str(speaker): [record(corpus, store, utterance) for utterance in rows.index]
        for speaker, rows in store.index.groupby("speaker")
    }


def test_embeddings_are_resemblyzers(encoder, said) -> None:
    waveforms = [waveforms[0] for waveforms in said.values()]
    network = resemblyzer.VoiceEncoder("cpu", verbose=False)
    theirs = [
        network.embed_utterance(resemblyzer.preprocess_wav(waveform.astype(np.float32)))
        for waveform in waveforms
    ]
    assert np.array(encoder.embed(waveforms, 16000)) == pytest.approx(
        np.array(theirs), abs=ROUNDING
    )


def test_same_sounds_give_same_bits(encoder, said) -> None:
    first, second = (np.array(encoder.embed(said["hugo"], 16000)) for _ in range(2))
    assert np.array_equal(first, second)


def test_speakers_are_told_apart(encoder, said) -> None:
    embeddings = {name: encoder.embed(waveforms, 16000) for name, waveforms in said.items()}
    enrolled = {name: mean_embedding(each[:4]) for name, each in embeddings.items()}
    for name, each in embeddings.items():
        for embedding in each[4:]:
            scores = {other: similarity(embedding, e) for other, e in enrolled.items()}
            assert max(scores, key=scores.__getitem__) == name


def test_short_words_are_told_apart(encoder, said) -> None:
    # 0.4 s each, as long as a spoken digit: a quarter of the encoder's window.
    words = {
        name: [waveform[3000 * start + 2000 :][:6400] for waveform in waveforms for start in (1, 3)]
        for name, waveforms in said.items()
    }
    embeddings = {name: encoder.embed(each, 16000) for name, each in words.items()}
    enrolled = {name: mean_embedding(each[:8]) for name, each in embeddings.items()}
    own = [similarity(e, enrolled[name]) for name in words for e in embeddings[name][8:]]
    other = [
        similarity(e, enrolled[another])
        for name in words
        for another in words
        if another != name
        for e in embeddings[name][8:]
    ]
    assert np.mean(own) > np.mean(other) + 0.05


def test_embeddings_have_length_one(encoder, said) -> None:
    for embedding in encoder.embed([*said["f3"], said["f3"][0][:100]], 16000):
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=ROUNDING)
    mean = mean_embedding(encoder.embed(said["f3"], 16000))
    assert similarity(mean, mean) == pytest.approx(1)


def test_what_cannot_be_heard_has_no_embedding(encoder, said) -> None:
    voice = said["f3"][0]
    embeddings = encoder.embed([np.zeros(16000), voice, np.array([np.nan]), np.empty(0)], 16000)
    assert [each is None for each in embeddings] == [True, False, True, True]
    assert embeddings[1] == pytest.approx(encoder.embed([voice], 16000)[0], abs=ROUNDING)
    assert encoder.embed([np.zeros(16000)], 16000) == [None]


def test_nothing_gives_nothing(encoder) -> None:
    assert encoder.embed([], 16000) == []


def test_no_utterance_enrols_nobody() -> None:
    with pytest.raises(ValueError, match="at least one audible utterance"):
        mean_embedding([])
