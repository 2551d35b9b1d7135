from dataclasses import dataclass

import pytest

from grapevine.config import check_bounds
from grapevine.errors import ConfigError
from grapevine.search import Choice, Range, default, read, settings_of, space_of


@dataclass(frozen=True, kw_only=True)
class Options:
    width: int = 64
    heads: int = 2
    rate: float = 1e-3
    kind: str = "plain"
    sizes: tuple[int, ...] = (8,)

    def __post_init__(self):
        check_bounds(self, "toy", "rate", least=0, most=1)
        if self.width % self.heads:
            raise ConfigError(f"model.width={self.width} cannot be shared by model.heads")


def searched(**given):
    return space_of(Options(), given)


def test_a_text_is_a_range_or_a_choice():
    assert searched(width="32,64, 128")["width"] == Choice((32, 64, 128))
    assert searched(width="2..64")["width"] == Range(2, 64)
    assert searched(rate=" 1e-4 .. 1e-2")["rate"] == Range(1e-4, 1e-2)
    assert searched(kind="plain,gated")["kind"] == Choice(("plain", "gated"))
    assert searched(sizes="[8], [8, 16]")["sizes"] == Choice(([8], [8, 16]))
    assert searched(width=[32, 64])["width"] == Choice((32, 64))


def test_a_range_of_an_option_that_is_no_whole_number_is_none_either():
    found = searched(rate="0..1")["rate"]
    assert (found, type(found.low)) == (Range(0.0, 1.0), float)
    assert type(searched(width="2..64")["width"].low) is int


@pytest.mark.parametrize(
    ("low", "high", "by_logarithm"), [(1, 9, False), (1, 10, True), (0, 10, False), (-1, 10, False)]
)
def test_a_wide_range_above_0_is_searched_by_its_logarithm(low, high, by_logarithm):
    assert Range(low, high).by_logarithm is by_logarithm


def test_what_is_written_is_what_is_read():
    space = searched(width="32,64", rate="1e-4..1e-2", sizes="[8], [8, 16]")
    assert space_of(Options(), {name: one.written for name, one in space.items()}) == space


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"widht": "1,2"}, "did you mean `width`"),
        ({"width": "64..32"}, "from 64 to 32 there is nothing"),
        ({"rate": "0.5..0.5"}, "there is nothing"),
        ({"rate": "1..inf"}, "`1..inf` is no range"),
        ({"rate": "0..1e999"}, "there is nothing"),
        ({"width": "1.5..3"}, "model.width: wanted int, got 1.5"),
        ({"kind": "1..3"}, "model.kind: wanted str"),
        ({"width": "32,wide"}, "model.width: wanted int, got 'wide'"),
        ({"width": "32,32"}, "a value stands there twice"),
        ({"width": []}, "is no list of values"),
        ({"width": 32}, "32 is no list of values"),
        ({"rate": "0.5..2"}, "toy wants model.rate >= 0 and <= 1: got 2"),
        ({"heads": "2,3"}, "model.width=64 cannot be shared"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(given, said):
    with pytest.raises(ConfigError) as error:
        space_of(Options(), given)
    assert said in str(error.value)


def test_a_value_that_another_searched_option_makes_possible_is_no_fault():
    assert searched(heads="2,3", width="64,96")["heads"] == Choice((2, 3))


def test_settings_are_names_and_values():
    assert settings_of(["model.width=32,64", "rate = 0..1"]) == {"width": "32,64", "rate": " 0..1"}
    for wrong in ("model.width", "model.width="):
        with pytest.raises(ConfigError, match="does not say what to search\nhint: write --search"):
            settings_of([wrong])


def test_a_file_says_it_in_its_table_of_the_model(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text('[model]\nwidth = [32, 64]\nrate = "1e-4..1e-2"\n')
    assert space_of(Options(), read(path)) == searched(width="32,64", rate="1e-4..1e-2")
    path.write_text("width = [32, 64]\n")
    with pytest.raises(ConfigError, match="does not say what to search\nhint: write \\[model\\]"):
        read(path)


def test_what_is_set_is_not_searched_and_something_must_be():
    assert "alpha" in default("als")
    assert "alpha" not in default("als", ["alpha"])
    with pytest.raises(ConfigError, match="is set already"):
        default("ease", ["regularization"])
    with pytest.raises(ConfigError, match="worth searching of `popularity`\nhint: write --search"):
        default("popularity")
