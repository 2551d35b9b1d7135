"""An experiment whose users all still wait for their days: the page tells of them, and ends it."""

ARMS = [{"name": "now", "share": 0.5}, {"name": "next", "share": 0.5, "run": "markov"}]


def test_users_who_wait_are_told_while_it_runs_and_after_its_end(look, ask):
    body = {"metric": "buy", "window_days": 7, "layer": "waiting", "arms": ARMS}
    ask("/v1/experiments/waiting", body, method="PUT")
    page = look("#/experiments/waiting").page
    page.get_by_text("Nobody has been in it yet").wait_for()
    for number in range(3):
        ask(f"/v1/users/waiter{number}/recommendations")
    page.reload()
    page.get_by_text("Nobody counts yet").wait_for()
    page.get_by_text("3 users were shown something").wait_for()
    page.get_by_role("button", name="End this experiment").click()
    page.get_by_role("button", name="Let it run").click()
    page.get_by_role("button", name="End this experiment").click()
    page.get_by_role("button", name="End it", exact=True).click()
    page.get_by_text("waiting has ended.").first.wait_for()
    assert ask("/v1/experiments/waiting/report")["ended"]
    page.get_by_role("button", name="End this experiment").wait_for(state="detached")
    page.reload()
    page.get_by_text("were not, when it ended, over").wait_for()
    assert page.get_by_text("nobody was in it").count() == 0
