"""Who is held out, every support and query set, the trials of verification, all of it audited.

The training's normalisation is measured here too. `python -m pipeline.episodes --export FILE`
writes the episodes into a file that another run can take in place of a draw: see docs/corpora.md.
"""

import sys
from dataclasses import replace
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.episodes import published, table
from adaptts.episodes.audit import audit_episodes, audit_trials
from adaptts.episodes.split import draw_episodes
from adaptts.episodes.trials import draw_enrolment, draw_trials
from adaptts.features import normalisation
from adaptts.features.store import FeatureStore
from pipeline.stage import Stage, run, whole

CORPUS, FEATURES, EPISODES = Path("data/corpus"), Path("data/features"), Path("data/episodes")
SPLITS = Path("splits")  # where DVC looks for changes of what is imported


def main(stage: Stage) -> None:
    split, params = stage.params.split, stage.params.episodes
    store = FeatureStore.open(FEATURES)
    index = store.index.reset_index()
    phones = {
        name: {store.inventory[each] for each in store.phones(name)} for name in store.index.index
    }
    if params.manifest is None:
        episodes = draw_episodes(index, split, params)
    else:
        path, info = _watched(params.manifest), manifest.read_info(CORPUS)
        episodes = published.read(path, index, info, split, params)
    audit = audit_episodes(episodes, index, phones, split, params)
    enrolment = draw_enrolment(episodes)
    trials = draw_trials(episodes, enrolment, index)
    checks = audit_trials(enrolment, trials, episodes, index)
    audit = replace(audit, checks=(*audit.checks, *checks))
    training = episodes.loc[episodes["role"] == "train", "utterance"]
    with whole(EPISODES) as folder:
        episodes.to_parquet(folder / "episodes.parquet", index=False)
        enrolment.to_parquet(folder / "enrolment.parquet", index=False)
        trials.to_parquet(folder / "trials.parquet", index=False)
        audit.save(folder / "audit.json")
        normalisation.measure(store, training).save(folder / "normalisation.json")


def _watched(name: str) -> Path:
    path = Path(name)
    if path.parent != SPLITS:
        raise ValueError(
            f"episodes.manifest must name a file in {SPLITS}/, which DVC watches, got {name!r}; "
            "put it there"
        )
    return path


def exported() -> str:
    """The episodes of the last run as a file for others."""
    index = FeatureStore.open(FEATURES).index.reset_index()
    episodes = table.read(EPISODES / "episodes.parquet")
    return published.publish(episodes, index, manifest.read_info(CORPUS))


def export(path: Path) -> None:
    text = exported()
    path.write_text(text, encoding="utf-8")
    print(
        f"{path}: {text.count(chr(10)) - 1} rows. Put it in {SPLITS}/ and name it as "
        "episodes.manifest to use these very episodes"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--export"] and len(sys.argv) == 3:
        try:
            export(Path(sys.argv[2]))
        except (ValueError, OSError) as error:
            sys.exit(f"episodes --export: {error}")
    else:
        run(main)
