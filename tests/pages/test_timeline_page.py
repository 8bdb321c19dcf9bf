"""The timeline of the environments: bars that are links, freezes, the table, and the cursor that is the time travel."""

import pytest
from markup import Page

AT = "/environments?environment=staging"


@pytest.fixture
def past(api, sql):
    """org/bert 1.0 from 20 days ago on, 1.1 from 10 days ago on, and since 5 days ago 1.0 again by a rollback."""
    model = api.model()
    old, new = api.version(model, "1.0"), api.version(model, "1.1")
    first = api.deployment(old, "staging")
    second = api.deployment(new, "staging")
    api.deployment(new, "staging", status="failed")
    back = api.make("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    api.deployment(new, "dev")
    days = "UPDATE deployments SET live_from = now() - make_interval(days => :start), deployed_at = now()"
    for row, start, end in ((first, 20, 10), (second, 10, 5), (back, 5, None)):
        sql(
            f"{days} - make_interval(days => :start), ended_at = now() - make_interval(days => CAST(:end AS int))"
            " WHERE id = :id",
            id=row["id"],
            start=start,
            end=end,
        )
    sql("UPDATE deployments SET deployed_at = now() - interval '12 days' WHERE status = 'failed'")
    return {"first": first, "second": second, "back": back}


def bars(response):
    """`[(what it is, where it leads)]` of each bar and cross."""
    page, found = Page(response), []
    for element in page.elements:
        if element.tag == "a" and (element.get("class") or "").split()[:1] in (["bar"], ["cross"]):
            found.append((element["class"].split()[0], element["href"]))
    return found


def test_a_lane_has_a_bar_for_each_version_that_leads_to_its_deployment(browser, past):
    response = browser.by("viewer").get(AT)
    found = bars(response)
    assert [f"/deployments/{past[name]['id']}" for name in ("first", "second", "back")] == [
        address for kind, address in found if kind == "bar"
    ]
    assert [kind for kind, _ in found].count("cross") == 1
    titles = [title.text for title in Page(response).all("title")]
    assert any(title.startswith("1.1 from ") and title.endswith(", rolled back") for title in titles)
    assert any(title.startswith("1.1 failed ") for title in titles)


def test_the_days_and_the_environment_stand_in_the_address(browser, past):
    assert len(bars(browser.get(f"{AT}&days=7"))) == 2
    assert "staging, 7 days" in browser.get(f"{AT}&days=7").words
    assert "staging, 30 days" in browser.get(f"{AT}&days=8").words
    assert "dev, 30 days" in browser.get("/environments?environment=DEV").words
    links = Page(browser.get(f"{AT}&days=7")).links
    assert {"/environments?environment=staging&days=90", "/environments?environment=dev&days=7"} <= set(links)


def test_screen_readers_get_the_same_as_a_table(browser, past):
    [row] = [row for row in Page(browser.get(AT)).all("tr") if "rolled back" in row.text and "until now" in row.text]
    assert row.text.startswith("org/bert 1.0 from ")
    assert row.text.count("1.1") == 2


def frozen(response):
    """Where the freezes are, in per cent."""
    return [
        (float(it["x"].rstrip("%")), float(it["width"].rstrip("%")))
        for it in Page(response).has_class("frozen")
        if it.tag == "rect"
    ]


def test_freezes_are_hatched_from_the_audit_log(browser, api, past, sql):
    assert frozen(browser.get(AT)) == []
    for days, freeze in ((6, True), (3, False), (1.5, True)):
        body = {"frozen": freeze, **({"frozen_reason": "Sale"} if freeze else {})}
        api.put("/api/v1/environments/staging", body)
        sql("ALTER TABLE audit_logs DISABLE TRIGGER USER")
        sql(
            "UPDATE audit_logs SET created_at = now() - make_interval(hours => :hours) WHERE id ="
            " (SELECT id FROM audit_logs WHERE action = 'environment.update' ORDER BY id DESC LIMIT 1)",
            hours=int(days * 24),
        )
    found = frozen(browser.get(f"{AT}&days=30"))
    assert [(round(x), round(width)) for x, width in found] == [(80, 10), (95, 5)]
    assert "staging was frozen from" in browser.get(AT).words
    assert frozen(browser.get("/environments?environment=dev")) == []


def test_a_freeze_that_ended_by_itself_ends_there(browser, api, past, sql):
    api.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "Sale"})
    sql("UPDATE environments SET frozen_until = now() - interval '1 day' WHERE name = 'staging'")
    sql("ALTER TABLE audit_logs DISABLE TRIGGER USER")
    sql("UPDATE audit_logs SET created_at = now() - interval '4 days' WHERE action = 'environment.update'")
    sql(
        "UPDATE audit_logs SET details = jsonb_set(details, '{changes,frozen_until}',"
        " jsonb_build_object('old', NULL, 'new',"
        " to_json(now() - interval '1 day'))) WHERE action = 'environment.update'"
    )
    [(x, width)] = frozen(browser.get(f"{AT}&days=30"))
    assert (round(x), round(width)) == (87, 10)


