import pandas as pd
import pytest

from adaptts.episodes import table


def test_the_episodes_that_were_written_are_read(episodes, tmp_path) -> None:
    path = tmp_path / "episodes.parquet"
    episodes.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(table.read(path), episodes)


@pytest.mark.parametrize("damage", ["missing", "cut short", "another table"])
def test_damaged_episodes_name_file_and_remedy(episodes, tmp_path, damage) -> None:
    path = tmp_path / "episodes.parquet"
    episodes.drop(columns="role" if damage == "another table" else []).to_parquet(path, index=False)
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"episodes\.parquet .*; run the stage episodes"):
        table.read(path)
