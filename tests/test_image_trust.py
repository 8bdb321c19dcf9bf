"""What a real image registry answers, from the registration to the gate, the page, the job and the decision."""

import json
import secrets
from datetime import timedelta

import pytest
import requests
from catapult_client import cli
from catapult_client.commands import Usage
from catapult_client.output import Output
from client.wsgi_adapter import WSGIAdapter
from image_layouts import image, index
from image_registry import image_registry
from pages.conftest import Browser
from pages.markup import Page
from signed_files import new_key, pem_of
from stage import Api, faults

from catapult import Registry, RegistryError
from catapult.config import Allowed
from catapult.jobs import verify
from catapult.jobs.kinds import KINDS
from catapult.jobs.worker import Worker
from catapult.tables import Action

LOCAL = (Allowed.of("127.0.0.0/8"), Allowed.of("localhost"), Allowed.of("[::1]"))
MODEL = "org/bert"
VERSIONS = "/api/v1/versions"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    with image_registry(tmp_path_factory.mktemp("images")) as registry:
        yield registry


@pytest.fixture
def asking(app_with):
    """The application as it asks registries on this machine, and looks again after every version that is live."""
    return app_with(egress_allow=LOCAL, drift_every=900)


@pytest.fixture
def desk(asking, keys, images):
    desk = Api(asking, keys)
    access = {"host": images.host, "repositories": ["*"], "allow_http": True}
    assert desk.post("/api/v1/registries", access).status_code == 201
    return desk


@pytest.fixture
def repository(desk, images):
    """The repository of the model `org/bert`, which no other test uses."""
    name = f"team/{secrets.token_hex(6)}"
    desk.make("/api/v1/models", {"name": MODEL, "repository": f"{images.host}/{name}"})
    return name


@pytest.fixture
def pushed(images, repository):
    """`pushed("v1")` pushes an image with that tag and returns its digest. Each one differs."""
    return lambda tag, made=None: images.push(repository, made or image(labels={"build": secrets.token_hex(4)}), tag)


def by_hand(desk, digest, tag="v1", version="1.0.0"):
    return desk.make(VERSIONS, {"model_name": MODEL, "version": version, "tag": tag, "digest": digest})


def verified(desk, version):
    answer = desk.post(f"{VERSIONS}/{version['id']}/verify", {})
    assert answer.status_code == 200, answer.text
    return answer.json


def trust(desk, key, name="release-2026", **more):
    return desk.make("/api/v1/trusted-keys", {"name": name, "public_key": pem_of(key), **more})


def gate(desk, kind, target="release", **own):
    return desk.make("/api/v1/gates", {"model": MODEL, "target": target, "kind": kind, **own})


def detail_of(desk, version, target="release"):
    [verdict] = desk.get(f"{VERSIONS}/{version['id']}/gates?target={target}").json
    return verdict["passed"], verdict["detail"]


def entries(desk, action="version.verify"):
    return desk.get(f"/api/v1/audit-logs?action={action}").json


# --- registering ------------------------------------------------------------------------------------------------------


def test_nobody_types_a_digest(desk, images, repository, pushed):
    labels = {
        "org.opencontainers.image.revision": "17f330c",
        "org.opencontainers.image.source": "https://git.example/x",
    }
    digest = pushed("v1", image(labels=labels))
    name = f"{images.host}/{repository}:v1"
    version = desk.make(VERSIONS, {"model_name": MODEL, "version": "1.0.0", "image": name})
    assert (version["tag"], version["digest"], version["platform"]) == ("v1", digest, "linux/amd64")
    assert (version["digest_status"], version["tag_status"]) == ("verified", "current")
    assert version["image"] == f"{images.host}/{repository}@{digest}"
    manifest = version["manifest"]
    assert (manifest["revision"], manifest["source"]) == ("17f330c", "https://git.example/x")
    assert manifest["platforms"] == ["linux/amd64"]
    assert manifest["created"] == "2026-11-30T10:15:30.123456Z"
    assert version["size_bytes"] == manifest["size_bytes"] > 10_000
    assert desk.get(f"{VERSIONS}/{version['id']}").json == version
    [entry] = entries(desk, "version.create")
    assert (entry["details"]["digest"], entry["details"]["image"]) == (digest, name)


def test_a_registration_that_is_repeated_by_its_key_is_answered_as_before(desk, images, repository, pushed):
    pushed("v1")
    body = {"model_name": MODEL, "version": "1.0.0", "image": f"{images.host}/{repository}:v1"}
    first, again = (desk.post(VERSIONS, body, headers={"Idempotency-Key": "a"}) for _ in range(2))
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    assert "Idempotency-Replayed" in again.headers
    assert len(entries(desk, "version.create")) == 1


