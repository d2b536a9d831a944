"""Which speakers train, validate and test, and which of their utterances are used for what.

A speaker, here and in whatever follows, is what is adapted to: a value of the manifest's column
`split.unit`. That may be an accent or a language as well.
"""

import numpy as np
import pandas as pd

from adaptts.corpora.manifest import check_name, is_group, normalise_text
from adaptts.episodes import likeness
from adaptts.episodes.table import COLUMNS
from adaptts.params import EpisodeParams, SplitParams

NO_DRAW = -1


def split_speakers(index: pd.DataFrame, params: SplitParams) -> dict[str, str]:
    """Each speaker's side: train, validation or test.

    Raises ValueError if a held-out speaker does not exist or cannot name folders, none is left to
    train, or siblings stand on both sides.
    """
    columns = [str(name) for name in index.columns if name == "speaker" or is_group(str(name))]
    for key, column in (("unit", params.unit), ("keep_together", params.keep_together)):
        if column and column not in columns:
            raise ValueError(
                f"split.{key} names the column {column!r}, which the manifest lacks; "
                f"choose among {columns}"
            )
    speakers = sorted(index[params.unit].unique())
    for speaker in speakers:
        check_name(params.unit, speaker)
    sides = dict.fromkeys(speakers, "train")
    for side, names in (("test", params.test), ("validation", params.validation)):
        for name in names:
            if name not in sides:
                raise ValueError(
                    f"split.{side} names {name!r}, which is no {params.unit} of the corpus; "
                    f"choose among {speakers}"
                )
            sides[name] = side
    if "train" not in sides.values():
        raise ValueError(
            f"every {params.unit} is held out; leave some out of split.test and validation"
        )
    if params.keep_together:
        for value, rows in index.groupby(params.keep_together):
            touched = {sides[name]: name for name in sorted(rows[params.unit].unique())}
            if len(touched) > 1:
                placed = ", ".join(f"{name} in {side}" for side, name in touched.items())
                raise ValueError(
                    f"siblings of {params.keep_together} {value!r} stand on several sides: "
                    f"{placed}; put them on one side under split"
                )
    return sides


def draw_episodes(index: pd.DataFrame, split: SplitParams, params: EpisodeParams) -> pd.DataFrame:
    """One row per use of an utterance, with `COLUMNS`.

    Queries are drawn first, for every held-out speaker. With `text_disjoint`, whatever shares its
    normalised text with a query, or nearly does (`near_duplicates`), is then used for nothing
    else. A draw of a support set is an order of utterances: the K-shot set is its first K
    (`rank` < K), so the sets are nested.

    Raises ValueError if a speaker has too few utterances.
    """
    sides = split_speakers(index, split)
    table = pd.DataFrame(
        {
            "utterance": index["utterance"].to_numpy(),
            "speaker": index[split.unit].to_numpy(),
            "text": [normalise_text(text) for text in index["text"]],
        }
    )
    generator = np.random.default_rng(params.seed)
    held_out = {
        side: [u for u in sorted(sides) if sides[u] == side] for side in ("test", "validation")
    }
    queries = _draw_queries(table, held_out, params, generator)
    usable = ~table["utterance"].isin(queries["utterance"])
    if params.text_disjoint:
        usable &= ~table["text"].isin(_given_away(table["text"], set(queries["text"]), params))
    rest = table[usable]
    parts = [queries.drop(columns="text")]
    training = rest[rest["speaker"].map(sides) == "train"]
    if training.empty:
        raise ValueError(
            "no training utterance is left once texts of queries are excluded; "
            "lower episodes.queries, raise episodes.near_duplicates, or set "
            "episodes.text_disjoint: false"
        )
    parts.append(_rows(training, "train", "train"))
    for side, speakers in held_out.items():
        for speaker in speakers:
            pool = rest[rest["speaker"] == speaker]
            _need(len(pool), max(params.shots), speaker, "support utterances (episodes.shots)")
            for draw in range(params.draws):
                chosen = pool.iloc[_spread(pool["text"], max(params.shots), generator)]
                rows = _rows(chosen, side, "support")
                parts.append(rows.assign(draw=draw, rank=np.arange(len(rows))))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _draw_queries(
    table: pd.DataFrame,
    held_out: dict[str, list[str]],
    params: EpisodeParams,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The query utterances; those of validation share no text with those of test, if they must."""
    parts: list[pd.DataFrame] = []
    for side, speakers in held_out.items():
        drawn = {text for part in parts for text in part["text"]}
        taken = _given_away(table["text"], drawn, params)
        for speaker in speakers:
            pool = table[table["speaker"] == speaker]
            if params.text_disjoint:
                pool = pool[~pool["text"].isin(taken)]
            _need(len(pool), params.queries, speaker, "query utterances (episodes.queries)")
            chosen = pool.iloc[_spread(pool["text"], params.queries, generator)]
            parts.append(_rows(chosen, side, "query").assign(text=chosen["text"].to_numpy()))
    return pd.concat(parts, ignore_index=True)


def _given_away(texts: pd.Series, queries: set[str], params: EpisodeParams) -> set[str]:
    """The texts that no other role may read: those of the queries, and their near duplicates."""
    if params.near_duplicates is None:
        return queries
    return queries | likeness.near(texts, queries, params.near_duplicates)


def _spread(texts: pd.Series, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` positions in random order; none repeats a text before all texts have come."""
    order = generator.permutation(len(texts))
    turn = texts.iloc[order].groupby(texts.iloc[order]).cumcount().to_numpy()
    return order[np.argsort(turn, kind="stable")][:count]


def _rows(table: pd.DataFrame, side: str, role: str) -> pd.DataFrame:
    rows = table[["utterance", "speaker"]].reset_index(drop=True)
    return rows.assign(split=side, role=role, draw=NO_DRAW, rank=NO_DRAW)


def _need(have: int, need: int, speaker: str, what: str) -> None:
    if have < need:
        raise ValueError(
            f"{speaker} has {have} utterances that may be used for {need} {what}; "
            "lower that number, hold out another one, or add recordings"
        )
