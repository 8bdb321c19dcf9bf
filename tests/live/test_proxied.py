"""gunicorn itself trusts no header of a proxy. `tests/test_proxies.py` has what the application trusts."""

import pytest
from up import Up, a_model

pytestmark = pytest.mark.live
SENT = {
    **{"X-Forwarded-For": "198.51.100.66, 203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"},
    **{
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Port": "81",
        "X-Forwarded-Prefix": "/evil",
        "SCRIPT_NAME": "/evil",
    },
}


def test_without_the_setting_no_forwarded_header_is_trusted(live: Up) -> None:
    with live.by("publisher") as publisher:
        created = publisher.post("/api/v1/models", json=a_model("proxied/spoofed"), headers=SENT)
        listed = publisher.get("/api/v1/models?limit=1", headers=SENT)
    assert created.status_code == 201
    assert created.headers["Location"] == f"/api/v1/models/{created.json()['id']}"
    assert listed.headers["Link"].startswith(f"<{live.url}/api/v1/models?")
    assert "Strict-Transport-Security" not in created.headers
    addresses = live.sql("SELECT ip_address FROM audit_logs WHERE details ->> 'name' = 'proxied/spoofed'")
    assert addresses == [("127.0.0.1",)]