def test_an_image_may_be_named_by_its_digest_alone_or_by_both(desk, images, repository, pushed):
    digest = pushed("v1", index(image("amd64"), image("arm64")))
    alone = desk.make(VERSIONS, {"model_name": MODEL, "version": "1", "image": f"{images.host}/{repository}@{digest}"})
    assert (alone["tag"], alone["digest"], alone["tag_status"]) == (None, digest, None)
    assert alone["manifest"]["platforms"] == ["linux/amd64", "linux/arm64"]
    both = {"model_name": MODEL, "version": "2", "image": f"{images.host}/{repository}:v1@{digest}"}
    assert desk.make(VERSIONS, both)["tag_status"] == "current"
    pushed("v1")
    refused = desk.post(VERSIONS, {**both, "version": "3"})
    assert faults(refused) == {"image"}
    assert "not to the digest that you named" in refused.json["errors"]["image"][0]


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"image": "{at}:none"}, {"image"}),
        ({"image": "{at}@sha256:" + "a" * 64}, {"image"}),
        ({"image": "{at}"}, {"image"}),
        ({"image": "https://{at}:v1"}, {"image"}),
        ({"image": "{host}/team/other:v1"}, {"image"}),
        ({"image": "{at}:v1", "tag": "v1", "digest": "sha256:" + "a" * 64}, {"tag", "digest"}),
        ({"image": "{at}:v1", "resolved_by_client": True}, {"image"}),
        ({"resolved_by_client": True, "source": "s3://x"}, {"image"}),
    ],
)
def test_what_is_no_image_of_the_model_is_refused_by_its_field(desk, images, repository, pushed, sent, named):
    pushed("v1")
    images.push("team/other", image(), "v1")
    at = {"host": images.host, "at": f"{images.host}/{repository}"}
    body = {name: value.format(**at) if isinstance(value, str) else value for name, value in sent.items()}
    refused = desk.post(VERSIONS, {"model_name": MODEL, "version": "1.0.0", **body})
    assert (refused.status_code, faults(refused)) == (422, named)
    assert not desk.get(VERSIONS).json


def test_nobody_learns_of_other_images_by_the_servers_credentials(desk, asking, images, repository, pushed):
    """Neither whether a tag of another repository is there, nor where it leads; and a bounded key asks for nothing beyond."""
    images.push("team/secret", image(), "v1")
    body = {"model_name": MODEL, "version": "1.0.0", "image": f"{images.host}/team/secret:"}
    there, absent = (desk.post(VERSIONS, {**body, "image": body["image"] + tag}) for tag in ("v1", "none"))
    assert (there.status_code, there.json["errors"]) == (422, absent.json["errors"])
    assert "is in" in there.json["errors"]["image"][0].lower()
    pushed("v1")
    own = {**body, "image": f"{images.host}/{repository}:v1"}
    bound = desk.make("/api/v1/api-keys", {"name": "bound", "role": "publisher", "models": ["other/*"]})
    assert Api(asking, {"bound": bound["key"]}, "bound").post(VERSIONS, own).status_code == 403


def test_where_the_server_has_no_way_the_sdk_resolves(app, keys, images, repository, pushed):
    digest = pushed("v1")
    with requests.Session() as session:
        session.mount("http://catapult", WSGIAdapter(app))  # an application without EGRESS_ALLOW
        registry = Registry("http://catapult/api", keys["publisher"], session=session)
        version = registry.create_version(MODEL, "1.0.0", image=f"{images.host}/{repository}:v1")
        assert (version.digest, version.digest_status) == (digest, "unverified")
        assert "publisher-key" in version.verification["detail"]
        again = registry.ensure_version(MODEL, "1.0.0", image=f"{images.host}/{repository}:v1")
        assert again == version
        with pytest.raises(RegistryError, match="did not tell the digest"):
            registry.create_version(MODEL, "1.0.1", image=f"{images.host}/{repository}:none")


# --- what is verified -------------------------------------------------------------------------------------------------


