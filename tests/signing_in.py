"""A browser that signs in through the form, as people do."""

import pytest
from stage import SECRET

from catapult.web import auth

COOKIE = auth.cookie_name(SECRET)
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def sign_in(app, keys, sql):
    """Signs a browser in through the form, as often as a test needs; the answer and the browser."""

    def act(key=None, client=None, address="/login", headers=None, **kwargs):
        sql("DELETE FROM sign_in_counts")
        client = client or app.test_client()
        data = {"key": keys["releaser"] if key is None else key, **kwargs.pop("data", {})}
        return client.post(address, data=data, headers={**OURS, **(headers or {})}, **kwargs), client

    return act


def token_of(client):
    cookie = client.get_cookie(COOKIE)
    return cookie.value if cookie else None


def is_in(client, path="/models", **headers):
    """Whether the page opens; if not, the answer leads to the sign-in."""
    response = client.get(path, headers=headers)
    assert response.status_code == 200 or response.headers["Location"].startswith("/login?next=")
    return response.status_code == 200
