"""Promoting and deploying against gates, approving in place, and `/inbox`."""

import pytest
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"


def approve(browser, target="release", comment="", at=AT, htmx="main"):
    return browser.post(f"{at}/-/approve", {"target": target, "comment": comment}, htmx=htmx)


def promote(browser, htmx=None, at=AT):
    return browser.post(f"{at}/-/promote", htmx=htmx)


def is_release(api, version):
    return api.get(f"/api/v1/versions/{version['id']}").json["is_release"]


def toast(answer):
    return Page(answer).has_class("toast")[0].text


def state(browser):
    """What is said of the gates beside Promote, and what is offered there."""
    page = Page(browser.get(AT))
    offered = {link.rsplit("/", 1)[-1] for link in page.links if "/-/" in link} & {"override"}
    offered |= {action.rsplit("/", 1)[-1] for action in page.actions} & {"promote", "approve"}
    return page.one("span", id="promotion-state").text, offered


def waiting(browser):
    page = Page(browser.get("/inbox"))
    rows = [item.text.split(" registered")[0] for item in page.all("li") if (item.get("id") or "").startswith("waits-")]
    assert page.one("span", id="inbox-count").text == (str(len(rows)) if rows else "")
    return rows


# --- beside Promote ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "offered"),
    [("viewer", set()), ("publisher", set()), ("releaser", {"approve"}), ("admin", {"approve", "override"})],
)
def test_what_is_missing_is_beside_the_button(browser, version, gate, role, offered):
    gate("metric", value=0.8)
    gate("metric")
    gate("approved")
    assert state(browser.by(role)) == ("1 of 3 gates pass", offered)
    page = Page(browser.by(role).get(AT))
    assert "Promote to release" not in [button.text for button in page.all("button")]
    held = [link.text for link in page.all("a") if link.get("href") == "#gates-release"]
    assert held == ["1 of 3 gates"] * (role in ("releaser", "admin"))


def test_what_environments_ask_for_is_listed_beside(browser, version, gate):
    gate("released", "production")
    gate("metric", "staging", value=0.8)
    card = Page(browser.get(AT)).one("section", id="elsewhere").text
    assert "production 1 gate does not pass Releases only Does not pass: it is not a release" in card
    assert "staging The gate passes" in card
    assert "elsewhere" not in browser.get("/models/org/bert").text


# --- promoting what is blocked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["version-x", "ready"])
@pytest.mark.parametrize("role", ["releaser", "admin"])
def test_in_a_list_a_toast_names_what_is_missing_and_nothing_else_changes(browser, api, version, gate, role, target):
    gate("metric")
    gate("approved")
    answer = promote(browser.by(role), target)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (409, "none")
    assert toast(answer).startswith(
        "It may not become a release: accuracy is 0.89; it must be >= 0.9; it has 0 of 1 approvals with the role"
    )
    links = [link for link in Page(answer).all("a") if link["href"] == f"{AT}/-/override"]
    assert [link["hx-target"] for link in links] == (["#dialog-body"] if role == "admin" else [])
    assert not is_release(api, version)


@pytest.mark.parametrize("htmx", [None, "main"])
@pytest.mark.parametrize(("role", "link"), [("releaser", False), ("admin", True)])
def test_on_its_page_the_gates_are_shown_again_with_what_was_refused(browser, api, version, gate, htmx, role, link):
    gate("metric")
    answer = promote(browser.by(role), htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer)) == (409, htmx is None)
    assert "accuracy is 0.89" in page.one("p", role="alert").text
    assert page.one("span", id="promotion-state").text == "1 gate does not pass"
    assert bool(page.has_class("toast")) is (htmx is not None)
    assert (f"{AT}/-/override" in page.links) is link
    assert not is_release(api, version)


# --- overriding -------------------------------------------------------------------------------------------------------


