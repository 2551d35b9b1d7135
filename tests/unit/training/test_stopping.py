import os
import signal
import threading

import pytest

from grapevine.errors import ConfigError
from grapevine.training.stopping import listening, seconds_of


@pytest.mark.parametrize("text", ["", "10", "m", "-3m", "0s", "10 minutes", "1e3s", "nan"])
def test_a_length_of_time_needs_a_number_and_a_unit(text):
    with pytest.raises(ConfigError, match="no length of time\nhint: write 90s, 10m or 2h"):
        seconds_of(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_one_acts(number):
    before = signal.signal(number, signal.default_int_handler)
    try:
        with listening() as asked:
            assert not asked()
            os.kill(os.getpid(), number)
            assert asked()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_handlers_are_put_back_where_nothing_came():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with listening() as asked:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not asked()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_nobody_listens_where_nothing_is_kept_nor_in_another_thread():
    before = signal.getsignal(signal.SIGINT)
    with listening(wanted=False):
        assert signal.getsignal(signal.SIGINT) is before
    said = []

    def elsewhere():
        with listening() as asked:
            said.append(asked())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert said == [False]
