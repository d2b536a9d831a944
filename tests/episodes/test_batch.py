import numpy as np
import torch

from adaptts.episodes.batch import cut, join, place_frames, stretch, take
from adaptts.episodes.sampler import Sampler


def test_frames_follow_the_durations() -> None:
    durations = torch.tensor([[2.0, 1.0, 3.0], [1.0, 1.0, 0.0]])
    frames = place_frames(durations)
    assert frames.phone[0].tolist() == [0, 0, 1, 2, 2, 2]
    assert frames.phone[1, :2].tolist() == [0, 1]
    assert frames.mask.tolist() == [[True] * 6, [True, True] + [False] * 4]
    torch.testing.assert_close(frames.place[0, :3, 0], torch.tensor([-0.5, 0.5, 0.0]))


def test_a_batch_is_the_store_normalised_and_padded(store, utterances) -> None:
    names = ["s0_0", "s1_3"]
    batch = utterances.batch(names)
    normal = utterances.normalisation
    for row, name in enumerate(names):
        frames, phones = len(store.mel(name)), len(store.phones(name))
        assert batch.phone_mask[row].sum() == phones
        assert batch.frames.mask[row].sum() == frames == batch.durations[row].sum()
        restored = batch.mel[row, :frames].numpy() * normal.mel_scale + normal.mel_mean
        np.testing.assert_allclose(restored, store.mel(name), atol=1e-4)
        voiced = store.phones(name) != 1
        np.testing.assert_array_equal(batch.voicing[row, :phones].numpy(), voiced)
    assert batch.speaker.tolist() == [0, 1]
    assert utterances.batch(["s7_0"]).speaker.tolist() == [-1]


def test_training_draws_come_from_training_rows_alone(utterances, episodes) -> None:
    allowed = set(episodes.loc[episodes["role"] == "train", "utterance"])
    sampler = Sampler(utterances, episodes, 0)
    for step in range(20):
        for task in sampler.episode(step, 3, 2, 2):
            names = task.support + task.query
            assert set(names) <= allowed
            assert len(set(names)) == 4
            assert len({name.split("_")[0] for name in names}) == 1


def test_draws_are_a_function_of_seed_and_step(utterances, episodes) -> None:
    one, same = (Sampler(utterances, episodes, 3) for _ in range(2))
    other = Sampler(utterances, episodes, 4)
    assert one.episode(5, 2, 2, 1) == same.episode(5, 2, 2, 1)
    assert one.episode(5, 2, 2, 1) != one.episode(6, 2, 2, 1)
    assert one.episode(5, 2, 2, 1) != other.episode(5, 2, 2, 1)
    torch.testing.assert_close(one.batch(2, 3).mel, same.batch(2, 3).mel, rtol=0, atol=0)


def test_joined_utterances_follow_each_other_after_a_gap(utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0", "s2_0"])
    row = join(batch, 2)
    assert len(row) == 1
    phones, frames = batch.phone_mask.sum(1).tolist(), batch.frames.mask.sum(1).tolist()
    assert row.phones.shape[1] == sum(phones) + 3 * 2
    assert row.mel.shape[1] == sum(frames) + 3 * 2
    phone = frame = 0
    for one in range(3):
        there = slice(phone, phone + phones[one])
        for name in ("phones", "durations", "pitch", "voicing"):
            part = getattr(batch, name)[one, : phones[one]]
            torch.testing.assert_close(getattr(row, name)[0, there], part, rtol=0, atol=0)
        spoken = slice(frame, frame + frames[one])
        mel = batch.mel[one, : frames[one]]
        torch.testing.assert_close(row.mel[0, spoken], mel, rtol=0, atol=0)
        place = batch.frames.place[one, : frames[one]]
        torch.testing.assert_close(row.frames.place[0, spoken], place, rtol=0, atol=0)
        of = row.frames.phone[0, spoken] - phone
        torch.testing.assert_close(of, batch.frames.phone[one, : frames[one]], rtol=0, atol=0)
        phone, frame = there.stop + 2, spoken.stop + 2
        assert row.phone_mask[0, there].all()
        assert not row.phone_mask[0, phone - 2 : phone].any()
        assert row.frames.mask[0, spoken].all()
        assert not row.frames.mask[0, frame - 2 : frame].any()


def test_a_batch_is_cut_between_utterances(utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0", "s2_0", "s3_0", "s0_1"])
    frames = int(batch.frames.mask.sum())
    assert [len(piece) for piece in cut(batch, frames)] == [5]
    longest = int(batch.frames.mask.sum(1).max())
    pieces = cut(batch, 2 * longest)
    assert 1 < len(pieces) < 5
    assert all(int(piece.frames.mask.sum()) <= 2 * longest for piece in pieces)
    assert len(cut(batch, frames - 1)) == 2
    torch.testing.assert_close(torch.cat([p.mel for p in pieces]), batch.mel, rtol=0, atol=0)
    assert [len(piece) for piece in cut(batch, 1)] == [1] * 5


def test_some_utterances_of_a_batch(utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0", "s2_0"])
    some = take(batch, slice(1, None))
    assert len(some) == 2
    torch.testing.assert_close(some.mel, batch.mel[1:], rtol=0, atol=0)
    torch.testing.assert_close(some.frames.phone, batch.frames.phone[1:], rtol=0, atol=0)


def test_the_same_tempo_is_the_same_batch(utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0"])
    same = stretch(batch, torch.ones(2))
    torch.testing.assert_close(same.durations, batch.durations, rtol=0, atol=0)
    # Places in time are sums and differences, which round.
    torch.testing.assert_close(same.mel, batch.mel, atol=1e-4, rtol=0)


def test_half_the_tempo_is_twice_as_long_and_says_the_same(utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0"])
    slow = stretch(batch, torch.full((2,), 2.0))
    torch.testing.assert_close(slow.durations, 2 * batch.durations)
    torch.testing.assert_close(slow.frames.mask.sum(1), 2 * batch.frames.mask.sum(1))
    # Frames 2i and 2i + 1 lie a quarter of a frame before and after frame i: their mean is near it.
    count = int(batch.frames.mask.sum(1).min())
    pairs = slow.mel[:, : 2 * count].unflatten(1, (count, 2)).mean(2)
    inner = slice(1, count - 1)
    expected = (batch.mel[:, : count - 2] + 6 * batch.mel[:, inner] + batch.mel[:, 2:count]) / 8
    torch.testing.assert_close(pairs[:, inner], expected, atol=1e-4, rtol=0)


def test_each_utterance_has_its_own_tempo(utterances) -> None:
    batch = utterances.batch(["s0_0", "s0_0"])
    lengths = stretch(batch, torch.tensor([0.5, 1.5])).frames.mask.sum(1)
    assert lengths[0] < batch.frames.mask.sum(1)[0] < lengths[1]
