"""Mel-cepstral distortion by several conventions on the same sounds, side by side."""

import pandas as pd

from adaptts.evaluation.conventions import CONVENTIONS, ours
from adaptts.reporting.metrics import BY_NAME
from adaptts.reporting.results import REFERENCES, RETAKE, Results
from adaptts.reporting.tables import DASH, Cell, Column, Grid, Group, Row

MCD = BY_NAME["mcd"]
COLUMNS = ["arm", "convention", "version", "mcd", "measured", "missing", "reason"]
SOUND = ["arm", "speaker", "seed", "draw", "utterance"]


def tabulate(results: Results) -> pd.DataFrame:
    """A row per reference or arm and convention, the default first: columns COLUMNS.

    All are means over the sounds at the headline that other conventions measured, or could not:
    means of each speaker's mean. `reason` is that of the first missing value.
    """
    default = ours(results.experiment.features)
    names = ["mcd", *[f"mcd_{name}" for name in results.experiment.evaluation.conventions]]
    versions = {"mcd": default.version}
    versions |= {each.metric: each.version for each in CONVENTIONS.values()}
    headline = results.experiment.evaluation.headline
    at_headline = results.at(headline.shots, headline.steps)
    table = pd.concat([results.references, at_headline])
    table = table[table["metric"].isin(names)]
    compared = table.loc[table["metric"] != "mcd", SOUND].drop_duplicates()
    table = table.merge(compared, on=SOUND)
    rows = []
    for arm in [*REFERENCES, *results.arms]:
        for name in names:
            own = table[(table["arm"] == arm) & (table["metric"] == name)]
            if own.empty:
                continue
            value = own.groupby("speaker")["value"].mean().mean()
            lost = own[own["value"].isna()]
            reason = str(lost["note"].iloc[0]) if len(lost) else ""
            convention = name.removeprefix("mcd_") if name != "mcd" else default.name
            rows.append((arm, convention, versions[name], value, len(own) - len(lost), len(lost),
                         reason))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def grid(results: Results, table: pd.DataFrame) -> Grid:
    """`table` with a column for each convention; references and arms in its rows."""
    found = {(row["arm"], row["convention"]): row for row in table.to_dict("records")}
    versions = dict(zip(table["convention"], table["version"], strict=True))

    def cell(arm: str, convention: str) -> Cell:
        if (arm, convention) not in found:
            return Cell(DASH)
        row = found[(arm, convention)]
        return Cell(MCD.text(row["mcd"]), warning=_lost(row["missing"], row["reason"]))

    groups = {
        "Ceiling and floor: recordings through the vocoder, and read again": REFERENCES,
        "Arms": results.arms,
    }
    there = set(table["arm"])
    return Grid(
        "MCD of the same sounds by the conventions of several toolkits (dB)",
        [Column("Arm"), *[Column(name, "dB", note) for name, note in versions.items()]],
        [
            Group(title, [Row(arm, [cell(arm, name) for name in versions])
                          for arm in arms if arm in there])
            for title, arms in groups.items()
            if there.intersection(arms)
        ],
    )  # fmt: skip


def caption(results: Results, table: pd.DataFrame) -> str:
    """What the columns are, and where to look the rest up."""
    if table.empty:
        return ""
    default = ours(results.experiment.features)
    versions = dict(zip(table["convention"], table["version"], strict=True))
    others = "; ".join(f"{name}: {version}" for name, version in versions.items()
                       if name != default.name)  # fmt: skip
    retake = f" There is no {RETAKE} row: {results.retake_note}." if results.retake_note else ""
    return (
        f"The sentences to hear, said with the first seed: their files lie in audio/, so that each "
        f"tool can be run on them. {default.name}, version {default.version}, is the MCD of this "
        f"report. The others include the level c0, and pair frames by FastDTW or one by one: "
        f"{others}. Compare a paper with the column of its tool alone, and there with the rows of "
        f"the recordings; docs/measures.md defines them all.{retake}"
    )


def _lost(missing: int, reason: str) -> str:
    return f"{missing} missing: {reason}" if missing else ""
