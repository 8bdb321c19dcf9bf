"""A chip beside what is live if the tag or the digest of its image leads to another image, or to none."""

import pytest
from markup import Page
from stage import counted

MOVED_TO = "sha256:" + "b" * 64
MOVED = ("tag moved", f"The tag leads to another image now: {MOVED_TO}")
FAULTS = {
    ("verified", "moved"): [MOVED],
    ("verified", "gone"): [("tag gone", "The image registry no longer has this tag")],
    ("missing", None): [("digest missing", "The image registry does not have this digest")],
    ("mismatch", None): [("digest differs", "The image registry sends other content for this digest")],
    ("missing", "moved"): [("digest missing", "The image registry does not have this digest"), MOVED],
    ("verified", "current"): [],
    ("unverified", None): [],
}
"""The chips, with their titles, by the status of the digest and of the tag."""

CHECK = """
INSERT INTO image_checks (version_id, repository, digest_status, tag_status, tag_digest, detail, checked_at, verified_at,
    unreachable)
VALUES (:version, :repository, :digest_status, :tag_status, :tag_digest, 'x', now(), now(), :unreachable)
"""


@pytest.fixture
def deployment(api):
    """A version that is live in staging, without an answer of its image registry."""
    api.put("/api/v1/environments/staging", {"rank": 1})
    return api.deployment(api.version(api.model()), "staging")


@pytest.fixture
def answer(sql):
    """A function that stores an answer of the image registry about the version of a deployment."""

    def store(
        deployment, digest_status="verified", tag_status="moved", unreachable=False, repository="docker.io/org/bert"
    ):
        digest = MOVED_TO if tag_status == "moved" else None
        values = {"digest_status": digest_status, "tag_status": tag_status, "tag_digest": digest}
        sql(CHECK, version=deployment["release_id"], repository=repository, unreachable=unreachable, **values)

    return store


def paths(deployment):
    return ["/", "/environments", "/environments/staging", f"/deployments/{deployment['id']}"]


def chips(browser, path):
    """Return the text and the title of each red chip on the page."""
    return [
        (chip.text, chip.get("title"))
        for chip in Page(browser.get(path)).has_class("chip")
        if "bad" in chip["class"].split()
    ]


@pytest.mark.parametrize(("statuses", "shown"), FAULTS.items())
def test_every_page_of_what_is_live_shows_what_needs_attention_alone(browser, deployment, answer, statuses, shown):
    answer(deployment, *statuses)
    assert {path: chips(browser, path) for path in paths(deployment)} == dict.fromkeys(paths(deployment), shown)


def test_it_stays_while_the_registry_cannot_be_reached(browser, deployment, answer):
    answer(deployment, unreachable=True)
    assert [chips(browser, path) for path in paths(deployment)] == [[MOVED]] * 4


def test_an_answer_about_another_repository_counts_for_nothing(browser, deployment, answer):
    answer(deployment, repository="docker.io/org/before")
    assert [chips(browser, path) for path in paths(deployment)] == [[]] * 4


def test_it_stays_beside_the_live_version_while_another_one_is_on_its_way(browser, api, deployment, answer):
    answer(deployment)
    api.deployment(api.version({"id": api.get("/api/v1/models").json[0]["id"]}, "1.1.0"), "staging", status="running")
    assert [chips(browser, path) for path in paths(deployment)] == [[MOVED]] * 4
    assert "1.0.0 tag moved → becomes 1.1.0" in Page(browser.get("/")).one("td", data_label="staging").text


def test_what_is_over_needs_no_attention(browser, api, deployment, answer):
    answer(deployment)
    api.deployment(api.version({"id": api.get("/api/v1/models").json[0]["id"]}, "1.1.0"), "staging")
    assert [chips(browser, path) for path in paths(deployment)] == [[]] * 4


def test_what_is_not_live_yet_shows_it_on_its_own_page(browser, api, deployment, answer):
    waiting = api.deployment({"id": deployment["release_id"]}, "production", status="pending")
    answer(waiting)
    assert chips(browser, f"/deployments/{waiting['id']}") == [MOVED]


def test_it_takes_no_statement_of_its_own(app, browser, deployment, answer):
    def count():
        with counted(app) as sent:
            for path in paths(deployment):
                browser.get(path)
        return len(sent)

    browser.get("/")
    before = count()
    answer(deployment)
    assert count() == before
