"""*Needs you* on the overview: what waits for whoever looks, the most urgent first, with one solid button."""

import pytest
from markup import Page
from stage import counted

from catapult.pages.parts.needs import KINDS, Need, most_urgent


def needs(browser):
    """`{kind: what its rows say}`, in the order of the list."""
    rows = {}
    for item in Page(browser.get("/", htmx="ready")).all("li"):
        kind = (item.get("id") or "").partition("-")[0]
        rows.setdefault(kind, []).append(item.text)
    return rows


@pytest.fixture
def deployed(api):
    """A release that is live in production, and a newer version."""
    api.put("/api/v1/environments/production", {"rank": 2, "protected": True})
    model = api.model()
    old = api.version(model, "1.0.0", is_release=True)
    api.deployment(old, "production")
    return {"model": model, "old": old}


def test_nothing_waits_in_an_empty_registry(browser):
    page = Page(browser.get("/", htmx="ready"))
    assert "Nothing waits for you" in page.one("section", id="ready").text
    assert "every model" not in page.one("section", id="ready").text.lower()


def test_a_failure_waits_until_a_later_deployment_there_and_a_cancelled_one_is_none(browser, api, deployed):
    failed = api.deployment(deployed["old"], "production", status="failed")
    assert needs(browser) == {"failed": ["org/bert 1.0.0 Failed in production just now Open"]}
    assert f"/deployments/{failed['id']}" in Page(browser.get("/", htmx="ready")).links
    api.deployment(deployed["old"], "staging")
    pending = api.deployment(deployed["old"], "production", status="pending")
    api.put(f"/api/v1/deployments/{pending['id']}", {"status": "cancelled"})
    assert list(needs(browser)) == ["failed"]
    api.deployment(deployed["old"], "production", status="running")
    assert needs(browser) == {}


def test_a_failure_of_long_ago_or_of_what_was_deleted_does_not_wait(browser, api, deployed, sql):
    api.deployment(deployed["old"], "production", status="failed")
    sql("UPDATE deployments SET deployed_at = now() - interval '15 days' WHERE status = 'failed'")
    assert needs(browser) == {}
    api.deployment(deployed["old"], "staging", status="failed")
    assert list(needs(browser)) == ["failed"]
    api.delete(f"/api/v1/models/{deployed['model']['id']}?force=true")
    assert needs(browser) == {}


def test_a_deployment_that_takes_longer_than_allowed_waits(browser, api, deployed, sql):
    api.put("/api/v1/environments/staging", {"rank": 1, "deploy_within": 1800})
    api.deployment(deployed["old"], "staging", status="running")
    assert needs(browser) == {}
    sql("UPDATE deployments SET deployed_at = now() - interval '2 hours' WHERE status = 'running'")
    assert needs(browser) == {
        "overdue": ["org/bert 1.0.0 Running in staging for longer than 30 min, began 2 h ago Open"]
    }


def test_a_freeze_that_ends_within_a_day_waits_and_no_other(browser, api, deployed, sql):
    freeze = {"frozen": True, "frozen_reason": "Sale"}
    api.put("/api/v1/environments/production", freeze)
    assert needs(browser) == {}
    for hours, shown in ((25, {}), (5, {"frozen": ["production The freeze ends in 5 h Open"]}), (-1, {})):
        sql(f"UPDATE environments SET frozen_until = now() + interval '{hours} hours' WHERE place = 'production'")
        assert needs(browser) == shown


def test_an_approval_waits_for_those_who_may_give_it_and_leads_to_it_in_the_inbox(browser, api, deployed):
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "count": 2, "role": "releaser"})
    version = api.by("publisher").version(deployed["model"], "1.1.0")
    assert needs(browser) == {"approve": ["org/bert 1.1.0 Approve for release 0 of 2, registered just now Approve…"]}
    links = Page(browser.get("/", htmx="ready")).links
    (there,) = [link for link in links if link.startswith("/inbox#")]
    assert there.partition("#")[2] in {item.get("id") for item in Page(browser.get("/inbox")).all("li")}
    api.post(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    assert "approve" not in needs(browser)
    assert needs(browser.by("releaser"))["approve"] == [
        "org/bert 1.1.0 Approve for release 1 of 2, registered just now Approve…"
    ]
    for role in ("publisher", "viewer"):  # its own, and one who cannot approve
        assert "approve" not in needs(browser.by(role))


def test_a_promotion_waits_for_those_who_may_promote(browser, api, deployed):
    api.version(deployed["model"], "1.1.0")
    for role in ("admin", "releaser"):
        assert list(needs(browser.by(role))) == ["ready"]
    for role in ("publisher", "viewer"):
        assert "ready" not in needs(browser.by(role))


def test_the_most_urgent_comes_first_with_the_only_solid_button(browser, api, deployed):
    api.put("/api/v1/environments/staging", {"rank": 1})
    api.version(deployed["model"], "1.1.0")
    api.version(api.model("org/other"), "0.1.0")
    api.deployment(deployed["old"], "staging", status="failed")
    assert list(needs(browser)) == ["failed", "ready"]
    page = Page(browser.get("/", htmx="ready"))
    (solid,) = page.has_class("primary")
    assert solid["aria-label"] == "Open the deployment of org/bert 1.0.0 to staging"
    assert len(page.all("button")) == 2
    assert "primary" in Page(browser.get("/", htmx="ready")).has_class("button")[0]["class"]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"promote": 9}, {"promote": 7}),
        ({"failed": 9, "promote": 2}, {"failed": 5, "promote": 2}),
        (
            {"failed": 9, "overdue": 9, "approve": 9, "promote": 9, "frozen": 9},
            {"failed": 3, "overdue": 3, "approve": 1},
        ),
        ({"frozen": 1, "promote": 1}, {"promote": 1, "frozen": 1}),
    ],
)
def test_seven_at_most_and_many_of_a_kind_leave_room_for_others(numbers, expected):
    chosen = most_urgent(Need(kind, number) for kind, count in numbers.items() for number in range(count))
    kinds = [need.kind for need in chosen]
    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == expected
    assert kinds == sorted(kinds, key=KINDS.index)


def test_what_waits_takes_few_statements(app, browser, api, deployed):
    api.deployment(deployed["old"], "staging", status="failed")
    api.version(deployed["model"], "1.1.0", metadata={"accuracy": 0.9})
    browser.get("/")
    with counted(app) as statements:
        browser.get("/", htmx="ready")
    assert len(statements) <= 6, statements
