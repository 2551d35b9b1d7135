import tomllib

import pytest

from grapevine.data.schema import FORMAT, Schema
from grapevine.errors import BundleError, ConfigError, DataError

SCHEMA = Schema(
    name="été",
    behaviours=("click", "cart", "buy"),
    target="cart",
    clock="order",
    catalogue=False,
    events={"price": "number"},
    items={"title": "title"},
    users={"age": "number"},
    split={"by": "time", "at": 1_700_000_000_000},
    licence="CC0",
    source="made up",
    notes=("times are the order",),
)


def test_a_schema_is_read_as_it_was_written(tmp_path):
    SCHEMA.write(tmp_path)
    assert Schema.read(tmp_path) == SCHEMA
    assert tomllib.loads((tmp_path / "schema.toml").read_text("utf-8"))["format"] == FORMAT


def test_the_target_is_the_end_of_the_cascade_unless_given():
    schema = Schema(behaviours=("click", "cart", "buy"))
    assert (schema.target, schema.target_row) == ("buy", 2)
    assert SCHEMA.target_row == 1


@pytest.mark.parametrize("behaviours", [(), ("click", "click")])
def test_behaviours_are_named_each_once(behaviours):
    with pytest.raises(DataError, match="behaviours must be named, each once"):
        Schema(behaviours=behaviours)


def test_a_column_of_numbers_is_no_column_of_behaviours():
    with pytest.raises(DataError, match="256 behaviours, at most 255"):
        Schema(behaviours=tuple(str(n) for n in range(256)))


def test_a_target_that_nobody_does_is_refused():
    with pytest.raises(DataError, match=r"the target `buy`(.|\n)*behaviours are click"):
        Schema(behaviours=("click",), target="buy")


def test_a_folder_without_a_schema_is_no_dataset(tmp_path):
    with pytest.raises(BundleError, match="is not a dataset folder"):
        Schema.read(tmp_path)


@pytest.mark.parametrize("content", [b"format = ", b"\xff"])
def test_a_schema_that_is_not_toml_is_named(tmp_path, content):
    (tmp_path / "schema.toml").write_bytes(content)
    with pytest.raises(BundleError, match=r"schema.toml: not readable as TOML"):
        Schema.read(tmp_path)


@pytest.mark.parametrize("line", ["", "format = 99\n"])
def test_another_format_is_refused_with_what_to_do(tmp_path, line):
    (tmp_path / "schema.toml").write_text(f'{line}name = "x"\n')
    with pytest.raises(BundleError, match="hint: import the events again"):
        Schema.read(tmp_path)


def test_an_unknown_key_is_named_with_its_file(tmp_path):
    (tmp_path / "schema.toml").write_text(f"format = {FORMAT}\nbehaviors = ['click']\n")
    with pytest.raises(ConfigError, match=r"schema.toml(.|\n)*did you mean `behaviours`"):
        Schema.read(tmp_path)
