from grapevine.cli import complete


def test_data_is_a_public_name_or_a_folder(tmp_path, monkeypatch):
    for name in ("mlops", "mine/split", ".cache"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ml.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    assert {"ml-1m", "mlops/"} <= set(complete.data("ml"))
    assert "ml.csv" not in complete.data("ml")
    assert complete.data("mine/") == ["mine/split/"]
    assert complete.data(f"{tmp_path}/mi") == [f"{tmp_path}/mine/"]
    assert ".cache/" not in complete.data("")
    assert complete.data("nowhere/") == []
