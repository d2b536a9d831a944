import math
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from test_strategies import SETTINGS, learn

from adaptts.adaptation import Spoken, Voices, VoiceWriter, adapt, moved_parameters, silence, speak
from adaptts.episodes.batch import Utterances
from adaptts.features.store import FeatureStore
from adaptts.inner_loop import Adam, DivergedError, GradientDescent
from adaptts.models.acoustic import SPEAKER, SUBSETS

STEPS = [0, 1, 3, 8]


@pytest.fixture
def arm(setting):
    return learn(setting, "pretrain_finetune")


def snapshots(setting, utterances, arm, names=("s6_2", "s6_3"), rule=None, subset="all"):
    strategy, learner = arm
    support = utterances.batch(list(names))
    start = strategy.voice(learner, support)
    rule = rule or Adam(0.01)
    return list(adapt(learner.acoustic, start, support, rule, subset, setting.loss, STEPS))


def test_the_support_loss_falls(setting, utterances, arm) -> None:
    taken = snapshots(setting, utterances, arm)
    assert [snapshot.steps for snapshot in taken] == STEPS
    assert math.isnan(taken[0].support_loss)
    assert taken[3].support_loss < taken[1].support_loss


def test_step_zero_is_the_voice_as_given(setting, utterances, arm) -> None:
    strategy, learner = arm
    voice = strategy.voice(learner, utterances.batch(["s6_2"]))
    first = snapshots(setting, utterances, arm)[0].voice
    for name, value in voice.items():
        torch.testing.assert_close(first[name], value.detach(), rtol=0, atol=0)


def test_adaptation_leaves_the_learner_as_it_was(setting, utterances, arm) -> None:
    _, learner = arm
    before = {n: v.clone() for n, v in learner.state_dict().items()}
    last = snapshots(setting, utterances, arm)[-1]
    speak(learner.acoustic, last.voice, utterances.batch(["s6_0"]), utterances)
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("subset", SUBSETS)
def test_only_the_subset_moves(setting, utterances, arm, subset) -> None:
    taken = snapshots(setting, utterances, arm, subset=subset)
    moved = {n for n, v in taken[-1].voice.items() if not torch.equal(v, taken[0].voice[n])}
    assert moved
    assert all(SUBSETS[subset](name) for name in moved)
    assert moved_parameters(taken[0].voice, "speaker") == {
        "adapted_parameters": setting.model.speaker_channels,
        "bytes_per_voice": 4 * setting.model.speaker_channels,
    }


def test_what_is_said_depends_on_the_text_alone(setting, utterances, arm) -> None:
    """Of the query, only the phones may matter: mel, durations and pitch are poisoned."""
    from dataclasses import replace

    _, learner = arm
    voice = snapshots(setting, utterances, arm)[-1].voice
    query = utterances.batch(["s6_0", "s6_1"])
    poisoned = replace(
        query,
        mel=query.mel * float("nan"),
        durations=query.durations + 50,
        pitch=query.pitch * float("nan"),
        voicing=1 - query.voicing,
    )
    plain = speak(learner.acoustic, voice, query, utterances)
    other = speak(learner.acoustic, voice, poisoned, utterances)
    for one, two in zip(plain, other, strict=True):
        for key, value in asdict(one).items():
            np.testing.assert_array_equal(value, asdict(two)[key])