def test_the_override_lists_what_does_not_pass_and_needs_a_reason(browser, api, version, gate, trail):
    gate("metric")
    gate("metric", value=0.8)
    form = Page(browser.get(f"{AT}/-/override", htmx="dialog-body")).one("form", id="form")
    assert "it must be >= 0.9" in form.text
    assert "it must be >= 0.8" not in form.text
    for reason in ("", "   "):
        answer = browser.post(f"{AT}/-/override", {"reason": reason}, htmx="form")
        assert (answer.status_code, Page(answer).invalid) == (422, ["reason"])
    assert not is_release(api, version)
    answer = browser.post(f"{AT}/-/override", {"reason": "The fix cannot wait"}, htmx="form")
    assert answer.status_code == 204
    assert AT in answer.headers["HX-Location"]
    assert is_release(api, version)
    (entry,) = trail("gate.override")
    assert (entry["details"]["reason"], len(entry["details"]["gates"])) == ("The fix cannot wait", 1)
    assert (
        "overrode the gates of org/bert 1.0.0 for release “The fix cannot wait”"
        in Page(browser.get(AT)).one("main").text
    )


# --- deploying what is blocked ----------------------------------------------------------------------------------------


def deploy(browser, htmx=None, **more):
    data = {"model": "org/bert", "version": "1.0.0", "environment": "staging", "status": "success", **more}
    return browser.post("/new/deployment", data, htmx=htmx)


@pytest.mark.parametrize("htmx", [None, "form"])
def test_the_form_shows_what_stands_in_the_way_of_a_deployment(browser, sql, version, gate, htmx):
    gate("metric", "staging")
    gate("metric", "staging", value=0.8)
    for role, may in (("publisher", False), ("admin", True)):
        answer = deploy(browser.by(role), htmx, endpoint_url="https://typed.test/")
        page = Page(answer)
        assert (answer.status_code, is_whole(answer)) == (409, htmx is None)
        assert "1 of 2 gates pass" in page.one("p", role="alert").text
        assert "accuracy is 0.89; it must be >= 0.9" in page.one("div", class_="blocked").text
        assert bool(page.all("input", name="force")) is bool(page.all("textarea", name="reason")) is may
        assert page.field("endpoint_url").value == "https://typed.test/"
    assert sql("SELECT 1 FROM deployments") == []


def test_an_admin_deploys_against_the_gates_with_a_reason(browser, sql, version, gate, trail):
    gate("metric", "staging")
    answer = deploy(browser, "form", force="true")
    page = Page(answer)
    assert (answer.status_code, page.invalid) == (422, ["reason"])
    assert "checked" in page.one("input", name="force").attributes
    assert deploy(browser, "form", force="true", reason="Customers wait").status_code == 204
    assert [row["environment"] for row in sql("SELECT environment FROM deployments")] == ["staging"]
    assert trail("gate.override")[0]["details"]["reason"] == "Customers wait"


# --- approving in place -----------------------------------------------------------------------------------------------


def test_one_approves_and_another_promotes(browser, api, version, gate, trail):
    gate("approved")
    answer = approve(browser.by("releaser"), comment="Checked on last week's tickets")
    page = Page(answer)
    assert not is_whole(answer)
    assert toast(answer).startswith("You approved org/bert 1.0.0 for release.")
    (word,) = [item for item in page.texts("li") if item.startswith("releaser-key")]
    assert word == "releaser-key approved just now “Checked on last week's tickets” counts for anybody else Withdraw"
    assert "somebody else has to promote it" in page.one("section", id="promotion").text
    assert state(browser.by("releaser")) == ("1 gate does not pass", set())
    assert promote(browser.by("releaser"), "version-x").status_code == 409
    assert state(browser) == ("The gate passes", {"promote"})
    assert promote(browser, "main").status_code == 200
    assert [entry["api_key_name"] for entry in trail("approval.create")] == ["releaser-key"]
    assert trail("version.promote")[0]["api_key_name"] == "admin-key"
    assert trail("gate.override") == []


def test_a_changed_gate_voids_an_approval_visibly_and_it_can_be_given_again(browser, api, version, gate):
    made = gate("approved")
    approve(browser.by("releaser"), comment="fine")
    api.put(f"/api/v1/gates/{made['id']}", {"role": "publisher"})
    page = Page(browser.get(AT))
    assert "releaser-key approved just now “fine”" in page.texts("s")
    assert "does not count: a gate has changed since" in page.texts("span", class_="void")
    assert state(browser.by("releaser")) == ("1 gate does not pass", {"approve"})
    approve(browser.by("releaser"))
    assert state(browser) == ("The gate passes", {"promote"})