# --- the cursor -------------------------------------------------------------------------------------------------------


def then(response):
    """`{model: [what each cell says]}`."""
    found, model = {}, None
    for element in Page(response).elements:
        if element.tag == "tr" and (element.get("id") or "").startswith("then-"):
            model = element["id"]
            found[model] = []
        elif element.tag == "td" and model and element.get("data-label"):
            found[model].append(element.text)
    return list(found.values())


def days_ago(sql, days):
    [row] = sql(f"SELECT to_char(now() AT TIME ZONE 'utc' - interval '{days} days', 'YYYY-MM-DD\"T\"HH24:MI') AS at")
    return row["at"]


def test_at_a_time_the_matrix_is_what_was_live_then_and_who_let_it_through(browser, past, sql):
    response = browser.by("viewer").get(f"{AT}&at={days_ago(sql, 6)}")
    [(staging, dev, by)] = then(response)
    assert staging.startswith("1.1 3 days")
    assert "now 1.0" in staging
    assert dev == "—"
    assert by.startswith("admin-key")
    assert "1 of 1 differs from staging now" in response.words
    assert "data-poll" not in response.text
    page = Page(response)
    assert page.field("at")["value"]
    assert [it for it in page.has_class("pill") if it.tag == "svg"]


def test_at_a_time_to_come_what_is_live_is_as_old_as_it_is_now(browser, past, sql):
    """It said that this is what is live now, and counted on to the time to come."""
    [(staging, _, _)] = then(browser.get(f"{AT}&at={days_ago(sql, -40)}"))
    assert staging.startswith("1.0 5 days")


def test_a_step_back_and_on_and_to_now_keep_the_rest_of_the_address(browser, past):
    page = Page(browser.get(f"{AT}&days=90&at=2026-01-10T08:00"))
    links = {link.get("aria-label") or link.text: link["href"] for link in page.all("a")}
    kept = "/environments?environment=staging&days=90"
    assert links["A day earlier"] == f"{kept}&at=2026-01-09T08:00"
    assert links["A day later"] == f"{kept}&at=2026-01-11T08:00"
    assert links["Back to now"] == kept
    assert "Nothing was live then" in browser.get(f"{AT}&at=2026-01-10T08:00").text


def test_what_is_no_time_is_told_at_the_field(browser, past):
    response = browser.get(f"{AT}&at=yesterday")
    assert response.status_code == 422
    assert Page(response).invalid == ["at"]


def test_a_model_that_was_deleted_is_there_without_links(browser, api, past, sql):
    [model] = api.get("/api/v1/models").json
    at = days_ago(sql, 0)
    sql(
        "UPDATE deployments SET live_from = live_from - interval '1 hour'"
        " WHERE ended_at IS NULL AND live_from IS NOT NULL"
    )
    assert api.delete(f"/api/v1/models/{model['id']}?force=true").status_code == 204
    response = browser.get(f"{AT}&at={at}")
    assert "deleted since" in response.words
    assert not [link for link in Page(response).links if link.startswith("/models/org/bert/versions")]
