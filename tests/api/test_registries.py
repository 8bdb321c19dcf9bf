"""`/api/v1/registries`: how image registries are asked, and whose secrets are sent where."""

from dataclasses import replace

import pytest
from certificate import self_signed
from stage import NOWHERE, Api, application, audited, faults

from catapult.config import Allowed, RegistrySecrets
from catapult.oci import Access, RegistryError
from catapult.queries import registries

AT = "/api/v1/registries"
HOST = "93.184.215.14:5000"
BODY = {"host": HOST, "repositories": ["team/*"]}
PASSWORD, CA = "pa55word-of-ghcr", "corp-ca"
FULL = {**BODY, "allow_http": False, "ca": CA, "username": "robot$catapult", "secret": "ghcr"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return (self_signed(tmp_path_factory.mktemp("tls")) / "fullchain.pem").read_text()


@pytest.fixture(scope="module")
def asking(shared_app, tmp_path_factory):
    """An application that has secrets."""
    secrets = RegistrySecrets(tmp_path_factory.mktemp("secrets"), {"REGISTRY_SECRET_OF_A_VARIABLE": f"{PASSWORD}\n"})
    changed = {"registry_secrets": secrets, "egress_allow": (Allowed.of("127.0.0.1:5000"),)}
    with application(replace(shared_app.extensions["catapult"], **changed)) as asking:
        yield asking


@pytest.fixture
def folder(asking, certificates):
    """The folder of its secrets, with a password and certificates only."""
    folder = asking.extensions["catapult"].registry_secrets.folder
    for file in folder.iterdir():
        file.unlink()
    (folder / "ghcr").write_text(f"{PASSWORD}\n")
    (folder / CA).write_text(certificates)
    return folder


@pytest.fixture
def desk(app, asking, keys, folder):
    """An admin's client of that application."""
    return Api(asking, keys)


@pytest.fixture
def access(desk):
    """How a repository of `HOST` is reached."""

    def read(repository, host=HOST):
        with desk.app.app_context():
            return registries.access(host, repository)

    return read


def test_a_registry_answers_with_every_field_and_no_secret(desk, trail):
    made = desk.post(AT, FULL)
    assert made.status_code == 201, made.text
    own = {**FULL, "created_by": "admin-key"}
    assert made.json == {**own, **{name: made.json[name] for name in ("id", "created_at", "updated_at")}}
    got = desk.get(made.headers["Location"])
    assert (got.json, got.headers["ETag"]) == (made.json, made.headers["ETag"])
    assert desk.get(AT).json == [made.json]
    (entry,) = trail("registry.create")
    assert audited(entry) == ("registry.create", made.json["id"], "admin-key")
    assert entry["details"] == FULL


def test_what_a_registry_has_when_it_says_little(api):
    made = api.make(AT, {**BODY, "host": "93.184.215.14", "repositories": ["b", "a", "b"]})
    assert [made[name] for name in ("allow_http", "ca", "username", "secret")] == [False, None, None, None]
    assert made["repositories"] == ["b", "a"]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *(("host", host) for host in ("", "a b", "https://ghcr.io", "ghcr.io/team", "u@ghcr.io", "x:", 1, None)),
        *(("host", host) for host in ("index.docker.io", "Registry-1.docker.io", "127.0.0.1:0", "999.1.1.1")),
        *(("repositories", patterns) for patterns in ([], ["Team/*"], ["x y"], ["/x"], [1], "x", ["x"] * 51, None)),
        *((name, secret) for name in ("ca", "secret") for secret in ("../x", ".env", "a/b", "", "a\\b", "x" * 129, 1)),
        *(("username", user) for user in ("a:b", "", "a b", "x" * 256, 1)),
        ("allow_http", "yes"),
        ("password", PASSWORD),
    ],
)
def test_bad_fields_are_named(desk, field, bad):
    refused = desk.post(AT, {**FULL, field: bad})
    assert faults(refused) == {field}
    assert desk.get(AT).json == []


def test_the_host_is_in_lower_case(api):
    api.make(AT, {**BODY, "host": "93.184.215.14"})
    (made,) = api.get(AT).json
    changed = api.put(f"{AT}/{made['id']}", {"host": "[::1]"})
    assert faults(changed) == {"host"}