def test_its_maker_takes_an_approval_back(browser, api, version, gate, trail):
    gate("approved")
    approve(browser.by("releaser"))
    assert not [action for action in Page(browser.get(AT)).actions if "withdraw" in action]
    [action] = [action for action in Page(browser.by("releaser").get(AT)).actions if "withdraw" in action]
    assert browser.post(action, htmx="main").status_code == 403
    answer = browser.by("releaser").post(action, htmx="main")
    assert toast(answer).startswith("Your approval of org/bert 1.0.0 is withdrawn.")
    assert state(browser) == ("1 gate does not pass", {"approve", "override"})
    assert [entry["api_key_name"] for entry in trail("approval.withdraw")] == ["releaser-key"]


def test_what_cannot_be_approved_says_why(browser, api, version, gate):
    gate("approved")
    for data, status, said in (
        ({"target": "nowhere"}, 422, "There is no environment nowhere"),
        ({"target": "release", "comment": "x" * 10_001}, 422, "Must have 1 to 10000 characters."),
        ({}, 422, "Missing data"),
    ):
        answer = browser.post(f"{AT}/-/approve", data, htmx="main")
        assert answer.status_code == status
        assert said in toast(answer)
    api.put(f"/api/v1/versions/{version['id']}", {"status": "archived"})
    answer = approve(browser)
    assert (answer.status_code, "is archived" in toast(answer)) == (409, True)
    assert approve(browser, at="/models/org/bert/versions/9.9").status_code == 404


def test_an_approval_for_an_environment_is_given_on_the_version_s_page(browser, version, gate):
    gate("approved", "staging")
    page = Page(browser.get(AT))
    assert '<details class="place-gates" open><summary><span' in browser.get(AT).text
    assert page.one("input", name="target", value="staging")
    assert toast(approve(browser.by("releaser"), "staging")).startswith("You approved org/bert 1.0.0 for staging.")
    assert "staging The gate passes" in Page(browser.get(AT)).one("section", id="elsewhere").text
    assert deploy(browser.by("publisher"), "form").status_code == 204


# --- the inbox --------------------------------------------------------------------------------------------------------


def test_what_waits_for_me_is_listed_newest_first(browser, api, model, gate):
    gate("approved", model="org/*")
    gate("approved", "staging", model="org/*", role="admin")
    for number in range(3):
        api.by("publisher").version(model, f"1.{number}.0")
    api.by("publisher").version(api.model("other/model"))
    assert waiting(browser.by("releaser")) == [f"org/bert 1.{number}.0 to release" for number in (2, 1, 0)]
    assert waiting(browser) == [
        "org/bert 1.2.0 to release",
        "org/bert 1.2.0 to staging",
        "org/bert 1.1.0 to release",
        "org/bert 1.0.0 to release",
    ]
    assert waiting(browser.by("publisher")) == []


def test_what_is_older_than_the_release_or_live_there_waits_for_nobody(browser, api, model, gate):
    made = [api.by("publisher").version(model, f"1.{number}.0") for number in range(3)]
    api.post(f"/api/v1/versions/{made[1]['id']}/promote")
    api.deployment(made[1], "staging")
    gate("approved", model="*")
    gate("approved", "staging")
    assert waiting(browser) == ["org/bert 1.2.0 to release over 1.1.0", "org/bert 1.2.0 to staging over 1.1.0"]
    gate("released", "staging")
    assert waiting(browser) == ["org/bert 1.2.0 to release over 1.1.0"]
    api.put(f"/api/v1/versions/{made[2]['id']}", {"status": "archived"})
    assert waiting(browser) == []


def test_nothing_waits_is_another_text_than_no_gate_requires_approvals(browser, api, version, gate):
    assert "No gate requires approvals" in browser.get("/inbox").text
    gate("approved", model="other/*")
    assert "Nothing is waiting for you" in browser.get("/inbox").text


def ask(browser, comment="The German slice looks wrong", htmx=None, at=AT, target="release"):
    return browser.post(f"{at}/-/ask", {"target": target, "comment": comment}, htmx=htmx)


