"""Pictures are looked up, each by itself, and the Parquet file is read once."""

import polars as pl
import pytest

from grapevine.errors import ConfigError
from grapevine.serving.pictures import Pictures


def test_each_is_found_and_the_file_is_not_read_again(tmp_path):
    shown = {str(n): bytes([n % 256]) * (n % 37 + 1) for n in range(0, 900, 2)}
    table = pl.DataFrame(
        {"item_id": range(900), "picture": [shown.get(str(n)) for n in range(900)]},
        schema={"item_id": pl.Int64, "picture": pl.Binary},
    )
    table.write_parquet(tmp_path / "items.parquet", row_group_size=100)
    pictures = Pictures(tmp_path)
    (tmp_path / "items.parquet").unlink()
    assert pictures
    assert {str(n): pictures.of(str(n)) for n in range(0, 900, 2)} == shown
    assert pictures.of("1") is None
    assert pictures.of("nobody") is None
    pictures.close()
    assert pictures.of("0") is None


def test_without_pictures_there_are_none(tmp_path):
    pl.DataFrame({"item_id": ["a"]}).write_parquet(tmp_path / "items.parquet")
    for none in (Pictures(None), Pictures(tmp_path)):
        assert not none
        assert none.of("a") is None
        none.close()
    with pytest.raises(ConfigError, match=r"no items\.parquet"):
        Pictures(tmp_path / "nowhere")