def test_a_username_takes_a_secret(desk):
    assert faults(desk.post(AT, {**BODY, "username": "puller"})) == {"secret"}
    made = desk.make(AT, FULL)
    assert faults(desk.put(f"{AT}/{made['id']}", {"secret": None})) == {"secret"}
    assert desk.put(f"{AT}/{made['id']}", {"secret": None, "username": None}).status_code == 200


@pytest.mark.parametrize(
    ("field", "name", "message"),
    [
        (
            "secret",
            "nothing",
            "as the file nothing in the folder REGISTRY_SECRETS, or as the variable REGISTRY_SECRET_",
        ),
        ("secret", "a.b-c", "REGISTRY_SECRET_A_B_C"),
        ("ca", "nothing", "REGISTRY_SECRET_NOTHING"),
        ("ca", "ghcr", "no certificates in PEM"),
    ],
)
def test_a_secret_that_leads_to_nothing_is_refused_with_both_ways(desk, field, name, message):
    made = desk.make(AT, FULL)
    for refused in (desk.post(AT, {**FULL, field: name}), desk.put(f"{AT}/{made['id']}", {field: name})):
        assert faults(refused) == {field}
        assert message in refused.json["errors"][field][0]
        assert PASSWORD not in refused.text


def test_without_a_folder_it_says_so(api):
    refused = api.post(AT, FULL)
    assert faults(refused) == {"ca", "secret"}
    assert "REGISTRY_SECRETS, which is not set" in refused.json["errors"]["secret"][0]


