"""What was live in an environment at a time, and its history."""

import pytest
from markup import Page
from rows import live_everywhere

AT = "/environments/staging"


@pytest.fixture
def past(api, sql):
    """org/bert 1.0 from January on and 1.1 from March on; org/gone 1.0 from February to April, when the model was deleted."""
    bert = api.model()
    found = {number: api.deployment(api.version(bert, number), "staging") for number in ("1.0", "1.1")}
    gone = api.model("org/gone")
    found["gone"] = api.deployment(api.version(gone, "1.0"), "staging")
    assert api.delete(f"/api/v1/models/{gone['id']}?force=true").status_code == 204
    for key, start, end in (("1.0", 1, 3), ("1.1", 3, None), ("gone", 2, 4)):
        sql(
            "UPDATE deployments SET live_from = make_timestamptz(2026, :start, 1, 0, 0, 0, 'UTC'), deployed_at = live_from,"
            " ended_at = make_timestamptz(2026, :end, 1, 0, 0, 0, 'UTC') WHERE id = :id",
            id=found[key]["id"],
            start=start,
            end=end,
        )
    return found


def then(response):
    """`[(model, version, since, until)]` as the table says."""
    cells = [one for one in Page(response).elements if one.tag == "td"]
    return [tuple(cell.text for cell in cells[at : at + 4]) for at in range(0, len(cells), 7)]


JANUARY, FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01 00:00:00 UTC" for month in (1, 2, 3, 4))
OLD, NEW = ("org/bert", "1.0", JANUARY, MARCH), ("org/bert", "1.1", MARCH, "still live")
GONE = ("org/gone deleted since", "1.0", FEBRUARY, APRIL)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2025-12-31T23:59", []),
        ("2026-01-01T00:00", [OLD]),
        ("2026-02-28T23:59", [GONE, OLD]),
        ("2026-02-28T23:59:59.999999Z", [GONE, OLD]),
        ("2026-03-01T00:00", [NEW, GONE]),
        ("2026-04-01T02:00:00%2B02:00", [NEW]),
        ("2100-01-01T00:00", [NEW]),
    ],
)
def test_it_tells_what_was_live_at_that_moment(browser, past, at, found):
    response = browser.by("viewer").get(f"{AT}?at={at}")
    assert sorted(then(response)) == sorted(found)
    assert ("Nothing was live then" in response.text) is (found == [])


def test_the_time_stands_in_the_address_and_in_the_field(browser, past):
    page = Page(browser.get(f"{AT}?at=2026-03-01T00:00"))
    field = page.field("at")
    assert (field["type"], field["value"]) == ("datetime-local", "2026-03-01T00:00")
    form = page.one("form", aria_label="Time")
    assert (form["method"], form["action"]) == ("get", "/environments/staging")
    assert page.texts("h2")[0] == "Live at 2026-03-01 00:00:00 UTC"


def test_who_was_there_has_links_and_who_is_gone_has_none(browser, past):
    links = Page(browser.get(f"{AT}?at=2026-03-15T00:00")).links
    assert {"/models/org/bert", "/models/org/bert/versions/1.1", f"/deployments/{past['1.1']['id']}"} <= set(links)
    assert not [link for link in links if "org/gone" in link]


def test_without_a_time_it_is_what_is_live_now(browser, past):
    page = Page(browser.get(AT))
    assert [card.text.split()[0] for card in page.all("article")] == ["org/bert"]
    assert page.field("at")["value"] == ""
    assert "1.1" in page.all("article")[0].text


def test_the_time_pages_through_all_that_was_live(browser, sql):
    live_everywhere(sql, models=71, environments=1)
    found, address = [], "/environments/env-1?at=2100-01-01T00:00"
    while address:
        response = browser.get(address)
        found += [model for model, *_ in then(response)]
        address = Page(response).more
    assert len(found) == len(set(found)) == 71


def test_the_history_is_every_deployment_the_newest_first(browser, api):
    model = api.model()
    old, new = api.version(model, "1.0"), api.version(model, "1.1")
    api.deployment(old, "staging")
    api.deployment(new, "staging", status="failed")
    api.deployment(new, "staging", status="running")
    api.deployment(new, "staging")
    api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow <b>"})
    api.deployment(new, "other")
    response = browser.by("viewer").get(f"{AT}/-/history")
    rows = [one.text for one in Page(response).all("tr") if (one.get("id") or "").startswith("deployment-")]
    assert len(rows) == 5
    assert [row.split()[1] for row in rows] == ["1.0", "1.1", "1.1", "1.1", "1.0"]
    assert "rolled back from 1.1: slow <b>" in rows[0]
    for row, said in zip(
        rows, ["success · live", "success · over", "cancelled", "failed", "success · over"], strict=True
    ):
        assert said in row
    assert "<b>" not in response.text


def test_an_environment_without_deployments_says_so(browser, api):
    api.put("/api/v1/environments/staging", {"description": "For <b> tests"})
    assert "No deployments yet" in browser.get(f"{AT}/-/history").text
    response = browser.get(AT)
    assert "Nothing is live in staging" in response.text
    assert "For &lt;b&gt; tests" in response.text


def test_the_history_of_a_deleted_environment_stays(browser, api, past):
    assert api.delete("/api/v1/environments/staging?force=true").status_code == 204
    page = Page(browser.get(f"{AT}?at=2026-03-15T00:00"))
    assert "deleted" in [one.text for one in page.has_class("bad")]
    assert ("org/bert", "1.1") in [row[:2] for row in then(browser.get(f"{AT}?at=2026-03-15T00:00"))]
    assert not [link for link in page.links if "/-/freeze" in link or "/-/delete" in link]
