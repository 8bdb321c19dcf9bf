"""Comments on versions: who may make and delete them, what everybody sees, and that they hold nothing back."""

import pytest
from stage import NOWHERE, TIME, UUID7, Api, audited, refusal

ASK = {"text": "The German slice looks wrong", "asks_for_changes": True}


@pytest.fixture
def version(api):
    return api.version(api.model())


@pytest.fixture
def path(version):
    return f"/api/v1/versions/{version['id']}/comments"


def of_person(api, name, **fields):
    """A client with a new key of the person of that name, who is added."""
    person = api.make("/api/v1/people", {"name": name, "role": "releaser"})
    return person, with_key(api, person_id=person["id"], **fields)


def with_key(api, **fields):
    key = api.make("/api/v1/api-keys", {"name": "laptop", **fields})
    client = Api(api.app, {"laptop": key["key"]}, "laptop")
    client.key_id = key["id"]
    return client


def texts(api, path):
    return [comment["text"] for comment in api.get(path).json]


def test_a_comment_says_who_and_when_and_everybody_sees_it(api, version, path, trail):
    _, dana = of_person(api, "Dana Ortiz")
    comment = dana.make(path, ASK)
    assert UUID7.fullmatch(comment["id"])
    assert TIME.fullmatch(comment["created_at"])
    expected = {"version_id": version["id"], **ASK, "created_by": "Dana Ortiz"}
    assert comment == {"id": comment["id"], "created_at": comment["created_at"], **expected}
    assert api.by("viewer").get(path).json == [comment]
    entry = trail()[0]
    assert audited(entry)[:2] == ("comment.create", comment["id"])
    assert (entry["resource_type"], entry["person_name"]) == ("comment", "Dana Ortiz")
    about = {"model": "org/bert", "version": "1.0.0", "version_id": version["id"]}
    assert entry["details"] == {**about, **ASK}


def test_comments_are_listed_newest_first_by_pages(api, path):
    for number in range(5):
        api.make(path, {"text": f"{number}"})
    assert [comment["text"] for comment in api.walk(f"{path}?limit=3")] == ["4", "3", "2", "1", "0"]


def test_a_comment_asks_for_changes_only_if_it_says_so(api, path):
    for sent, asks in (({}, False), ({"asks_for_changes": None}, False), ({"asks_for_changes": True}, True)):
        assert api.make(path, {"text": "x", **sent})["asks_for_changes"] is asks


def test_a_comment_belongs_to_one_version(api, version, path):
    other = api.version({"id": version["model_id"]}, "2.0.0")
    comment = api.make(path, {"text": "x"})
    assert texts(api, path.replace(version["id"], other["id"])) == []
    elsewhere = f"{path.replace(version['id'], other['id'])}/{comment['id']}"
    assert refusal(api.delete(elsewhere)) == "not-found"
    assert refusal(api.delete(f"{path}/{NOWHERE}")) == "not-found"
    assert texts(api, path) == ["x"]