@pytest.mark.parametrize(
    ("host", "allow_http", "message"),
    [
        ("127.0.0.2:5000", False, "EGRESS_ALLOW"),
        ("10.1.2.3", False, "EGRESS_ALLOW"),
        ("127.0.0.1:5001", False, "EGRESS_ALLOW"),
        ("169.254.169.254", False, "EGRESS_ALLOW"),
        (HOST, True, "EGRESS_ALLOW"),
        ("no-such-name.invalid", False, "no address"),
    ],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused(desk, host, allow_http, message):
    made = desk.make(AT, BODY)
    sent = {"host": host, "allow_http": allow_http}
    for refused in (desk.post(AT, {**BODY, **sent}), desk.put(f"{AT}/{made['id']}", sent)):
        assert faults(refused) == {"host"}
        assert message in refused.json["errors"]["host"][0]


def test_a_private_address_that_is_allowed_may_be_asked(desk):
    for allow_http in (True, False):
        made = desk.make(AT, {**BODY, "host": "127.0.0.1:5000", "allow_http": allow_http})
        assert desk.put(f"{AT}/{made['id']}", {"allow_http": not allow_http}).status_code == 200


def test_fields_change_one_by_one(desk, trail):
    at = f"{AT}/{desk.make(AT, FULL)['id']}"
    changed = desk.put(at, {"ca": None, "repositories": ["*"]})
    assert {name: changed.json[name] for name in FULL} == {**FULL, "ca": None, "repositories": ["*"]}
    (entry,) = trail("registry.update")
    changes = {"ca": {"old": CA, "new": None}, "repositories": {"old": ["team/*"], "new": ["*"]}}
    assert entry["details"] == {"host": HOST, "changes": changes}
    assert desk.put(at, {"repositories": ["*"]}).headers["ETag"] == changed.headers["ETag"]
    assert len(trail("registry.update")) == 1


def test_etags_and_repeated_posts(api):
    made = api.post(AT, BODY, headers={"Idempotency-Key": "1"})
    again = api.post(AT, BODY, headers={"Idempotency-Key": "1"})
    assert (again.json, again.headers["Idempotency-Replayed"]) == (made.json, "true")
    at, old = made.headers["Location"], {"If-Match": made.headers["ETag"]}
    assert api.put(at, {"host": "93.184.215.14"}, headers=old).status_code == 200
    for late in ({"host": HOST}, {"repositories": ["b"]}):
        assert api.put(at, late, headers=old).status_code == 412
    assert api.delete(at, headers=old).status_code == 412
    assert api.get(at).json["host"] == "93.184.215.14"


def test_an_admin_with_bounds_sees_and_changes_none(api):
    made = api.make(AT, BODY)
    at = f"{AT}/{made['id']}"
    for bounds in ({"models": ["org/*"]}, {"environments": ["staging"]}):
        key = api.make("/api/v1/api-keys", {"name": "bound", "role": "admin", **bounds})["key"]
        bound = Api(api.app, {"bound": key}, "bound")
        for answer in (bound.get(AT), bound.get(at), bound.post(AT, BODY), bound.put(at, {}), bound.delete(at)):
            assert answer.status_code == 403
            assert "registries" in answer.json["detail"]


def test_there_are_fifty_at_most(api, sql):
    made = api.make(AT, BODY)
    sql(
        "INSERT INTO registries (id, host, repositories, created_by) SELECT gen_random_uuid(), host, repositories, 'x'"
        " FROM registries, generate_series(2, 50)"
    )
    refused = api.post(AT, BODY)
    assert (refused.status_code, refused.json["detail"][:23]) == (409, "There are 50 registries")
    api.delete(f"{AT}/{made['id']}")
    api.make(AT, BODY)


def test_one_that_is_not_there(api):
    at = f"{AT}/{NOWHERE}"
    changes = (api.put(at, {"repositories": ["x"]}), api.put(at, {"host": HOST}), api.delete(at))
    assert {answer.status_code for answer in (api.get(at), *changes)} == {404}


# --- how a repository is reached


def test_the_oldest_registry_of_the_host_that_matches_is_used(desk, access):
    made = [
        desk.make(AT, {**BODY, "repositories": patterns, "secret": secret})
        for patterns, secret in ((["team/*"], None), (["team/bert", "x"], "ghcr"), (["*"], "of-a.variable"))
    ]
    anonymous, known = Access(), Access(secret=PASSWORD)
    assert access("team/bert") == anonymous
    desk.delete(f"{AT}/{made[0]['id']}")
    assert access("team/bert") == access("x") == access("team/sub/other") == known
    desk.delete(f"{AT}/{made[2]['id']}")
    assert access("team/sub/other") == access("team/bert2") == anonymous
    assert access("team/bert", "93.184.215.14") == anonymous


def test_a_pattern_matches_any_text_and_nothing_but_stars_is_special(desk, access):
    desk.make(AT, {**BODY, "repositories": ["a.b/*-x/c*"], "secret": "ghcr"})
    matching = [name for name in ("a.b/1-x/c", "a.b/1/2-x/c/d", "a.b/-x/c") if access(name).secret]
    other = [name for name in ("aXb/1-x/c", "a.b/1-x/d", "z/a.b/1-x/c") if access(name).secret]
    assert (len(matching), other) == (3, [])


def test_everything_that_is_known_of_a_registry_is_used(desk, access, folder):
    desk.make(AT, FULL)
    assert access("team/bert") == Access(False, (folder / CA).read_text().rstrip("\n"), "robot$catapult", PASSWORD)
    assert PASSWORD not in repr(access("team/bert"))


def test_a_rotated_secret_counts_at_once_and_one_that_is_gone_is_told(desk, access, folder, trail):
    desk.make(AT, FULL)
    (folder / "ghcr").write_text("rotated\r\n")
    assert access("team/bert").secret == "rotated"
    (folder / "ghcr").unlink()
    with pytest.raises(RegistryError, match="There is no secret ghcr") as missing:
        access("team/bert")
    assert "REGISTRY_SECRET_GHCR" in missing.value.reason
    (folder / "ghcr").write_text("again")
    (folder / CA).write_text("rubbish")
    with pytest.raises(RegistryError, match="no certificates in PEM"):
        access("team/bert")


def test_no_secret_is_in_any_answer_entry_row_or_log(desk, sql, trail, folder, capfd):
    made = desk.make(AT, FULL)
    at = f"{AT}/{made['id']}"
    (folder / "other").write_text(PASSWORD)
    answers = [desk.get(at), desk.get(AT), desk.put(at, {"secret": "other"}), desk.put(at, {"ca": "other"})]
    answers += [desk.delete(at)]
    assert PASSWORD not in "".join(answer.text for answer in answers)
    assert PASSWORD not in str(sql("SELECT * FROM registries")) + str(trail())
    assert PASSWORD not in repr(desk.app.extensions["catapult"])
    assert PASSWORD not in "".join(capfd.readouterr())
