import sys

from grapevine.log import bar, track


def test_work_within_work_is_silent_and_the_bar_outside_goes_on(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar("outside", 3) as outside:
        for _ in track(range(3), "inside"):
            outside.tell("outside, loss 0.25")
            outside.advance()
    with bar("afterwards", 1) as again:
        again.tell("afterwards too")
        again.advance(0.5)
    shown = capsys.readouterr().err
    assert "outside, loss 0.25" in shown
    assert "3/3" in shown
    assert "inside" not in shown
    assert "afterwards too" in shown


def test_where_nobody_looks_nothing_is_shown(capsys):
    with bar("work", 2) as progress:
        progress.advance()
        progress.tell("more")
    assert list(track(range(3), "work")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