def test_a_moved_tag_a_deleted_image_and_an_entry_for_each_change(desk, images, repository, pushed):
    digest = pushed("v1")
    version = by_hand(desk, digest)
    assert (version["digest_status"], version["verification"], version["signatures"]) == ("unverified", None, [])
    assert verified(desk, version)["digest_status"] == "verified"
    verified(desk, version)
    assert len(entries(desk)) == 1
    other = pushed("v1")
    moved = verified(desk, version)
    assert (moved["digest_status"], moved["tag_status"]) == ("verified", "moved")
    assert moved["verification"]["tag_digest"] == other
    images.delete(repository, other)
    assert verified(desk, version)["tag_status"] == "gone"
    images.delete(repository, digest)
    missing = verified(desk, version)
    assert missing["digest_status"] == "missing"
    assert moved["verification"]["verified_at"] < missing["verification"]["checked_at"]
    changes = [set(entry["details"]["changes"]) for entry in entries(desk)]
    assert changes == [
        {"digest_status"},
        {"tag_status", "tag_digest"},
        {"tag_status", "tag_digest"},
        {"digest_status", "tag_status"},
    ]


def test_a_registry_that_is_not_reached_changes_nothing_that_is_known(desk, images, repository, pushed, sql):
    version = by_hand(desk, pushed("v1"))
    verified(desk, version)
    sql("UPDATE models SET repository = 'localhost:1/team/bert'")
    sql("UPDATE image_checks SET repository = 'localhost:1/team/bert'")
    answer = verified(desk, version)
    assert (answer["digest_status"], answer["tag_status"]) == ("unreachable", "current")
    assert "localhost:1" in answer["verification"]["detail"]
    assert len(entries(desk)) == 1


def test_what_was_verified_elsewhere_does_not_count(desk, images, repository, pushed):
    version = by_hand(desk, pushed("v1"))
    verified(desk, version)
    gate(desk, "digest_verified")
    assert detail_of(desk, version)[0]
    model = desk.get(f"/api/v1/models?name={MODEL}").json[0]
    desk.put(f"/api/v1/models/{model['id']}", {"repository": f"{images.host}/team/elsewhere"})
    shown = desk.get(f"{VERSIONS}/{version['id']}").json
    assert (shown["digest_status"], shown["tag_status"]) == ("unverified", None)
    assert detail_of(desk, version) == (
        False,
        "its digest was verified in another repository than the model's present one; verify it again",
    )


def test_a_version_without_an_image_is_not_asked_about(desk, repository):
    version = desk.make(VERSIONS, {"model_name": MODEL, "version": "1", "source": "s3://x"})
    assert desk.post(f"{VERSIONS}/{version['id']}/verify", {}).status_code == 409
    gate(desk, "digest_verified")
    assert detail_of(desk, version) == (False, "it was registered without an image")


# --- gates ------------------------------------------------------------------------------------------------------------


def test_a_tag_that_was_moved_after_the_approval_blocks(desk, images, repository, pushed):
    version = by_hand(desk, pushed("v1"))
    gate(desk, "digest_verified", max_age=3_600, tag=True)
    assert detail_of(desk, version)[1] == "the image registry was not asked for its digest yet; verify it"
    verified(desk, version)
    assert detail_of(desk, version)[0]
    other = pushed("v1")
    verified(desk, version)
    assert detail_of(desk, version) == (False, f"its tag v1 was moved: it leads to {other} now")
    blocked = desk.post(f"{VERSIONS}/{version['id']}/promote")
    assert (blocked.status_code, blocked.json["type"]) == (409, "/docs/errors/blocked")


def test_a_digest_that_was_verified_too_long_ago_does_not_pass(desk, repository, pushed, sql):
    version = by_hand(desk, pushed("v1"))
    gate(desk, "digest_verified", max_age=3_600)
    verified(desk, version)
    aged = "UPDATE image_checks SET verified_at = statement_timestamp() - :age, checked_at = verified_at - :age"
    sql(aged, age=timedelta(seconds=3_590))
    assert detail_of(desk, version)[0]
    sql(aged, age=timedelta(seconds=3_700))
    passed, detail = detail_of(desk, version)
    assert not passed
    assert "within 1 hour, and was 1 hour 1 minute ago" in detail


def test_what_is_missing_does_not_pass_because_the_registry_is_gone_too(desk, images, repository, pushed, sql):
    digest = pushed("v1")
    version = by_hand(desk, digest)
    gate(desk, "digest_verified")
    verified(desk, version)
    images.delete(repository, digest)
    verified(desk, version)
    sql("UPDATE image_checks SET unreachable = true")
    passed, detail = detail_of(desk, version)
    assert not passed
    assert detail.startswith("the image registry does not have its digest")