def test_its_maker_deletes_a_comment_with_any_key_and_the_log_keeps_it(api, path, trail, sql):
    person, dana = of_person(api, "Dana Ortiz")
    comment = dana.make(path, {"text": "wrong version, sorry"})
    answer = with_key(api, person_id=person["id"]).delete(f"{path}/{comment['id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert texts(api, path) == []
    deleted, created = [entry for entry in trail() if entry["resource_type"] == "comment"]
    assert (deleted["action"], str(deleted["resource_id"])) == ("comment.delete", comment["id"])
    assert deleted["details"]["created_by"] == "Dana Ortiz"
    assert created["details"]["text"] == "wrong version, sorry"
    assert [row["text"] for row in sql("SELECT text FROM comments WHERE deleted_at IS NOT NULL")] == [comment["text"]]
    assert refusal(dana.delete(f"{path}/{comment['id']}")) == "not-found"


def test_a_rotated_key_is_the_same_maker(api, path):
    service = with_key(api)
    comment = service.make(path, {"text": "from the job"})
    rotated = api.make(f"/api/v1/api-keys/{service.key_id}/rotate", {})
    later = Api(api.app, {"later": rotated["key"]}, "later")
    assert later.delete(f"{path}/{comment['id']}").status_code == 204


@pytest.mark.parametrize("role", ["publisher", "releaser"])
def test_nobody_else_but_an_admin_deletes_it(api, path, trail, role):
    _, dana = of_person(api, "Dana Ortiz")
    comment = dana.make(path, {"text": "x"})
    refused = api.by(role).delete(f"{path}/{comment['id']}")
    assert refusal(refused) == "forbidden"
    assert "Only Dana Ortiz, who wrote this comment, or an admin" in refused.json["detail"]
    assert texts(api, path) == ["x"]
    assert api.delete(f"{path}/{comment['id']}").status_code == 204
    assert (trail()[0]["action"], trail()[0]["api_key_name"]) == ("comment.delete", "admin-key")


def test_an_admin_deletes_none_beyond_the_bounds_of_the_key(api, path):
    comment = api.make(path, {"text": "x"})
    bounded = with_key(api, role="admin", models=["other/*"])
    assert refusal(bounded.delete(f"{path}/{comment['id']}")) == "forbidden"
    assert refusal(bounded.post(path, {"text": "y"})) == "forbidden"
    assert texts(api, path) == ["x"]


def test_it_holds_nothing_back_and_changes_neither_the_version_nor_its_approvals(api, path):
    registrar = with_key(api)
    version = registrar.version({"id": api.get("/api/v1/models").json[0]["id"]}, "3.0.0")
    at = f"/api/v1/versions/{version['id']}"
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved"})
    api.by("releaser").make(f"{at}/approvals", {"target": "release"})
    before = api.get(at)
    with_key(api).make(f"{at}/comments", ASK)
    after = api.get(at)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    assert api.post(f"{at}/promote").status_code == 200


def test_an_archived_version_takes_comments_and_a_deleted_one_shows_none(api, version, path):
    at = f"/api/v1/versions/{version['id']}"
    api.put(at, {"status": "archived"})
    comment = api.make(path, {"text": "Archived because of the licence"})
    api.delete(at)
    assert refusal(api.get(path)) == "not-found"
    assert refusal(api.post(path, {"text": "x"})) == "not-found"
    assert refusal(api.delete(f"{path}/{comment['id']}")) == "not-found"


def test_the_activity_of_the_model_has_its_comments_and_that_of_an_older_one_of_the_name_has_not(api, version, app):
    from catapult.queries import audit_logs
    from catapult.queries.lists.paging import Page

    old = version["model_id"]
    api.make(f"/api/v1/versions/{version['id']}/comments", {"text": "x"})
    api.delete(f"/api/v1/models/{old}")
    new = api.model()
    api.make(f"/api/v1/versions/{api.version(new)['id']}/comments", {"text": "y"})

    def said(model_id):
        with app.app_context():
            rows = audit_logs.about(model_id, ["org/bert"]).page(Page(50))
            return [row.details for row in rows if row.action == "comment.create"]

    assert ['"text": "y"' in details for details in said(new["id"])] == [True]
    assert ['"text": "x"' in details for details in said(old)] == [True]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a\n\n  b\u2028é", "  kept  "])
def test_the_text_is_kept_as_it_was_sent(api, path, text):
    assert api.make(path, {"text": text})["text"] == text
    assert texts(api, path) == [text]


@pytest.mark.parametrize("text", [" ", "\u200b", " \u2800\n"])
def test_a_comment_that_shows_nothing_is_refused(api, trail, text):
    version = api.version(api.model())
    refused = api.post(f"/api/v1/versions/{version['id']}/comments", {"text": text})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["text"])
    assert not trail("comment.create")
