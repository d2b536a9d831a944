"""Who is held out, and every support and query set, audited."""

from pathlib import Path

from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes
from adaptts.features.store import FeatureStore
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    split, params = stage.params.split, stage.params.episodes
    index = FeatureStore.open(Path("data/features")).index.reset_index()
    episodes = draw_episodes(index, split, params)
    audit = audit_episodes(episodes, index, split, params)
    with whole(Path("data/episodes")) as folder:
        episodes.to_parquet(folder / "episodes.parquet", index=False)
        audit.save(folder / "audit.json")


if __name__ == "__main__":
    run(main)
