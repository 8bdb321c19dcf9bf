"""What is stored is shown as text, whatever it is: nothing runs, nothing opens, no element comes of it."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from browser.window import PHONE, fits, row, toast

TAG = "<script>alert(1)</script>"
BAD = f"{TAG}<img src=x onerror=alert(2) id=injected>\"'`\u202etxet\u202c{{{{ 7*7 }}}}"
LONG = f"{BAD} " + "l" * (10_000 - len(BAD) - 1)
NAME = "hostile/model"
VERSION = "1.0.0-<script>alert(3)</script>\"'&".replace("/", "")
PLAIN = "2.0.0"
LINK = "https://example.com/\"onmouseover='alert(4)'"


@pytest.fixture(scope="module")
def hostile(admin):
    """One of everything, each field of it hostile, as far as its rules let it be."""
    tags = [TAG, "\"'><b id=injected>", "t" * 128]
    metadata = {
        "accuracy": 0.5,
        TAG: BAD,
        "k" * 300: LONG,
        "\u202ekey": {"<b id=injected>": [BAD, {"'": '"'}]},
        "git_commit": BAD,
    }
    model = admin.model(NAME, storage_path=BAD, description=LONG, tags=tags, metadata=metadata)
    made = {"model": model, "versions": []}
    fields = {"release_notes": LONG, "platform": BAD[:128], "quantization": BAD[:128], "ceph_path": BAD}
    for version in (VERSION, PLAIN):
        digest = f"sha256:<script>alert(5)</script>{version}"[:200]
        row = admin.version(model, version, tag="v" + "t" * 127, digest=digest, metadata=metadata, **fields)
        body = {"release_id": row["id"], "environment": "staging", "metadata": metadata}
        answer = admin.post("/api/v1/deployments", json={**body, "endpoint_url": LINK})
        if answer.status_code == 422:
            admin.made("/api/v1/deployments", {**body, "endpoint_url": f"https://example.com/{'e' * 1000}"})
        admin.post(f"/api/v1/versions/{row['id']}/promote", json={"reason": BAD}).raise_for_status()
        made["versions"].append(row)
    admin.made("/api/v1/environments/staging/rollback", {"model_name": NAME, "reason": BAD})
    running = {"release_id": made["versions"][1]["id"], "environment": "hostile", "status": "running"}
    made["deployment"] = admin.made("/api/v1/deployments", {**running, "metadata": metadata})
    frozen = {"frozen": True, "frozen_reason": BAD, "description": LONG}
    admin.put("/api/v1/environments/hostile", json=frozen).raise_for_status()
    made["key"] = admin.made("/api/v1/api-keys", {"name": BAD[:255], "role": "admin"})
    admin.made("/api/v1/api-keys", {"name": "n" * 255, "role": "viewer"})
    admin.put(f"/api/v1/models/{model['id']}", json={"description": f"{BAD} changed"}).raise_for_status()
    return made


@pytest.fixture
def page(windows):
    """A window in which a dialog of the browser's is a fault."""
    page = windows("admin")

    def fault(dialog):
        windows.faults.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", fault)
    return page


def harmless(page):
    """Nothing that was stored has become an element, and no template's braces were worked out."""
    assert page.locator("#injected, img, b, main script").count() == 0
    assert page.evaluate("[...document.scripts].every((it) => it.src.startsWith(location.origin))")
    odd = "[...document.querySelectorAll('*')].flatMap((it) => [...it.attributes]).filter((it) => it.name.startsWith('on')).length"
    assert page.evaluate(odd) == 0
    text = page.locator("body").inner_text()
    assert "49" not in re.findall(r"\u202c(\S+)", text)


def addresses(hostile):
    at, bad = f"/models/{NAME}", quote(BAD)
    versions = [f"{at}/versions/{quote(version)}" for version in (VERSION, PLAIN)]
    filters = ("models?search", "audit?action", "audit?since", "login?next")
    return [
        *(f"/{page}" for page in ("", "models", "deployments", "environments", "audit", "keys")),
        *(f"{at}{tab}" for tab in ("", *(f"/-/{tab}" for tab in ("deployments", "activity", "settings", "delete")))),
        *(f"{version}{form}" for version in versions for form in ("", "/-/edit", "/-/delete")),
        *(f"/environments/hostile{form}" for form in ("", "/-/history", "/-/freeze", "/-/settings", "/-/delete")),
        *(f"/environments/staging{rest}" for rest in ("", "/-/history", "?at=2100-01-01T00:00", f"?at={bad}")),
        f"/environments/staging/-/rollback?model_name={NAME}&reason={bad}",
        f"/deployments/{hostile['deployment']['id']}",
        f"/deployments?model_name={bad}&environment={quote(TAG)}",
        "/new/deployment?environment=hostile",
        f"/new/version?model_name={bad}",
        f"/keys/{hostile['key']['id']}/revoke",
        f"{at}/compare?v={quote(VERSION)}&v={PLAIN}&v={quote(TAG)}",
        *(f"/search?q={quote(text)}" for text in ("hostile", "vttt", BAD)),
        *(f"/{path}={bad}" for path in filters),
        *(f"/{noun}/{quote(TAG)}" for noun in ("models", "environments")),
    ]


def test_no_page_takes_what_is_stored_or_asked_for_as_markup_or_scrolls_sideways_at_320_px(windows, page, hostile):
    windows.allow(404, 422)
    page.set_viewport_size(PHONE)
    for address in addresses(hostile):
        page.goto(address)
        fits(page)
        page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
        harmless(page)


def test_toasts_hits_and_the_row_of_a_new_key_are_text(page, hostile):
    page.goto(f"/models/{NAME}")
    row(page, VERSION).get_by_role("button", name="Demote").click()
    expect(toast(page)).to_contain_text(VERSION)
    harmless(page)
    toast(page).get_by_role("button", name="Undo").click()
    expect(row(page, VERSION).locator(".chip.release")).to_be_visible()
    page.get_by_label("Search models").fill(VERSION[:10])
    expect(page.locator("#hits a").first).to_contain_text(VERSION)
    harmless(page)
    page.goto("/keys")
    page.get_by_role("link", name="New key").click()
    page.locator("#dialog").get_by_label("Name").fill(f"{BAD} again")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#new-key")).to_be_visible()
    expect(page.locator("#rows tr").first).to_contain_text(f"{BAD} again")
    harmless(page)