@pytest.mark.parametrize("htmx", [None, "waiting", "main"])
def test_who_asks_for_changes_is_seen_by_everybody_and_nothing_is_held_back(browser, api, version, gate, trail, htmx):
    gate("approved")
    answer = ask(browser.by("releaser"), htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    if htmx:
        assert toast(answer).startswith("You asked for changes to org/bert 1.0.0.")
    said = "releaser-key asked for changes just now: “The German slice looks wrong”"
    for path in ("/inbox", AT):
        assert [it.text for it in Page(browser.get(path)).has_class("ask")] == [said], path
    assert waiting(browser.by("releaser")) == ["org/bert 1.0.0 to release"]
    (entry,) = trail("comment.create")
    assert entry["details"]["asks_for_changes"] is True
    assert (
        "releaser-key asked for changes to org/bert 1.0.0"
        in Page(browser.get("/", htmx="activity")).one("section").text
    )
    approve(browser.by("releaser"))
    assert promote(browser, "main").status_code == 200


def test_the_latest_ask_is_shown_until_it_is_deleted(browser, api, version, gate):
    gate("approved")
    made = [api.by("releaser").make(f"/api/v1/versions/{version['id']}/comments", sent) for sent in (
        {"text": "first", "asks_for_changes": True},
        {"text": "second", "asks_for_changes": True},
        {"text": "only a remark"},
    )]  # fmt: skip
    for shown, deleted in (("second", made[1]), ("first", made[0])):
        for path in ("/inbox", AT):
            (word,) = Page(browser.get(path)).has_class("ask")
            assert f"“{shown}”" in word.text
        api.delete(f"/api/v1/versions/{version['id']}/comments/{deleted['id']}")
    assert [Page(browser.get(path)).has_class("ask") for path in ("/inbox", AT)] == [[], []]


@pytest.mark.parametrize("htmx", [None, "waiting", "main"])
@pytest.mark.parametrize(("comment", "why"), [("  ", "Say what should change."), ("x" * 2_001, "1 to 2000 characters")])
def test_an_ask_that_says_nothing_or_too_much_shows_the_field_again(browser, version, gate, trail, htmx, comment, why):
    gate("approved")
    gate("approved", "staging")
    answer = ask(browser, comment, htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer)) == (422, htmx is None)
    (field,) = page.all("input", aria_invalid="true")
    assert field["value"] == comment
    assert "autofocus" in field.attributes
    assert why in page.one("span", id=field["aria-describedby"]).text
    assert trail("comment.create") == []


def test_what_waits_leads_to_the_comparison_with_the_release(browser, api, model, gate):
    made = [api.by("publisher").version(model, f"1.{number}.0") for number in range(2)]
    api.post(f"/api/v1/versions/{made[0]['id']}/promote")
    gate("approved")
    gate("approved", "production")
    compare = "/models/org/bert/compare?v=1.0.0&v=1.1.0"
    links = [link for link in Page(browser.get("/inbox")).links if "/compare" in link]
    assert links == [compare, compare]
    assert browser.get(compare).status_code == 200
    assert waiting(browser)[-1] == "org/bert 1.0.0 to production"


# --- the overview -----------------------------------------------------------------------------------------------------


def shown(browser, begin):
    page = Page(browser.get("/", htmx="ready"))
    return [item.text for item in page.all("li") if (item.get("id") or "").startswith(begin)]


def test_only_what_passes_every_gate_is_ready_to_promote(browser, api, version, gate):
    api.version(api.model("org/good"), metadata={"accuracy": 0.95})
    gate("metric")
    assert [line.split()[0] for line in shown(browser, "ready-")] == ["org/good"]
    assert shown(browser, "waits-") == []
    assert "org/bert" not in browser.get("/", htmx="ready").text


def test_what_misses_approvals_alone_waits_beside(browser, api, version, gate):
    gate("approved", model="org/bert")
    gate("metric", model="org/bad")
    api.version(api.model("org/bad"))
    gate("approved", model="org/bad")
    assert shown(browser, "ready-") == []
    assert shown(browser, "approve-") == ["org/bert 1.0.0 Approve for release 0 of 1, registered just now Approve…"]
    assert shown(browser, "waits-") == []
    assert shown(browser.by("viewer"), "waits-") == ["org/bert 1.0.0 waits for approval 0 of 1 gate"]
    assert "2 models have versions newer than the release" in browser.by("viewer").get("/", htmx="ready").words
    approve(browser.by("releaser"))
    assert shown(browser.by("releaser"), "waits-") == [
        "org/bert 1.0.0 approved by you; somebody else has to promote it"
    ]
    assert [line.split()[0] for line in shown(browser, "ready-")] == ["org/bert"]
