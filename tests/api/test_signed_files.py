"""The signature of a version's files, at the API: what is verified, and that every later change counts at once."""

import json

import pytest
from signed_files import FILES, bundle, fingerprint_of, new_key, pem_of, signature_of, statement
from stage import NOWHERE, counted

from catapult.queries import file_signatures

TRUSTED, GATES = "/api/v1/trusted-keys", "/api/v1/gates"
KEY = new_key()
SIGNED_BY = f"its files are signed by release-2026, key {fingerprint_of(KEY)}"


@pytest.fixture
def version(api):
    return api.version(api.model())


@pytest.fixture
def trusted(api):
    """Trusts a key."""

    def trust(key=KEY, name="release-2026", **fields):
        return api.make(TRUSTED, {"name": name, "public_key": pem_of(key), **fields})

    return trust


@pytest.fixture
def gate(api):
    return api.make(GATES, {"model": "*", "target": "release", "kind": "files_signed"})


@pytest.fixture
def add(api, version):
    """Adds files to the version."""

    def add(files=FILES, to=version, **others):
        for path, content in {**files, **others}.items():
            answer = api.put(f"/api/v1/versions/{to['id']}/artifacts/{path}", content)
            assert answer.status_code == 201, answer.text

    return add


@pytest.fixture
def signature(api, version):
    """Asks for the signature."""
    return lambda of=version: api.by("viewer").get(f"/api/v1/versions/{of['id']}/signature").json


def why(answer):
    """Why it was blocked."""
    assert answer.status_code == 409, answer.text
    return answer.json["detail"]


def promote(api, version, **fields):
    return api.post(f"/api/v1/versions/{version['id']}/promote", fields)


def test_signed_files_are_verified_by_the_key_that_signed_them(add, trusted, signature):
    add({**FILES, "model.sig": signature_of(KEY)})
    assert signature()["detail"] == "its model.sig is signed by none of the trusted keys"
    trusted(new_key(), "another")
    key = trusted()
    assert signature() == {
        "verified": True,
        "key": {name: key[name] for name in ("id", "name", "fingerprint")},
        "detail": SIGNED_BY,
    }


def test_every_later_change_counts_at_once(api, add, trusted, signature, version):
    key = trusted()
    add({**FILES, "model.sig": signature_of(KEY)})
    at = f"{TRUSTED}/{key['id']}"
    for change, detail in (
        ({"not_after": "2026-01-01T00:00:00Z"}, "signatures do not count after 2026-01-01 00:00 UTC"),
        ({"not_after": "2100-01-01T00:00:00Z", "model": "other/*"}, "which is trusted for other/* alone"),
        ({"model": "ORG/b*"}, "its files are signed by release-2026"),
        ({"model": None, "name": "renamed"}, "its files are signed by renamed"),
    ):
        assert api.put(at, change).status_code == 200
        assert detail in signature()["detail"]
        assert signature()["verified"] is detail.startswith("its files are signed")
    add({}, **{"evil.pkl": b"x"})
    assert signature()["detail"] == 'its files are not those that renamed signed: "evil.pkl" is not signed'
    (evil,) = [
        file for file in api.get(f"/api/v1/versions/{version['id']}/artifacts").json if file["path"] == "evil.pkl"
    ]
    api.delete(f"/api/v1/artifacts/{evil['id']}")
    assert signature()["verified"]
    api.delete(at)
    assert signature() == {
        "verified": False,
        "key": None,
        "detail": "its model.sig is signed by none of the trusted keys",
    }


def test_the_signature_of_other_files_is_none_of_these(add, trusted, signature):
    trusted()
    add({**FILES, "model.sig": signature_of(KEY, {**FILES, "config.json": b"others"})})
    assert signature()["detail"] == 'its files are not those that release-2026 signed: "config.json" is changed'


def test_a_signature_is_that_of_its_own_version(api, add, trusted, signature, version):
    trusted()
    add({**FILES, "model.sig": signature_of(KEY)})
    other = api.version({"id": version["model_id"]}, "2.0.0")
    assert signature(other)["detail"] == "it has no files"
    add({"config.json": FILES["config.json"], "model.sig": signature_of(KEY)}, other)
    assert signature(other)["detail"].endswith('"weights/model.bin" is missing')
    assert signature()["verified"]


def test_a_signature_that_was_removed_and_added_again(api, add, trusted, signature, version, sql):
    trusted()
    add({**FILES, "model.sig": b"{}"})
    assert signature()["detail"] == "its model.sig is not a Sigstore bundle with one signature"
    (kept,) = sql("SELECT CAST(artifact_id AS text) AS id, bundle FROM file_signatures")
    assert kept["bundle"] == "{}"
    assert api.delete(f"/api/v1/artifacts/{kept['id']}").status_code == 204
    assert sql("SELECT FROM file_signatures") == []
    assert signature()["detail"] == "its files are not signed: there is no model.sig among them"
    add({"model.sig": signature_of(KEY)})
    assert signature()["verified"]


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b" " * (5 * 1024 * 1024), "its model.sig is larger than 4 MiB"),
        (b"\xff\xfe\x00", "its model.sig is not a Sigstore bundle with one signature"),
        (b'{"a\x00": 1}', "its model.sig is not a Sigstore bundle with one signature"),
        (b"[" * 100_000, "its model.sig is not a Sigstore bundle with one signature"),
        (b'{"mediaType": 1, "mediaType": 2}', "its model.sig is not a Sigstore bundle with one signature"),
    ],
)
def test_any_bytes_may_be_added_as_a_signature(add, trusted, signature, content, detail):
    trusted()
    add({**FILES, "model.sig": content})
    assert signature() == {"verified": False, "key": None, "detail": detail}


