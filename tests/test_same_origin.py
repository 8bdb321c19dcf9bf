"""From where a change may come, and where one lands after signing in."""

import re
from html import unescape

import pytest
from signing_in import OURS, client, is_in, sign_in, token_of

__all__ = ["client", "sign_in"]
PROMOTE = "/models/org/bert/versions/1.0.0/-/promote"


SENT = [
    *(
        ({"Sec-Fetch-Site": site}, site in ("same-origin", "none"))
        for site in ("same-origin", "none", "same-site", "x")
    ),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"}, True),
    *(({"Origin": origin}, True) for origin in ("http://localhost", "http://LOCALHOST")),
    *(({"Origin": f"http://localhost{more}"}, False) for more in (".evil.test", ":8080", "@evil.test")),
    *(({"Origin": origin}, False) for origin in ("https://evil.test", "null", "")),
    ({"Referer": "http://localhost/"}, False),
    ({}, False),
]


@pytest.mark.parametrize(
    ("path", "headers", "passes"),
    [(path, *sent) for path in ("/login", PROMOTE) for sent in SENT]
    + [(path, *sent) for path in ("/logout", "/theme") for sent in (SENT[0], SENT[4])],
)
def test_only_our_own_pages_may_change_anything(sign_in, keys, api, sql, trail, path, headers, passes):
    api.version(api.model())
    _, client = sign_in()
    before, entries = token_of(client), len(trail())
    response = client.post(path, data={"key": keys["releaser"], "theme": "dark"}, headers=headers)
    assert response.status_code == (303 if passes else 403)
    if not passes:
        assert "Set-Cookie" not in response.headers
        assert token_of(client) == before
        assert [entry["action"] for entry in trail()[: len(trail()) - entries]] in ([], ["auth.forbidden"])
        assert sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL") == []
        assert is_in(client)
    elif path == PROMOTE:
        assert len(sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL")) == 1


@pytest.mark.parametrize("path", ["/", "/models", "/login"])
def test_a_link_on_another_site_may_open_a_page(sign_in, path):
    _, client = sign_in()
    assert client.get(path, headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}).status_code == 200
    assert client.head(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "place",
    [
        *("//evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test/", "javascript:alert(1)", "/\t/evil.test"),
        *("/\n//evil.test", "models", "", " /models", "/a b", "/x\x00"),
    ],
)
def test_after_the_sign_in_nobody_lands_on_another_site(sign_in, client, place):
    assert sign_in(data={"next": place})[0].headers["Location"] == "/"
    assert 'name="next" value="/"' in client.get("/login", query_string={"next": place}).text


@pytest.mark.parametrize(
    "place", ["/models", "/models/org/bert?show=releases&c=a%20b", "/audit?since=2026-01-01T00:00", "/search?q=%D7%A9"]
)
def test_after_the_sign_in_one_is_where_one_wanted_to_be(client, sign_in, place):
    to = client.get(place).headers["Location"]
    form = client.get(to).text
    wanted = unescape(re.search(r'name="next" value="([^"]*)"', form)[1])
    assert wanted == place
    assert sign_in(data={"next": wanted})[0].headers["Location"] == place


@pytest.mark.parametrize("name", ["Origin", "Referer", "HX-Current-URL"])
def test_an_address_that_is_none_is_no_fault_of_ours(client, name):
    headers = {name: "http://[", "HX-Request": "true"}
    assert client.post("/theme", headers=headers).status_code == 403
    assert client.get("/models", headers=headers).status_code == 401
    assert client.post("/logout", headers={**headers, "Sec-Fetch-Site": "same-origin"}).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_the_sign_in_says_whether_a_session_has_ended(client, sign_in, sql, headers):
    plain = client.get("/models").headers["Location"]
    assert plain == "/login?next=/models"
    assert "Your session ended" not in client.get(plain).text
    _, client = sign_in()
    sql("DELETE FROM sessions")
    response = client.get("/models", headers=headers)
    ended = response.headers.get("Location") or response.headers["HX-Redirect"]
    assert "Your session ended" in client.get(ended).text
    assert "Your session ended" in sign_in("cat_wrong", client, data={"ended": "1"})[0].text
    sign_in(client=client)
    client.post("/logout", headers=OURS)
    assert "Your session ended" not in client.get(client.get("/models").headers["Location"]).text
