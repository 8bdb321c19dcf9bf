"""Webhooks from the change to the receiver: who is told what, how often it is tried, and what is never shown."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from receiver import Receiver
from stage import SECRET, Api, faults, refusal
from standardwebhooks import Webhook as Verifier

from catapult.config import Allowed
from catapult.egress import Policy
from catapult.jobs import deliver
from catapult.jobs.kinds import KINDS
from catapult.jobs.worker import Worker
from catapult.rules import encryption
from catapult.tables import EventType

KINDS_TRIED = [kind for kind in KINDS if kind != "checkpoint"]  # which tells something by itself
LOCAL = (Allowed.of("127.0.0.0/8"),)
PUBLIC = "https://ml.example.com/catapult"


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sending(app_with):
    """The application as it sends: to this machine, with links, and with three tries at once."""
    return app_with(egress_allow=LOCAL, public_url=PUBLIC, webhook_tries=(0, 0, 0))


@pytest.fixture
def desk(sending, keys):
    return Api(sending, keys)


@pytest.fixture
def hook(desk, receiver):
    """`hook(events=[...])` makes a webhook to the receiver and returns it with its secret."""
    return lambda path="/in", **fields: desk.make("/api/v1/webhooks", {"url": f"{receiver.url}{path}", **fields})


@pytest.fixture
def work(sending):
    return lambda: drain(sending)


def drain(app):
    Worker(app, KINDS_TRIED).drain()


def kinds(receiver):
    return [got.json["type"] for got in receiver.got]


def deliveries(desk, hook):
    return desk.get(f"/api/v1/webhooks/{hook['id']}/deliveries").json


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_promotion_is_told_with_a_signature_that_a_receiver_verifies(desk, hook, work, receiver):
    webhook = hook()
    version = desk.version(desk.model())
    desk.post(f"/api/v1/versions/{version['id']}/promote", {"reason": "best so far"})
    work()
    assert kinds(receiver) == ["version.created", "version.promoted"]
    got = receiver.got[1]
    assert Verifier(webhook["secret"]).verify(got.body, got.headers) == got.json
    [_, delivery] = reversed(deliveries(desk, webhook))
    assert got.headers["webhook-id"] == delivery["id"]
    data = got.json["data"]
    assert data | {"decision_id": "", "by": ""} == {
        "model": "org/bert",
        "version": "1.0.0",
        "version_id": version["id"],
        "digest": version["digest"],
        "image": version["image"],
        "reason": "best so far",
        "url": f"{PUBLIC}/models/org/bert/versions/1.0.0",
        "decision_id": "",
        "by": "",
    }
    entry = desk.get("/api/v1/audit-logs?action=version.promote").json[0]
    assert got.json["timestamp"] == entry["created_at"]
    assert entry["details"]["decision_id"] == data["decision_id"]


def test_every_event_is_told_once_by_the_change_that_it_is_about(desk, hook, work, receiver, sending, keys):
    hook()
    model = desk.model()
    first, second = desk.version(model, "1.0.0"), desk.version(model, "2.0.0")
    desk.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "role": "releaser"})
    work()
    approver = Api(sending, {"a": desk.make("/api/v1/api-keys", {"name": "a", "role": "releaser"})["key"]}, "a")
    approval = approver.make(f"/api/v1/versions/{first['id']}/approvals", {"target": "release", "comment": "fine"})
    approver.delete(f"/api/v1/versions/{first['id']}/approvals/{approval['id']}")
    desk.post(f"/api/v1/versions/{first['id']}/promote", {"force": True, "reason": "now"})
    desk.post(f"/api/v1/versions/{first['id']}/demote")
    alias = f"/api/v1/models/{model['id']}/aliases/champion"
    desk.put(alias, {"version_id": first["id"]})
    desk.delete(alias)
    pending = desk.deployment(first, "staging", status="pending")
    for status in ("running", "success"):
        desk.put(f"/api/v1/deployments/{pending['id']}", {"status": status})
    old = desk.deployment(first, "staging", status="pending")
    desk.deployment(second, "staging")
    desk.deployment(second, "staging", status="failed")
    desk.post("/api/v1/environments/staging/rollback", {"model_name": "org/bert", "reason": "slow"})
    desk.post("/api/v1/environments/staging/retire", {"model_name": "org/bert", "reason": "over"})
    desk.put("/api/v1/environments/staging", {"frozen": True, "frozen_reason": "sale"})
    desk.put("/api/v1/environments/staging", {"description": "no event"})
    desk.put("/api/v1/environments/staging", {"frozen": False})
    receiver.got.clear()
    work()
    assert kinds(receiver) == [
        *("approval.given", "approval.withdrawn", "version.promoted", "gate.overridden", "version.demoted"),
        *("alias.moved", "alias.removed"),
        *("deployment.pending", "deployment.running", "deployment.success"),
        *("deployment.pending", "deployment.success", "deployment.cancelled", "deployment.failed"),
        *("deployment.rolled_back", "deployment.retired", "environment.frozen", "environment.thawed"),
    ]
    cancelled = next(got for got in receiver.got if got.json["type"] == "deployment.cancelled")
    assert cancelled.json["data"]["deployment_id"] == old["id"]
    others = {"version.created", "image.moved", "approval.wanted", "webhook.test", "webhook.ended", "audit.checkpoint"}
    told = {*kinds(receiver), *others}
    assert told == set(EventType)


def test_what_waits_for_approval_is_told_once_and_again_for_another_target(desk, hook, work, receiver):
    desk.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "role": "releaser"})
    hook(events=["approval.wanted"])
    desk.version(desk.model())
    work()
    work()
    [got] = receiver.got
    assert (got.json["data"]["version"], got.json["data"]["target"]) == ("1.0.0", "release")
    desk.put("/api/v1/environments/staging", {})
    desk.make("/api/v1/gates", {"model": "*", "target": "staging", "kind": "approved", "role": "releaser"})
    work()
    assert [got.json["data"]["target"] for got in receiver.got] == ["release", "staging"]


def test_a_freeze_that_ends_by_itself_is_told_with_an_entry(desk, hook, work, receiver, sql):
    hook(events=["environment.thawed"])
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    desk.put("/api/v1/environments/production", {"frozen": True, "frozen_reason": "sale", "frozen_until": until})
    work()
    assert receiver.got == []
    sql("UPDATE environments SET frozen_until = now() - interval '1 second'")
    work()
    work()
    [got] = receiver.got
    assert (got.json["data"]["environment"], got.json["data"]["by"]) == ("production", "worker")
    environment = desk.get("/api/v1/environments/production").json
    assert (environment["frozen"], environment["frozen_reason"], environment["frozen_until"]) == (False, None, None)
    assert desk.get("/api/v1/audit-logs?action=environment.update").json[0]["api_key_name"] == "worker"


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, ["version.created", "version.created", "deployment.success", "deployment.success", "environment.frozen"]),
        ({"events": ["version.created"]}, ["version.created"] * 2),
        ({"models": ["nlp/*"]}, ["version.created", "deployment.success", "environment.frozen"]),
        (
            {"models": ["NLP/Bert"], "events": ["version.created", "environment.frozen"]},
            ["version.created", "environment.frozen"],
        ),
        ({"environments": ["Staging"]}, ["version.created", "version.created", "deployment.success"]),
        (
            {"environments": ["production"]},
            ["version.created", "version.created", "deployment.success", "environment.frozen"],
        ),
    ],
)
def test_a_webhook_is_told_of_what_it_asked_for(desk, hook, work, receiver, filters, told):
    hook(**filters)
    for name, environment in (("nlp/bert", "staging"), ("vision/vit", "production")):
        version = desk.version(desk.model(name))
        desk.deployment(version, environment)
    desk.put("/api/v1/environments/production", {"frozen": True, "frozen_reason": "sale"})
    work()
    assert sorted(kinds(receiver)) == sorted(told)


def test_nothing_is_told_of_a_change_that_was_refused_and_nothing_of_before(desk, hook, work, receiver):
    version = desk.version(desk.model())
    work()
    hook()
    assert (
        desk.post(
            "/api/v1/versions",
            {"model_name": "org/bert", "version": "1.0.0", "tag": "x", "digest": "sha256:" + "a" * 64},
        ).status_code
        == 409
    )
    assert desk.post(f"/api/v1/versions/{version['id']}/demote").status_code == 200  # no release: no change
    work()
    assert receiver.got == []


def test_a_checkpoint_of_the_audit_log_is_told_once_a_day(desk, hook, receiver, sending):
    hook(events=["audit.checkpoint"])
    for _ in range(3):
        Worker(sending).drain()
    [got] = receiver.got
    note = desk.get("/api/v1/audit-logs/checkpoint").json
    assert got.json["data"]["size"] <= note["size"]
    assert got.json["data"]["note"].startswith(note["note"].partition("\n")[0])


# --- tries ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [(500, 500, None), (404, 404, None), ("redirect", 302, None), ("close", None, "closed"), ("garbage", None, "HTTP")],
)
def test_what_fails_is_tried_as_often_as_the_settings_say_with_the_same_id(
    desk, hook, work, receiver, how, status, reason
):
    receiver.behaviour = lambda got: how
    webhook = hook(events=["webhook.test", "version.created"][1:])
    desk.version(desk.model())
    for _ in range(5):
        work()
    assert len(receiver.got) == 3
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.headers["webhook-signature"] for got in receiver.got}) >= 1
    [delivery] = deliveries(desk, webhook)
    assert (delivery["state"], delivery["tries"], delivery["next_try_at"]) == ("failed", 3, None)
    assert [each["status"] for each in delivery["log"]] == [status] * 3
    assert all((each["error"] is None) == (status is not None) for each in delivery["log"])
    assert receiver.url not in str(delivery)
    row = desk.get(f"/api/v1/webhooks/{webhook['id']}").json
    assert row["state"] == "failing"
    receiver.behaviour = lambda got: 200
    desk.post(f"/api/v1/webhooks/{webhook['id']}/test")
    work()
    assert desk.get(f"/api/v1/webhooks/{webhook['id']}").json["state"] == "active"


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_never_ends_its_answer_fails_and_holds_up_nobody_else(
    desk, hook, work, receiver, how, monkeypatch
):
    monkeypatch.setattr(deliver, "SECONDS", 1.0)
    receiver.behaviour = lambda got: how if got.path == "/slow" else 204
    slow, good = hook("/slow"), hook("/good")
    desk.version(desk.model())
    work()
    assert [each["state"] for each in deliveries(desk, good)] == ["delivered"]
    [delivery] = deliveries(desk, slow)
    assert delivery["tries"] >= 1
    assert {each["status"] for each in delivery["log"]} == {None}


def test_the_pauses_grow_and_a_receiver_may_ask_for_longer_ones(app_with, keys, receiver, sql):
    sending = app_with(egress_allow=LOCAL)
    desk = Api(sending, keys)
    desk.make("/api/v1/webhooks", {"url": receiver.url})
    receiver.behaviour = lambda got: 503
    desk.version(desk.model())
    pauses = []
    for _ in range(9):
        drain(sending)
        row = sql("SELECT extract(epoch FROM next_try_at - now()) AS pause, state FROM deliveries")[0]
        pauses.append(float(row["pause"]))
        sql("UPDATE deliveries SET next_try_at = now()")
    assert row["state"] == "failed"
    for pause, wanted in zip(pauses[:6], (5, 300, 1_800, 7_200, 18_000, 36_000), strict=True):
        assert wanted - 5 < pause < wanted * 1.2
    assert len(receiver.got) == 7
    receiver.headers = {"Retry-After": "7200"}
    desk.version(desk.model("org/other"))
    drain(sending)
    [row] = sql("SELECT extract(epoch FROM next_try_at - now()) AS pause FROM deliveries WHERE state = 'waiting'")
    assert 7_190 < float(row["pause"]) <= 7_200


def test_deliveries_of_a_model_stay_in_order_until_one_has_failed_twice(app_with, keys, receiver, sql):
    sending = app_with(egress_allow=LOCAL)
    desk = Api(sending, keys)
    desk.make("/api/v1/webhooks", {"url": receiver.url})
    model, other = desk.model(), desk.model("org/other")
    receiver.behaviour = lambda got: 500 if got.json["data"]["version"] == "1.0.0" else 204
    for version in ("1.0.0", "2.0.0"):
        desk.version(model, version)
    desk.version(other, "5.0.0")
    drain(sending)
    assert [got.json["data"]["version"] for got in receiver.got] == ["1.0.0", "5.0.0"]
    drain(sending)
    assert len(receiver.got) == 2  # 2.0.0 waits for 1.0.0
    sql("UPDATE deliveries SET next_try_at = now()")
    drain(sending)
    assert [got.json["data"]["version"] for got in receiver.got][2:] == ["1.0.0", "2.0.0"]


def test_410_ends_a_webhook_and_tells_the_others(desk, hook, work, receiver):
    receiver.behaviour = lambda got: 410 if got.path == "/gone" else 204
    gone = hook("/gone")
    hook("/other", events=["webhook.ended"])
    desk.version(desk.model())
    work()
    work()
    row = desk.get(f"/api/v1/webhooks/{gone['id']}").json
    assert (row["state"], row["ended_because"]) == ("ended", "Its receiver answered 410 Gone.")
    assert len([got for got in receiver.got if got.path == "/gone"]) == 1
    [told] = [got for got in receiver.got if got.path == "/other"]
    assert told.json["data"]["webhook"].startswith("127.0.0.1")
    assert [entry["api_key_name"] for entry in desk.get("/api/v1/audit-logs?action=webhook.end").json] == ["worker"]
    assert refusal(desk.post(f"/api/v1/webhooks/{gone['id']}/test")) == "conflict"
    receiver.behaviour = lambda got: 204
    assert desk.put(f"/api/v1/webhooks/{gone['id']}", {"active": True}).json["state"] == "active"
    desk.post(f"/api/v1/webhooks/{gone['id']}/test")
    work()
    assert receiver.got[-1].json["type"] == "webhook.test"


def test_five_days_of_failure_end_a_webhook(desk, hook, work, receiver, sql):
    receiver.behaviour = lambda got: 500
    webhook = hook()
    desk.version(desk.model())
    sql("UPDATE webhooks SET failing_since = now() - interval '4 days 23 hours'")
    for _ in range(3):
        work()
    assert desk.get(f"/api/v1/webhooks/{webhook['id']}").json["state"] == "failing"
    sql("UPDATE webhooks SET failing_since = now() - interval '5 days 1 minute'")
    desk.version(desk.model("org/other"))
    for _ in range(3):
        work()
    row = desk.get(f"/api/v1/webhooks/{webhook['id']}").json
    assert (row["state"], row["ended_because"]) == ("ended", "Its receiver has failed for five days.")


def test_a_delivery_is_sent_again_with_the_same_id(desk, hook, work, receiver):
    webhook = hook()
    desk.version(desk.model())
    work()
    [delivery] = deliveries(desk, webhook)
    answer = desk.post(f"/api/v1/deliveries/{delivery['id']}/replay")
    assert (answer.status_code, answer.json["state"]) == (201, "waiting")
    assert refusal(desk.post(f"/api/v1/deliveries/{delivery['id']}/replay")) == "conflict"
    work()
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery["id"]
    assert first.json == second.json
    assert [each["tries"] for each in deliveries(desk, webhook)] == [1]
    assert len(deliveries(desk, webhook)[0]["log"]) == 2


def test_what_waits_for_a_deleted_webhook_is_not_sent(desk, hook, work, receiver, sql):
    webhook = hook()
    desk.version(desk.model())
    assert desk.delete(f"/api/v1/webhooks/{webhook['id']}").status_code == 204
    work()
    receiver.behaviour = lambda got: 500
    other = hook()
    desk.version(desk.model("org/other"))
    work()
    desk.delete(f"/api/v1/webhooks/{other['id']}")
    work()
    assert {row["state"] for row in sql("SELECT state FROM deliveries")} == {"failed"}
    assert len(receiver.got) <= 3


@pytest.mark.parametrize("change", ["delete", "end", "move"])
def test_a_webhook_that_is_changed_while_it_is_sent_to_gets_nothing_more_where_it_was(
    desk, hook, work, receiver, change
):
    webhook = hook("/before")
    at = f"/api/v1/webhooks/{webhook['id']}"
    model = desk.model()
    for number in range(5):
        desk.version(model, f"1.0.{number}")

    def answer(got):
        if len(receiver.got) == 1:
            sent = {"end": {"active": False}, "move": {"url": f"{receiver.url}/after"}}.get(change)
            assert (desk.put(at, sent) if sent else desk.delete(at)).status_code in (200, 204)
        return 204

    receiver.behaviour = answer
    work()
    work()
    assert [got.path for got in receiver.got] == ["/before"] + (["/after"] * 4 if change == "move" else [])


def test_no_lock_is_held_while_the_name_of_an_address_is_looked_up(desk, hook, receiver, sql, monkeypatch):
    webhook, seen = hook(), []
    check = Policy.check

    def look_up(self, url, *args, **kwargs):
        seen.append(sql("SELECT id FROM webhooks FOR UPDATE NOWAIT"))
        if url.endswith("/late"):
            sql("UPDATE webhooks SET counter = counter + 1")  # somebody else was faster
        return check(self, url, *args, **kwargs)

    monkeypatch.setattr(Policy, "check", look_up)
    assert desk.put(f"/api/v1/webhooks/{webhook['id']}", {"url": f"{receiver.url}/new"}).status_code == 200
    assert desk.put(f"/api/v1/webhooks/{webhook['id']}", {"format": "slack"}).status_code == 200
    assert desk.put(f"/api/v1/webhooks/{webhook['id']}", {"url": f"{receiver.url}/late"}).status_code == 412
    assert len(seen) == 3


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_after_a_rotation_both_secrets_sign_for_a_day(desk, hook, work, receiver, sql):
    webhook = hook()
    new = desk.post(f"/api/v1/webhooks/{webhook['id']}/rotate").json
    assert new["secret"] not in ("", webhook["secret"])
    desk.version(desk.model())
    work()
    for secret in (webhook["secret"], new["secret"]):
        assert Verifier(secret).verify(receiver.got[0].body, receiver.got[0].headers)
    sql("UPDATE webhooks SET old_secret_until = now() - interval '1 second'")
    desk.version(desk.model("org/other"))
    work()
    assert Verifier(new["secret"]).verify(receiver.got[1].body, receiver.got[1].headers)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(webhook["secret"]).verify(receiver.got[1].body, receiver.got[1].headers)


def test_neither_the_address_nor_the_secret_is_shown_or_stored_in_clear(desk, receiver, work, sql, trail, capfd):
    path = "/services/T000/B000/veryprivatetoken"
    webhook = desk.make("/api/v1/webhooks", {"url": receiver.url + path})
    desk.put(f"/api/v1/webhooks/{webhook['id']}", {"url": receiver.url + path + "2", "events": ["version.created"]})
    rotated = desk.post(f"/api/v1/webhooks/{webhook['id']}/rotate").json
    receiver.behaviour, receiver.body = lambda got: 404, f"no such page: {path}2".encode()
    desk.version(desk.model())
    work()
    assert "no such page: /…" in str(desk.get(f"/api/v1/webhooks/{webhook['id']}/deliveries").json)
    receiver.behaviour = lambda got: "close"
    work()
    seen = json.dumps(
        [
            desk.get(at).json
            for at in (
                "/api/v1/webhooks",
                f"/api/v1/webhooks/{webhook['id']}",
                f"/api/v1/webhooks/{webhook['id']}/deliveries",
                "/api/v1/jobs",
            )
        ]
    )
    tables = ("webhooks", "audit_logs", "deliveries", "delivery_tries", "events", "jobs", "idempotent_answers")
    stored = "".join(str(sql(f"SELECT t::text FROM {table} AS t")) for table in tables)
    logged = "".join(capfd.readouterr())
    for secret in ("veryprivatetoken", webhook["secret"], rotated["secret"], webhook["secret"][10:30]):
        assert secret not in seen + stored + logged + str(trail())
    assert (webhook["host"], webhook["url_end"]) == ("127.0.0.1", "oken")


def test_with_another_secret_key_it_says_what_to_do(app_with, keys, hook, desk, receiver):
    webhook = hook()
    desk.version(desk.model())
    other = app_with(egress_allow=LOCAL, secret_key="another secret for tests", webhook_tries=(0,))
    drain(other)
    [delivery] = deliveries(desk, webhook)
    assert "SECRET_KEY" in delivery["log"][0]["error"]
    assert receiver.got == []


def test_what_is_encrypted_is_read_by_the_same_key_alone_and_not_if_it_was_changed():
    sealed = encryption.encrypt("https://x", SECRET)
    assert encryption.decrypt(sealed, SECRET) == "https://x"
    for broken, key in ((sealed, SECRET + "x"), (sealed[:-4] + b"AAA=", SECRET), (b"", SECRET)):
        with pytest.raises(encryption.Unreadable):
            encryption.decrypt(broken, key)


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "publisher", "releaser", "bounded"])
def test_only_admins_without_bounds_see_or_change_webhooks(sending, keys, hook, desk, role):
    webhook = hook()
    bounded = desk.make("/api/v1/api-keys", {"name": "bounded", "role": "admin", "models": ["nlp/*"]})["key"]
    asker = Api(sending, {**keys, "bounded": bounded}, role)
    at = f"/api/v1/webhooks/{webhook['id']}"
    for answer in (
        asker.get("/api/v1/webhooks"),
        asker.get(at),
        asker.get(f"{at}/deliveries"),
        asker.post("/api/v1/webhooks", {"url": "https://example.com/x"}),
        asker.put(at, {"events": ["version.created"]}),
        asker.post(f"{at}/rotate"),
        asker.post(f"{at}/test"),
        asker.delete(at),
        asker.post(f"/api/v1/deliveries/{webhook['id']}/replay"),
    ):
        assert refusal(answer) == "forbidden"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "https://[fe80::1]/x"}, "url"),
        ({"url": "https://10.0.0.7/x"}, "url"),
        ({"url": "ftp://example.com/x"}, "url"),
        ({"url": "http://example.com/x"}, "url"),
        ({"url": "https://user:pw@example.com/x"}, "url"),
        ({"url": "mailto:a@example.com"}, "url"),
        ({"url": "https://no-such-name.invalid/x"}, "url"),
        ({"url": "a b"}, "url"),
        ({}, "url"),
        ({"url": "mailto:a@example.com", "format": "email"}, "format"),
        ({"url": "https://x", "format": "email"}, "url"),
        ({"url": "https://x", "format": "xml"}, "format"),
        ({"url": "https://x", "events": []}, "events"),
        ({"url": "https://x", "events": ["webhook.test"]}, "events"),
        ({"url": "https://x", "models": ["a  b"]}, "models"),
        ({"url": "https://x", "environments": ["a b"]}, "environments"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused_where_it_is_saved(desk, sql, fields, wrong):
    assert wrong in faults(desk.post("/api/v1/webhooks", fields))
    assert sql("SELECT 1 FROM webhooks") == []


def test_an_address_that_is_allowed_when_saved_and_not_when_sent_gets_nothing(desk, hook, receiver, app_with):
    webhook = hook()
    desk.version(desk.model())
    drain(app_with(webhook_tries=(0,)))
    assert receiver.got == []
    [delivery] = deliveries(desk, webhook)
    assert "EGRESS_ALLOW" in delivery["log"][0]["error"]


# --- formats and mail -------------------------------------------------------------------------------------------------


def test_each_format_by_http_arrives(desk, hook, work, receiver):
    for name in ("cdevents", "slack", "teams"):
        hook(f"/{name}", format=name)
    desk.version(desk.model())
    work()
    bodies = {got.path[1:]: got.json for got in receiver.got}
    assert bodies.keys() == {"cdevents", "slack", "teams"}
    assert "1.0.0" in bodies["slack"]["text"]
    assert bodies["teams"]["attachments"]


@pytest.fixture
def mailbox():
    class Keep:
        def __init__(self):
            self.mails = []

        async def handle_DATA(self, server, session, envelope):
            self.mails.append(envelope)
            return "250 kept"

    handler = Keep()
    with socket.create_server(("127.0.0.1", 0)) as free:
        handler.port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


def test_mail_goes_to_a_webhook_s_address_and_to_people_whose_approval_counts(app_with, keys, mailbox, sql):
    sending = app_with(
        public_url=PUBLIC, smtp_url=f"smtp://127.0.0.1:{mailbox.port}", mail_from="ml@example.com", webhook_tries=(0,)
    )
    desk = Api(sending, keys)
    desk.make("/api/v1/webhooks", {"url": "mailto:team@example.com", "format": "email", "events": ["version.created"]})
    for name, role in (("Dana", "releaser"), ("Sam", "viewer"), ("Kim", "releaser")):
        person = desk.make("/api/v1/people", {"name": name, "role": role, "email": f"{name.lower()}@example.com"})
        notices = ["approval.wanted"] if name != "Kim" else []
        assert desk.put(f"/api/v1/people/{person['id']}", {"notices": notices}).json["notices"] == notices
    desk.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved", "role": "releaser"})
    desk.version(desk.model())
    drain(sending)
    drain(sending)
    mails = {mail.rcpt_tos[0]: mail.content.decode() for mail in mailbox.mails}
    assert (mails.keys(), len(mailbox.mails)) == ({"team@example.com", "dana@example.com"}, 2)
    text = mails["dana@example.com"]
    assert "waits for" in text
    assert f"{PUBLIC}/models/org/bert/versions/1.0.0" in text


def test_a_mail_server_that_is_not_there_is_a_failure_that_says_so(app_with, keys):
    sending = app_with(
        smtp_url="smtp://secretuser:secretpw@127.0.0.1:9", mail_from="ml@example.com", webhook_tries=(0,)
    )
    desk = Api(sending, keys)
    webhook = desk.make("/api/v1/webhooks", {"url": "mailto:team@example.com", "format": "email"})
    desk.version(desk.model())
    drain(sending)
    [delivery] = deliveries(desk, webhook)
    assert delivery["log"][0]["error"] == "The mail server could not be reached: ConnectionRefusedError."