@pytest.mark.parametrize("arm", SETTINGS)
def test_a_poisoned_query_set_changes_no_adapted_weight(
    setting, utterances, episodes, feature_folder, tmp_path, arm
) -> None:
    """Nor the choice of a start: all that is known of the queries is spoilt in the store."""
    of_speaker = episodes[(episodes["speaker"] == "s6") & (episodes["draw"].isin([0, -1]))]
    queries = of_speaker.loc[of_speaker["role"] == "query", "utterance"]
    support = of_speaker.loc[of_speaker["role"] == "support", "utterance"]
    folder = shutil.copytree(feature_folder, tmp_path / "features")
    for name in ("mel", "f0", "durations"):
        path = folder / f"{name}.npy"
        values = np.load(path)
        offset, length = ("phone", "phones") if name == "durations" else ("frame", "frames")
        for _, row in utterances.store.index.loc[queries].iterrows():
            start = row[f"{offset}_offset"]
            values[start : start + row[length]] = 1 if name == "durations" else np.nan
        np.save(path, values)
    poisoned = Utterances(FeatureStore.open(folder), utterances.normalisation, utterances.speakers)
    voices = []
    for source in (utterances, poisoned):
        strategy, learner = learn(setting, arm)
        batch = source.batch(list(support))
        learned = arm in ("meta_sgd", "maml_plus_plus")
        rule = strategy.rule(learner, "learned" if learned else "adam", 0.01)
        start = strategy.voice(learner, batch)
        walk = adapt(learner.acoustic, start, batch, rule, "all", setting.loss, STEPS)
        voices.append([snapshot.voice for snapshot in walk])
    assert all(np.isnan(poisoned.store.mel(query)).all() for query in queries)
    for one, other in zip(*voices, strict=True):
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=0, atol=0)


def test_an_utterance_alone_sounds_as_in_a_batch(setting, utterances, arm) -> None:
    _, learner = arm
    voice = snapshots(setting, utterances, arm)[-1].voice
    both = speak(learner.acoustic, voice, utterances.batch(["s6_0", "s6_1"]), utterances)
    alone = speak(learner.acoustic, voice, utterances.batch(["s6_0"]), utterances)[0]
    # Sums of another length round otherwise.
    np.testing.assert_allclose(both[0].mel, alone.mel, atol=1e-4)
    np.testing.assert_allclose(both[0].durations, alone.durations, atol=1e-4)


def test_divergence_is_told(setting, utterances, arm) -> None:
    with pytest.raises(DivergedError, match="smaller step size|not finite"):
        snapshots(setting, utterances, arm, rule=GradientDescent(1e20))


def test_predicted_lengths_are_bounded(setting, utterances, arm) -> None:
    strategy, learner = arm
    voice = strategy.voice(learner, utterances.batch(["s6_2"]))
    voice = {n: v.detach().clone() for n, v in voice.items()}
    voice["duration.output.bias"] += 1e6
    said = speak(learner.acoustic, voice, utterances.batch(["s6_0"]), utterances)[0]
    assert len(said.mel) <= 120 * len(said.durations)


def test_a_voice_that_diverged_is_silent_to_every_measure() -> None:
    nothing = silence(3)
    assert nothing.mel.shape == (1, 3)
    assert all(np.isnan(value).all() for value in asdict(nothing).values())


def test_voices_come_back_as_they_were_written(tmp_path) -> None:
    generator = np.random.default_rng(0)
    spoken = [
        Spoken(
            generator.normal(size=(frames, 3)).astype(np.float32),
            np.arange(phones, dtype=np.float32),
            np.full(phones, 100.0, np.float32),
        )
        for frames, phones in ((5, 2), (3, 4))
    ]
    writer = VoiceWriter()
    key = {"seed": 0, "draw": 0, "shots": 1, "steps": 0}
    writer.add(key, ["u1", "u2"], spoken)
    writer.save(tmp_path, [{**key, "step": 0, "support_loss": 1.0}], {"arm": "a"})
    voices = Voices.open(tmp_path)
    for (_, row), said in zip(voices.points.iterrows(), spoken, strict=True):
        # Kept in half precision.
        np.testing.assert_allclose(voices.mel(row), said.mel, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(voices.durations(row), said.durations)
        np.testing.assert_array_equal(voices.pitch(row), said.pitch_hz)
    np.save(tmp_path / "mel.npy", np.zeros((2, 3), np.float16))
    with pytest.raises(ValueError, match="delete it and run the adapt stage again"):
        Voices.open(tmp_path)


def test_a_missing_voice_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(ValueError, match="is not whole"):
        Voices.open(tmp_path / "nowhere")


def test_speaker_vector_is_part_of_a_voice(setting, utterances, arm) -> None:
    taken = snapshots(setting, utterances, arm, subset="speaker")
    assert not torch.equal(taken[0].voice[SPEAKER], taken[-1].voice[SPEAKER])
