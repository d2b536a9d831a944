"""Who is held out, every support and query set, audited, and the training's normalisation."""

from pathlib import Path

from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes
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
    training = episodes.loc[episodes["role"] == "train", "utterance"]
    with whole(Path("data/episodes")) as folder:
        episodes.to_parquet(folder / "episodes.parquet", index=False)
        audit.save(folder / "audit.json")
        normalisation.measure(store, training).save(folder / "normalisation.json")


if __name__ == "__main__":
    run(main)
