"""Which units train, validate and test, and which of their utterances may be used for what.

A unit is a value of one column of the manifest: a speaker, unless `split.unit` says otherwise.
"""

import numpy as np
import pandas as pd

from adaptts.corpora.manifest import normalise_text
from adaptts.params import EpisodeParams, SplitParams

COLUMNS = ["utterance", "speaker", "split", "role", "draw", "rank"]
NO_DRAW = -1


def split_units(index: pd.DataFrame, params: SplitParams) -> dict[str, str]:
    """Each unit's side: train, validation or test.

    Raises ValueError if a held-out unit does not exist, none is left to train, or siblings stand
    on both sides.
    """
    for column in filter(None, (params.unit, params.keep_together)):
        if column not in index.columns:
            raise ValueError(
                f"split names the column {column!r}, which the manifest lacks; "
                f"it has {sorted(index.columns)}"
            )
    units = sorted(index[params.unit].unique())
    sides = dict.fromkeys(units, "train")
    for side, names in (("test", params.test), ("validation", params.validation)):
        for name in names:
            if name not in sides:
                raise ValueError(
                    f"split.{side} names {name!r}, which is no {params.unit} of the corpus; "
                    f"choose among {units}"
                )
            sides[name] = side
    if "train" not in sides.values():
        raise ValueError("every unit is held out; leave some out of split.test and validation")
    if params.keep_together:
        for value, rows in index.groupby(params.keep_together):
            touched = {sides[unit]: unit for unit in sorted(rows[params.unit].unique())}
            if len(touched) > 1:
                placed = ", ".join(f"{unit} in {side}" for side, unit in touched.items())
                raise ValueError(
                    f"siblings of {params.keep_together} {value!r} stand on several sides: "
                    f"{placed}; put them on one side under split"
                )
    return sides


def draw_episodes(index: pd.DataFrame, split: SplitParams, params: EpisodeParams) -> pd.DataFrame:
    """One row per use of an utterance, with `COLUMNS`.

    Queries are drawn first, for every held-out unit. With `text_disjoint`, whatever shares its
    normalised text with a query is then used for nothing else. A draw of a support set is an
    order of utterances: the K-shot set is its first K (`rank` < K), so the sets are nested.

    Raises ValueError if a unit has too few utterances.
    """
    sides = split_units(index, split)
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
    query_texts = set(queries["text"])
    usable = ~table["utterance"].isin(queries["utterance"])
    if params.text_disjoint:
        usable &= ~table["text"].isin(query_texts)
    rest = table[usable]
    parts = [queries.drop(columns="text")]
    training = rest[rest["speaker"].map(sides) == "train"]
    if training.empty:
        raise ValueError(
            "no training utterance is left once texts of queries are excluded; "
            "lower episodes.queries or set episodes.text_disjoint: false"
        )
    parts.append(_rows(training, "train", "train"))
    for side, units in held_out.items():
        for unit in units:
            pool = rest[rest["speaker"] == unit]
            _need(len(pool), max(params.shots), unit, "support utterances (episodes.shots)", params)
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
    for side, units in held_out.items():
        taken = {text for part in parts for text in part["text"] if part["split"].iloc[0] != side}
        for unit in units:
            pool = table[table["speaker"] == unit]
            if params.text_disjoint:
                pool = pool[~pool["text"].isin(taken)]
            _need(len(pool), params.queries, unit, "query utterances (episodes.queries)", params)
            chosen = pool.iloc[_spread(pool["text"], params.queries, generator)]
            parts.append(_rows(chosen, side, "query").assign(text=chosen["text"].to_numpy()))
    return pd.concat(parts, ignore_index=True)


def _spread(texts: pd.Series, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` positions in random order; none repeats a text before all texts have come."""
    order = generator.permutation(len(texts))
    turn = texts.iloc[order].groupby(texts.iloc[order]).cumcount().to_numpy()
    return order[np.argsort(turn, kind="stable")][:count]


def _rows(table: pd.DataFrame, side: str, role: str) -> pd.DataFrame:
    rows = table[["utterance", "speaker"]].reset_index(drop=True)
    return rows.assign(split=side, role=role, draw=NO_DRAW, rank=NO_DRAW)


def _need(have: int, need: int, unit: str, what: str, params: EpisodeParams) -> None:
    if have < need:
        cause = " whose text no query shares" if params.text_disjoint else ""
        raise ValueError(
            f"{unit} has {have} utterances{cause} for {need} {what}; "
            "lower that number, hold out another unit, or add recordings"
        )