def test_a_signature_from_before_it_was_kept_says_what_to_do(add, trusted, signature, sql):
    trusted()
    add({**FILES, "model.sig": signature_of(KEY)})
    sql("DELETE FROM file_signatures")
    assert signature()["detail"].endswith("was added before signatures were read; remove it and add it again")


def test_no_version_has_no_signature(api):
    assert api.get(f"/api/v1/versions/{NOWHERE}/signature").status_code == 404


# --- the gate


def test_the_decision_keeps_the_keys_name_and_fingerprint(api, add, trusted, gate, version):
    key = trusted()
    assert "it has no files" in why(promote(api, version))
    add({**FILES, "model.sig": signature_of(KEY)})
    assert promote(api, version).status_code == 200
    api.delete(f"{TRUSTED}/{key['id']}")
    (decision,) = api.get(f"/api/v1/versions/{version['id']}/decisions").json
    (verdict,) = decision["verdicts"]
    assert (verdict["kind"], verdict["passed"], verdict["detail"]) == ("files_signed", True, SIGNED_BY)
    assert verdict["rule"] == "all files signed by a trusted key"


def test_a_name_of_a_signed_file_that_no_column_holds_is_kept_in_words(api, add, trusted, gate, version):
    trusted()
    content = statement()
    content["predicate"]["resources"][0]["name"] = "\ud800\0"
    add({**FILES, "model.sig": json.dumps(bundle(KEY, content)).encode()})
    assert '"\\ud800\\u0000" is missing' in why(promote(api, version))
    assert promote(api, version, force=True, reason="a test").status_code == 200
    (decision,) = api.get(f"/api/v1/versions/{version['id']}/decisions").json
    assert '"\\ud800\\u0000" is missing' in decision["verdicts"][0]["detail"]


def test_a_key_that_goes_between_approval_and_promotion_counts_no_more(api, add, trusted, gate, version):
    key = trusted()
    api.make(GATES, {"model": "*", "target": "release", "kind": "approved"})
    add({**FILES, "model.sig": signature_of(KEY)})
    approval = api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    api.delete(f"{TRUSTED}/{key['id']}")
    refused = promote(api, version)
    assert [verdict["passed"] for verdict in refused.json["gates"]] == [False, True]
    assert refused.json["gates"][1]["approvals"][0]["id"] == approval["id"]
    assert "signed by none of the trusted keys" in why(refused)


def test_a_version_is_no_release_at_once_and_goes_nowhere_unsigned(api, gate, version):
    body = {"model_id": version["model_id"], "version": "2.0.0", "tag": "v2", "digest": version["digest"]}
    assert "it has no files" in why(api.post("/api/v1/versions", {**body, "is_release": True}))
    api.put("/api/v1/environments/staging", {})
    api.make(GATES, {"model": "*", "target": "staging", "kind": "files_signed"})
    sent = {"release_id": version["id"], "environment": "staging"}
    for status in ("pending", "success"):
        assert "it has no files" in why(api.post("/api/v1/deployments", {**sent, "status": status}))


def test_a_promotion_sends_one_statement_more_however_many_such_gates_there_are(app, api, add, trusted, gate, version):
    trusted()
    for pattern in ("org/*", "org/b*"):
        api.make(GATES, {"model": pattern, "target": "release", "kind": "files_signed"})
    add({**FILES, "model.sig": signature_of(KEY)})
    with counted(app) as statements:
        assert promote(api, version).status_code == 200
    assert len([statement for statement in statements if "file_signatures" in statement]) == 1
    assert len(statements) <= 5, statements


def test_a_list_reads_no_more_signatures_than_memory_should_hold(app, api, add, trusted, version, monkeypatch):
    trusted()
    content = signature_of(KEY)
    versions = [version, *(api.version({"id": version["model_id"]}, f"2.{number}") for number in range(3))]
    for each in versions:
        add({**FILES, "model.sig": content}, each)
    assert file_signatures.MOST_AT_ONCE >= 4 * 1024 * 1024  # one is always read
    less = str(file_signatures._FACTS).replace(str(file_signatures.MOST_AT_ONCE), str(2 * len(content)))
    with app.app_context():
        monkeypatch.setattr(file_signatures, "_FACTS", type(file_signatures._FACTS)(less))
        verified = [signature.verified for signature in file_signatures.of(each["id"] for each in versions).values()]
    assert sorted(verified) == [False, False, True, True]