@pytest.mark.parametrize("layout", ["simple", "bundle"])
def test_a_signed_image_passes_and_an_unsigned_or_copied_one_does_not(desk, images, repository, pushed, layout):
    key, foreign = new_key(), new_key()
    sign = {"simple": images.sign_simple, "bundle": images.sign_bundle}[layout]
    trust(desk, key)
    gate(desk, "signed")
    digest = pushed("v1")
    version = by_hand(desk, digest)
    sign(repository, digest, foreign)
    assert verified(desk, version)["signatures"] == []
    assert detail_of(desk, version) == (
        False,
        "its image is not signed by a trusted key, as far as is known; it needs the signature of a trusted key; "
        "verify it once it is signed",
    )
    sign(repository, digest, key)
    [signature] = verified(desk, version)["signatures"]
    assert (signature["key"], signature["layout"]) == ("release-2026", layout)
    assert detail_of(desk, version)[0]
    other = by_hand(desk, pushed("v2"), "v2", "2.0.0")
    verified(desk, other)
    assert not detail_of(desk, other)[0]


def test_one_key_under_two_names_is_one_key(desk, images, repository, pushed):
    key, second = new_key(), new_key()
    trust(desk, key)
    trust(desk, key, "the same again")
    gate(desk, "signed", count=2)
    digest = pushed("v1")
    version = by_hand(desk, digest)
    images.sign_simple(repository, digest, key)
    assert len(verified(desk, version)["signatures"]) == 2
    assert not detail_of(desk, version)[0]
    trust(desk, second, "release-2027")
    images.sign_bundle(repository, digest, second)
    verified(desk, version)
    assert detail_of(desk, version)[0]


@pytest.mark.parametrize("change", ["deleted", "expired", "for others"])
def test_a_key_that_is_not_trusted_any_more_does_not_count_at_once(desk, images, repository, pushed, sql, change):
    key = new_key()
    trusted = trust(desk, key)
    gate(desk, "signed")
    digest = pushed("v1")
    version = by_hand(desk, digest)
    images.sign_simple(repository, digest, key)
    verified(desk, version)
    assert detail_of(desk, version)[0]
    at = f"/api/v1/trusted-keys/{trusted['id']}"
    if change == "deleted":
        desk.delete(at)
    elif change == "expired":
        sql("UPDATE trusted_keys SET not_after = statement_timestamp() - interval '1 second'")
    else:
        desk.put(at, {"model": "other/*"})
    assert not detail_of(desk, version)[0]


def test_a_decision_keeps_what_was_verified_and_signed(desk, images, repository, pushed):
    key = new_key()
    trust(desk, key)
    gate(desk, "signed")
    gate(desk, "digest_verified", tag=True)
    digest = pushed("v1")
    version = by_hand(desk, digest)
    images.sign_bundle(repository, digest, key)
    verified(desk, version)
    released = desk.post(f"{VERSIONS}/{version['id']}/promote").json
    decision = desk.get(f"/api/v1/decisions/{released['decision_id']}").json
    page = Browser(desk.app, desk.keys).get(f"/decisions/{decision['id']}").words
    assert "Digest verified, tag current, signed by <bdi>release-2026</bdi>" in page
    evidence = decision["content"]["verification"]
    assert (evidence["digest_status"], evidence["tag_status"]) == ("verified", "current")
    assert [signature["key"] for signature in evidence["signatures"]] == ["release-2026"]
    images.delete(repository, digest)
    verified(desk, version)
    assert desk.get(f"/api/v1/decisions/{released['decision_id']}").json == decision


# --- by itself --------------------------------------------------------------------------------------------------------


def work(app):
    Worker(app, [kind for kind in KINDS if kind in ("dispatch", "verify")]).drain()


def test_what_is_registered_is_asked_about_by_itself_and_what_is_live_again(
    desk, asking, images, repository, pushed, sql
):
    first, second = by_hand(desk, pushed("v1")), by_hand(desk, pushed("v2"), "v2", "2.0.0")
    work(asking)
    statuses = {row["version"]: row["digest_status"] for row in desk.get(VERSIONS).json}
    assert statuses == {"1.0.0": "verified", "2.0.0": "verified"}
    assert [entry["api_key_name"] for entry in entries(desk)] == ["worker", "worker"]
    assert not sql("SELECT FROM jobs WHERE kind = 'verify'")
    desk.deployment(first, "production")
    work(asking)
    [job] = sql("SELECT key, run_at - statement_timestamp() AS pause FROM jobs WHERE kind = 'verify'")
    assert job["key"] == first["id"]
    assert timedelta(minutes=14) < job["pause"] <= timedelta(minutes=15)
    images.retag(repository, "v2", "v1")
    sql("UPDATE jobs SET run_at = statement_timestamp() WHERE kind = 'verify'")
    work(asking)
    assert desk.get(f"{VERSIONS}/{first['id']}").json["tag_status"] == "moved"
    assert sql("SELECT data ->> 'version' AS version FROM events WHERE type = 'image.moved'")[0]["version"] == "1.0.0"
    desk.post("/api/v1/environments/production/retire", {"model_name": MODEL, "reason": "over"})
    sql("UPDATE jobs SET run_at = statement_timestamp() WHERE kind = 'verify'")
    work(asking)
    assert not sql("SELECT FROM jobs WHERE kind = 'verify'")
    assert second["digest_status"] == "unverified"


