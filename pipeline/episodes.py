"""Who is held out, every support and query set, the trials of verification, all of it audited.

The training's normalisation is measured here too.
"""

from dataclasses import replace
from pathlib import Path

from adaptts.episodes.audit import audit_episodes, audit_trials
from adaptts.episodes.split import draw_episodes
from adaptts.episodes.trials import draw_enrolment, draw_trials
from adaptts.features import normalisation
from adaptts.features.store import FeatureStore
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    split, params = stage.params.split, stage.params.episodes
    store = FeatureStore.open(Path("data/features"))
    index = store.index.reset_index()
    phones = {
        name: {store.inventory[each] for each in store.phones(name)} for name in store.index.index
    }
    episodes = draw_episodes(index, split, params)
    audit = audit_episodes(episodes, index, phones, split, params)
    enrolment = draw_enrolment(episodes)
    trials = draw_trials(episodes, enrolment, index)
    checks = audit_trials(enrolment, trials, episodes, index)
    audit = replace(audit, checks=(*audit.checks, *checks))
    training = episodes.loc[episodes["role"] == "train", "utterance"]
    with whole(Path("data/episodes")) as folder:
        episodes.to_parquet(folder / "episodes.parquet", index=False)
        enrolment.to_parquet(folder / "enrolment.parquet", index=False)
        trials.to_parquet(folder / "trials.parquet", index=False)
        audit.save(folder / "audit.json")
        normalisation.measure(store, training).save(folder / "normalisation.json")


if __name__ == "__main__":
    run(main)
