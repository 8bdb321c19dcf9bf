import pytest
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def model(api):
    return api.model(repository="docker.io/org/bert")


def change(browser, verb, htmx="main", at=AT, **kwargs):
    return browser.post(f"{at}/-/{verb}", htmx=htmx, **kwargs)


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_it_says_what_the_version_is(browser, api, model):
    version = api.version(
        model,
        "1.0.0",
        size_bytes=4_100_000_000,
        quantization="int8",
        ceph_path="s3://weights/bert",
        release_notes="Line one\nLine two",
        metadata={"git_url": "https://git.test/org/bert.git", "git_commit": "c" * 40},
    )
    api.deployment(version, "staging", endpoint_url="https://staging.test/bert")
    page = Page(browser.get(AT))
    facts = page.one("dl", class_="facts").text
    pull = f"docker pull docker.io/org/bert@{DIGEST}"
    for text in (pull, "v1.0.0", DIGEST, "linux/amd64 · 4.1 GB · int8", "s3://weights/bert", "admin-key"):
        assert text in facts
    assert page.one("a", class_="mono", href=f"https://git.test/org/bert/commit/{'c' * 40}").text == "c" * 12
    assert page.one("p", class_="text").text == "Line one Line two"
    assert "https://staging.test/bert" in page.links
    assert page.one("h1").text == "1.0.0"
    assert "candidate" in page.texts("span", class_="chip")


def test_it_says_how_to_use_it(browser, api, version):
    def lines():
        return Page(browser.get(AT)).one("pre", id="use-lines").text

    assert lines().startswith("from catapult import Registry")
    assert '"org/bert")' in lines()
    api.post(f"/api/v1/versions/{version['id']}/promote")
    assert "is_release=True" in lines()
    api.deployment(version, "production")
    assert 'environment="production"' in lines()


def test_a_digest_that_no_registry_takes_has_no_pull_command(browser, api, model):
    api.version(model, "1.0.0", digest="sha256:short")
    page = browser.get(AT).text
    assert "digest malformed" in page
    assert "docker pull" not in page


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "HTTPS://a.test/ onclick=x", "ftp://a.test"]
)
def test_only_web_addresses_become_links(browser, api, model, address):
    api.version(model, "1.0.0", ceph_path=address, metadata={"git_url": address, "git_commit": "abc", "run": address})
    assert address not in Page(browser.get(AT)).links


def test_metadata_stands_beside_that_of_the_release(browser, api, model):
    old = {"accuracy": 0.5, "loss": 2, "gone": 1, "same": "x", "list": [1, 2]}
    api.version(model, "0.9.0", metadata=old, is_release=True)
    api.version(model, "1.0.0", metadata={"accuracy": 0.75, "loss": 1, "new": 1, "same": "x", "list": [1, 3]})
    page = Page(browser.get(AT))
    rows = {row.text.split()[0]: row.text for row in page.all("tr") if row.text}
    assert "+0.25" in rows["accuracy"]
    assert "−1" in rows["loss"]
    for key, state in (("new", "new"), ("gone", "gone"), ("same", "same"), ("list", "changed")):
        assert rows[key].endswith(state), rows[key]
    assert "compared with the release 0.9.0" in page.one("h2", id="metadata-name").text + page.one("main").text
    assert "/models/org/bert/compare?v=0.9.0&v=1.0.0" in page.links


def test_a_long_key_is_broken_after_its_dots_and_is_no_markup(browser, api, model):
    keys = {"augmentation.<b>mosaic": 1, "short.key": 1, "a.b" * 60: 1}
    api.version(model, "1.0.0", metadata=keys)
    page = browser.get(AT)
    shown = [span.text for span in Page(page).has_class("key")]
    assert {"augmentation.<b>mosaic", "short.key"} < set(shown)
    assert "augmentation.<wbr>&lt;b&gt;mosaic" in page.text
    assert page.text.count("<wbr>") == 1


def test_neither_a_release_nor_a_version_beside_an_archived_one_is_compared(browser, api, model):
    api.version(model, "1.0.0", metadata={"accuracy": 0.5}, is_release=True)
    assert "compared with the release" not in browser.get(AT).text
    [release] = api.get("/api/v1/versions").json
    api.put(f"/api/v1/versions/{release['id']}", {"status": "archived"})
    api.version(model, "1.1.0", metadata={"accuracy": 0.75})
    assert "compared with the release" not in browser.get("/models/org/bert/versions/1.1.0").text


def test_versions_with_odd_names_have_a_page(browser, api, model):
    for name in ("1.0.0+build", "50%", "a?b", "#1", "<b>", '"q"'):
        api.version(model, name, tag="t")
        links = Page(browser.get("/models/org/bert")).links
        [to] = [link for link in links if link.startswith("/models/org/bert/versions/")][:1]
        assert Page(browser.get(to)).one("h1").text == name


def offered(page):
    links = {
        "edit": f"{AT}/-/edit",
        "delete": f"{AT}/-/delete",
        "deploy": "/new/deployment?model=org/bert&version=1.0.0",
    }
    verbs = {verb for verb in ("promote", "demote", "archive", "activate") if f"{AT}/-/{verb}" in page.actions}
    return verbs | {name for name, link in links.items() if link in page.links}


def test_the_state_decides_which_buttons_there_are(browser, api, version):
    api.post(f"/api/v1/versions/{version['id']}/promote")
    assert offered(Page(browser.get(AT))) == {"archive", "edit", "deploy", "demote", "delete"}
    api.put(f"/api/v1/versions/{version['id']}", {"is_release": False, "status": "archived"})
    assert offered(Page(browser.get(AT))) == {"activate", "edit", "delete"}


# --- in place ---------------------------------------------------------------------------------------------------------


def test_what_is_live_is_not_archived(browser, api, version):
    api.deployment(version, "production")
    answer = change(browser, "archive")
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (409, "none")
    assert "live in production" in Page(answer).has_class("toast")[0].text
    plain = browser.post(f"{AT}/-/archive")
    assert (plain.status_code, is_whole(plain)) == (409, True)


def test_a_version_that_is_gone_meanwhile_is_a_toast_on_its_page(browser, api, version):
    api.delete(f"/api/v1/versions/{version['id']}")
    answer = change(browser, "promote")
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (404, "none")
    assert "was deleted" in Page(answer).has_class("toast")[0].text
    assert browser.post(f"{AT}/-/promote").status_code == 404


def test_its_own_activity_and_no_other(browser, api, model, version):
    api.version(model, "2.0.0")
    change(browser, "promote")
    feed = Page(browser.get(AT)).one("ul", class_="feed").text
    assert "promoted org/bert 1.0.0" in feed
    assert "registered org/bert 1.0.0" in feed
    assert "2.0.0" not in feed
