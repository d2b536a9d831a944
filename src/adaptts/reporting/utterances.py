"""What was measured on each utterance that a listener may hear, for the panel of a table's cell."""

from typing import Any

import pandas as pd

from adaptts.params import PointParams
from adaptts.reporting import listening
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.metrics import BY_NAME
from adaptts.reporting.results import REFERENCES, Results


def collect(results: Results, comparison: Comparison) -> dict[str, Any]:
    """The points where sound is made, the sentences, and for each arm and point what was found.

    All lists are over `sentences`. Of several seeds it is the first, which is the one to be heard.
    """
    both = pd.concat([results.measures, results.references])
    both = both[both["seed"].isin([-1, results.experiment.seeds[0]])]
    both = both[both["metric"].isin(BY_NAME)]
    order = {name: number for number, name in enumerate(results.test_speakers)}
    spoken = sorted(
        both[["speaker", "utterance"]].drop_duplicates().itertuples(index=False, name=None),
        key=lambda key: (order.get(key[0], len(order)), key),
    )
    measured = dict(iter(both.groupby(["arm", "shots", "steps"], sort=False)))
    points = listening.points(results)
    arms = [*REFERENCES, *comparison.arms]
    addresses = listening.addresses(results)
    return {
        "points": [{"shots": p.shots, "steps": p.steps} for p in points],
        "sentences": [
            {"speaker": speaker, "utterance": utterance,
             "text": results.texts.get(utterance, utterance)}
            for speaker, utterance in spoken
        ],
        "found": {
            arm: [_found(results, arm, point, measured, spoken, addresses) for point in points]
            for arm in arms
        },
    }  # fmt: skip


def _found(
    results: Results,
    arm: str,
    point: PointParams,
    measured: dict[Any, pd.DataFrame],
    spoken: list[tuple[str, str]],
    addresses: dict[tuple[Any, ...], str],
) -> dict[str, Any]:
    """at: the point in words; values: metric → texts; notes: metric → place → text; clips:
    addresses or None.
    """
    place = listening.place(results, arm, (point.shots, point.steps))
    at = "" if arm in REFERENCES else listening.named(PointParams(*place))
    values, notes = {}, {}
    rows = measured.get((arm, *place))
    for name, own in [] if rows is None else rows.groupby("metric", sort=False):
        said = own.set_index(["speaker", "utterance"])
        said = said[~said.index.duplicated()].reindex(spoken)
        values[name] = [BY_NAME[name].text(value) for value in said["value"]]
        notes[name] = {
            number: note
            for number, note in enumerate(said["note"])
            if isinstance(note, str) and note
        }
    clips = [addresses.get((arm, *sentence, *place)) for sentence in spoken]
    return {"at": at, "values": values, "notes": {name: own for name, own in notes.items() if own},
            "clips": clips if any(clips) else []}  # fmt: skip
