import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from grapevine.config import from_dict, override, read_toml, to_dict
from grapevine.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    width: int = 64
    rate: float = 0.1
    name: str = ""
    fast: bool = False
    days: float | None = None
    layers: tuple[int, ...] = ()
    kind: Literal["a", "b"] = "a"
    inner: Inner = field(default_factory=Inner)
    columns: dict[str, str] = field(default_factory=dict)
    free: Any = None


TOML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
TOML_INT = st.integers(-(2**63), 2**63 - 1)
OPTIONS = st.builds(
    Options,
    width=TOML_INT,
    rate=st.floats(allow_nan=False),
    name=TOML_TEXT,
    fast=st.booleans(),
    days=st.none() | st.floats(allow_nan=False),
    layers=st.lists(TOML_INT, max_size=3).map(tuple),
    kind=st.sampled_from(["a", "b"]),
    inner=st.builds(Inner, depth=TOML_INT),
    columns=st.dictionaries(TOML_TEXT, TOML_TEXT, max_size=3),
)


@given(OPTIONS)
def test_what_is_written_as_toml_is_read_back(options):
    text = tomli_w.dumps(to_dict(options))
    assert from_dict(Options, tomllib.loads(text)) == options


def test_none_is_left_out_since_toml_has_no_null():
    assert "days" not in to_dict(Options())


def test_options_left_out_keep_their_defaults():
    assert from_dict(Options, {"width": 8}) == Options(width=8)


def test_a_misspelt_option_meets_the_nearest():
    with pytest.raises(ConfigError, match=r"no option of Options is called `widht`") as caught:
        from_dict(Options, {"widht": 8})
    assert "hint: did you mean `width`?" in str(caught.value)


@pytest.mark.parametrize(
    ("given_value", "message"),
    [
        ({"width": 1.5}, "width: wanted int, got 1.5"),
        ({"width": True}, "width: wanted int, got True"),
        ({"width": "8"}, "width: wanted int, got '8'"),
        ({"rate": "fast"}, "rate: wanted float, got 'fast'"),
        ({"rate": True}, "rate: wanted float, got True"),
        ({"fast": 1}, "fast: wanted bool, got 1"),
        ({"kind": "c"}, r"kind: wanted Literal\['a', 'b'\], got 'c'"),
        ({"layers": 3}, r"layers: wanted tuple\[int, ...\], got 3"),
        ({"layers": [1, "2"]}, "layers: wanted int, got '2'"),
        ({"days": "soon"}, r"days: wanted float \| None, got 'soon'"),
        ({"inner": {"depth": "2"}}, r"inner.depth: wanted int, got '2'"),
        ({"columns": 1}, "columns: wanted dict"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_place(given_value, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Options, given_value)


def test_a_whole_number_may_stand_for_a_float():
    rate = from_dict(Options, {"rate": 1}).rate
    assert rate == 1.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("model.width=8", {"width": 8}),
        ("width=8", {"width": 8}),
        (" width = 8 ", {"width": 8}),
        ("rate=1e-3", {"rate": 1e-3}),
        ("name=bare text", {"name": "bare text"}),
        ("name=a=b", {"name": "a=b"}),
        ('name="quoted"', {"name": "quoted"}),
        ("fast=true", {"fast": True}),
        ("layers=[1, 2]", {"layers": (1, 2)}),
        ("inner={depth = 5}", {"inner": Inner(depth=5)}),
    ],
)
def test_a_setting_changes_one_option(setting, change):
    before = Options(name="kept" if "name" not in change else "")
    assert override(before, [setting]) == Options(**{"name": before.name, **change})


def test_later_settings_win():
    assert override(Options(), ["width=1", "width=2"]).width == 2


def test_a_setting_without_a_value_is_explained():
    with pytest.raises(ConfigError, match="`width` is not a setting") as caught:
        override(Options(), ["width"])
    assert caught.value.hint == "write --set model.name=value"


def test_a_setting_that_does_not_fit_changes_nothing():
    options = Options()
    with pytest.raises(ConfigError, match=r"model.width: wanted int, got 'wide'"):
        override(options, ["model.width=wide"])
    assert asdict(options) == asdict(Options())


@pytest.mark.parametrize("name", ["rate", "days"])
def test_nan_is_no_number(name):
    for value in (float("nan"), 10**400):
        with pytest.raises(ConfigError, match=f"{name}: wanted float.*got (nan|1000)"):
            from_dict(Options, {name: value})
    with pytest.raises(ConfigError, match=r"wanted float.*got nan"):
        override(Options(), [f"model.{name}=nan"])


def test_a_file_is_read_as_toml(tmp_path):
    path = tmp_path / "options.toml"
    path.write_text("width = 8\n", encoding="utf-8")
    assert read_toml(path) == {"width": 8}


@pytest.mark.parametrize("content", [None, b"width = ", b"name = '\xff'"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    path = tmp_path / "options.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"options.toml: not readable as TOML"):
        read_toml(path)
