import pytest

from grapevine.errors import (
    BundleError,
    CheckFailed,
    ConfigError,
    DataError,
    GrapevineError,
    unknown,
)


def test_a_hint_stands_on_a_line_of_its_own():
    assert str(DataError("no events", hint="import some")) == "no events\nhint: import some"
    assert str(DataError("no events")) == "no events"


@pytest.mark.parametrize("kind", [ConfigError, DataError, BundleError])
def test_wrong_input_leaves_with_2(kind):
    assert kind.exit_code == 2
    assert issubclass(kind, GrapevineError)
    assert issubclass(kind, ValueError)


def test_a_failed_check_leaves_with_1_and_is_no_value_error():
    assert CheckFailed.exit_code == 1
    assert not issubclass(CheckFailed, ValueError)


def test_a_misspelt_name_meets_the_nearest():
    error = unknown("model", "poularity", ["popularity", "ease"])
    assert isinstance(error, ConfigError)
    assert error.args == ("no model is called `poularity`",)
    assert error.hint == "did you mean `popularity`? There are: ease, popularity"


def test_a_name_like_no_other_meets_the_list():
    assert unknown("model", "zzz", ["ease"]).hint == "There are: ease"
    assert unknown("model", "zzz", []).hint == "There are: none"
