"""What was live in an environment at a time, and its history."""

import pytest
from markup import Page, is_whole

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
    return [tuple(cell.text for cell in cells[at : at + 4]) for at in range(0, len(cells), 6)]


JANUARY, FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01 00:00:00 UTC" for month in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2026-01-01T00:00", [("org/bert", "1.0", JANUARY, MARCH)]),
        ("2026-02-28T23:59", [("org/gone deleted since", "1.0", FEBRUARY, APRIL), ("org/bert", "1.0", JANUARY, MARCH)]),
        (
            "2026-03-01T00:00",
            [("org/bert", "1.1", MARCH, "still live"), ("org/gone deleted since", "1.0", FEBRUARY, APRIL)],
        ),
        (
            "2026-02-28T23:59:59.999999Z",
            [("org/gone deleted since", "1.0", FEBRUARY, APRIL), ("org/bert", "1.0", JANUARY, MARCH)],
        ),
        ("2026-04-01T02:00:00%2B02:00", [("org/bert", "1.1", MARCH, "still live")]),
        ("2100-01-01T00:00", [("org/bert", "1.1", MARCH, "still live")]),
    ],
)
def test_it_tells_what_was_live_at_that_moment(browser, past, at, found):
    response = browser.by("viewer").get(f"{AT}?at={at}")
    assert response.status_code == 200
    assert sorted(then(response)) == sorted(found)


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


def test_before_anything_was_live_it_says_so(browser, past):
    response = browser.get(f"{AT}?at=2025-12-31T23:59")
    assert response.status_code == 200
    assert "Nothing was live then" in response.text


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00", "2026-03-01", "2026-03-01T00:00:00", "%22%3E%3Cb%3E"])
@pytest.mark.parametrize("htmx", [None, "tab"])
def test_what_is_no_time_is_marked_and_stays(browser, past, at, htmx):
    response = browser.get(f"{AT}?at={at}", htmx=htmx)
    assert response.status_code == 422
    page = Page(response)
    assert page.invalid == ["at"]
    assert page.field("at")["type"] == "text"
    assert "Must be a time" in response.text
    assert "<b>" not in response.text
    assert is_whole(response) == (htmx is None)


def test_without_a_time_it_is_what_is_live_now(browser, past):
    page = Page(browser.get(AT))
    assert [card.text.split()[0] for card in page.all("article")] == ["org/bert"]
    assert page.field("at")["value"] == ""
    assert "1.1" in page.all("article")[0].text


def test_the_time_pages_through_all_that_was_live(browser, api, sql):
    api.deployment(api.version(api.model()), "env-1")
    sql("UPDATE deployments SET live_from = now() - interval '1 day'")
    sql(
        "INSERT INTO models (id, name, storage_path) SELECT md5('m' || n)::uuid, 'org/m' || n, 'x' FROM generate_series(1, 70) AS n;"
        "INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)"
        " SELECT md5('m' || n)::uuid, md5('m' || n)::uuid, '1.0', 't', 'a:b', 'p', 'active', 'x' FROM generate_series(1, 70) AS n;"
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from)"
        " SELECT gen_random_uuid(), md5('m' || n)::uuid, md5('m' || n)::uuid, 'env-1', 'success', 'ci', now(), now() - interval '1 day'"
        " FROM generate_series(1, 70) AS n"
    )
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


def test_the_history_goes_on(browser, api, sql):
    version = api.version(api.model())
    api.deployment(version, "staging", status="failed")
    sql(
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by)"
        " SELECT gen_random_uuid(), :version, :model, 'staging', 'failed', 'ci' FROM generate_series(1, 69)",
        version=version["id"],
        model=version["model_id"],
    )
    page = Page(browser.get(f"{AT}/-/history"))
    rest = browser.get(page.more, htmx="more")
    assert not is_whole(rest)
    counted = [
        len([row for row in one.all("tr") if (row.get("id") or "").startswith("deployment-")])
        for one in (page, Page(rest))
    ]
    assert counted == [50, 20]


def test_an_environment_without_deployments_says_so(browser, api):
    api.put("/api/v1/environments/staging", {"description": "For <b> tests"})
    assert "Nothing was deployed here" in browser.get(f"{AT}/-/history").text
    response = browser.get(AT)
    assert "Nothing is live in staging" in response.text
    assert "For &lt;b&gt; tests" in response.text


def test_the_history_of_a_deleted_environment_stays(browser, api, past):
    assert api.delete("/api/v1/environments/staging?force=true").status_code == 204
    page = Page(browser.get(f"{AT}?at=2026-03-15T00:00"))
    assert "deleted" in [one.text for one in page.has_class("bad")]
    assert ("org/bert", "1.1") in [row[:2] for row in then(browser.get(f"{AT}?at=2026-03-15T00:00"))]
    assert not [link for link in page.links if "/-/freeze" in link or "/-/delete" in link]


def test_tabs_swap_alone_and_are_whole_without_htmx(browser, past):
    for address in (AT, f"{AT}/-/history", f"{AT}?at=2026-03-15T00:00"):
        part = browser.get(address, htmx="tab")
        assert part.text.lstrip().startswith('<div class="stack" id="tab"')
        assert is_whole(browser.get(address))