def test_a_registry_that_is_down_is_not_asked_about_every_version(desk, asking, repository, monkeypatch, sql):
    monkeypatch.setattr(verify, "_down", {})
    sql("UPDATE models SET repository = 'localhost:1/team/bert'")
    for number in range(3):
        by_hand(desk, "sha256:" + f"{number}" * 64, version=f"{number}.0.0")
    work(asking)
    statuses = [row["digest_status"] for row in desk.get(VERSIONS).json]
    assert sorted(statuses) == ["unreachable", "unverified", "unverified"]
    pauses = sql("SELECT run_at - statement_timestamp() AS pause FROM jobs WHERE kind = 'verify'")
    assert len(pauses) == 3
    assert all(timedelta(seconds=30) < row["pause"] for row in pauses)
    assert not entries(desk)


def test_an_answer_to_an_earlier_question_does_not_replace_a_later_one(desk, repository, pushed, sql):
    version = by_hand(desk, pushed("v1"))
    verified(desk, version)
    sql("UPDATE image_checks SET checked_at = statement_timestamp() + interval '1 hour', tag_status = 'moved'")
    assert desk.post(f"{VERSIONS}/{version['id']}/verify", {}).status_code == 409
    assert desk.get(f"{VERSIONS}/{version['id']}").json["tag_status"] == "moved"


# --- who may, and pages -----------------------------------------------------------------------------------------------


def test_a_viewer_may_not_ask_nor_a_key_that_is_bound_to_other_models(desk, asking, keys, repository, pushed):
    version = by_hand(desk, pushed("v1"))
    at = f"{VERSIONS}/{version['id']}/verify"
    assert Api(asking, keys, "viewer").post(at, {}).status_code == 403
    bound = desk.make("/api/v1/api-keys", {"name": "bound", "role": "publisher", "models": ["other/*"]})
    assert Api(asking, {"bound": bound["key"]}, "bound").post(at, {}).status_code == 403
    assert not entries(desk)
    assert {row["action"] for row in desk.get("/api/v1/audit-logs").json} <= set(Action)


def test_the_page_says_what_was_verified_and_asks_by_its_button(desk, asking, keys, images, repository, pushed):
    key = new_key()
    trust(desk, key)
    digest = pushed("v1")
    version = by_hand(desk, digest)
    images.sign_simple(repository, digest, key)
    browser = Browser(asking, keys)
    at = f"/models/{MODEL}/versions/1.0.0"
    assert "digest not verified" in browser.get(at).words
    assert browser.post(f"{at}/-/verify", {}).status_code == 303
    words = browser.get(at).words
    assert "digest verified" in words
    assert "signed by <bdi>release-2026</bdi>" in words
    assert f"{at}/-/verify" not in Page(browser.by("viewer").get(at)).actions
    pushed("v1")
    verified(desk, version)
    assert "tag moved" in browser.get(at).words
    assert "tag moved" in browser.get(f"/models/{MODEL}").words


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_registers_an_image_and_ends_with_1_once_its_tag_was_moved(
    desk, asking, keys, images, repository, pushed, capsys
):
    digest = pushed("v1")
    image_name = f"{images.host}/{repository}:v1"
    with requests.Session() as session:
        session.mount("http://catapult", WSGIAdapter(asking))
        registry = Registry("http://catapult/api", keys["publisher"], session=session)

        def run(*arguments):
            options, output = cli.parser().parse_args(arguments), Output()
            output.as_json = True
            succeeded = options.run(registry, options, output)
            written = capsys.readouterr()
            return succeeded, json.loads(written.out), written.err

        for _ in range(2):
            succeeded, version, _ = run("register", MODEL, "1.0.0", "--image", image_name)
            assert (succeeded, version["digest"], version["digest_status"]) == (True, digest, "verified")
        assert run("verify", MODEL, "1.0.0")[0]
        other = pushed("v1")
        succeeded, version, warning = run("verify", MODEL, "1.0.0")
        assert (succeeded, version["tag_status"], version["verification"]["tag_digest"]) == (False, "moved", other)
        assert images.host in warning
        with pytest.raises(Usage, match="Pass --image, or --tag and --digest"):
            run("register", MODEL, "2.0.0", "--image", image_name, "--tag", "v1", "--digest", digest)
