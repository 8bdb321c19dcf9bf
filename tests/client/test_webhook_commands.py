"""`catapult webhook …`: each command against the registry, and the secret that is printed once."""

import io
import sys

from rolecases import failed

URL = "https://93.184.215.14/services/secrettoken"


def test_each_command_does_what_it_says(by_admin, admin, app, monkeypatch):
    created = by_admin("webhook", "create", URL, "--event", "version.promoted", "--model", "nlp/*")
    [webhook] = admin.list_webhooks()
    assert (webhook.events, webhook.models, webhook.environments) == (["version.promoted"], ["nlp/*"], None)
    first, secret = created.out.splitlines()
    assert (first, secret.startswith("Secret: whsec_")) == (f"Webhook: {webhook.id}", True)
    listed = by_admin("webhook", "list")
    assert listed.out == f"{webhook.id}  active  standard  version.promoted  93.184.215.14…oken\n"
    rotated = by_admin("webhook", "rotate", webhook.id).out.splitlines()[1]
    assert rotated.startswith("Secret: whsec_")
    assert rotated != secret
    assert by_admin("webhook", "test", webhook.id).status == 0
    delivery = failed(app, webhook.id)["delivery"]
    assert "webhook.test  not tried yet" in by_admin("webhook", "deliveries", webhook.id).out
    assert by_admin("webhook", "replay", delivery).out == "webhook.test is sent again\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{URL}2\n"))
    assert by_admin("webhook", "create", "-", "--format", "slack").status == 0
    for row in list(admin.list_webhooks()):
        assert by_admin("webhook", "delete", row.id).out == f"{row.id} is deleted\n"
    ended = by_admin("webhook", "list")
    assert (ended.status, ended.out, "no webhooks" in ended.err) == (0, "", True)


def test_what_cannot_work_is_refused_with_the_reason(by_admin, catapult):
    refused = by_admin("webhook", "create", "http://10.0.0.1/x")
    assert (refused.status, refused.out, "EGRESS_ALLOW" in refused.err) == (1, "", True)
    assert catapult("webhook", "list").status == 1  # a releaser's key
    assert by_admin("webhook", "nonsense").status == 2
