import pytest
import stage
from markup import Page, is_whole

HEADER = b'{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
SAFETENSORS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(24)

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
    for text in (pull, "v1.0.0", DIGEST, "linux/amd64 · 4.1 GB · int8", "s3://weights/bert", "Number 1", "admin-key"):
        assert text in facts
    assert page.one("a", class_="mono", href=f"https://git.test/org/bert/commit/{'c' * 40}").text == "c" * 12
    assert page.has_class("markdown")[0].text == "Line one Line two"
    assert "https://staging.test/bert" in page.links
    assert page.one("h1").text == "1.0.0"
    assert "candidate" in page.texts("span", class_="chip")


@pytest.mark.parametrize("notes", ["**bold** line\n" * 3_000, "x" * 65_536, "**bold** line\n" * 714 + "x" * 10_000])
def test_long_notes_are_markdown_at_first_and_then_plain_and_whole(browser, api, model, notes):
    api.version(model, "1.0.0", release_notes=notes)
    page = browser.get(AT)
    assert (page.text.count("<strong>bold</strong> line"), "as plain text" in page.text) == (
        notes[:9_996].count("b"),
        True,
    )
    shown = Page(page).one("section", aria_labelledby="notes-name").text
    assert shown.count("bold line") + shown.count("**bold** line") == notes.count("bold")
    assert shown.count("x") == notes.count("x") + 1  # that of "plain text"


def test_it_says_how_to_use_it(browser, api, version):
    def lines(key):
        return Page(browser.get(AT)).one("pre", id=f"use-{key}").text

    assert 'url = "http://localhost/api" registry = Registry(url, os.environ["REGISTRY_API_KEY"])' in lines("python")
    assert 'get_version( model_name="org/bert", version="1.0.0" )' in lines("python")
    assert lines("curl").endswith(f"http://localhost/api/v1/versions/{version['id']}")
    assert "catapult gates org/bert 1.0.0 --target release" in lines("cli")
    assert "catapult live" not in lines("cli")
    api.deployment(version, "production")
    assert "catapult live production org/bert" in lines("cli")
    assert lines("docker") == f"docker pull docker.io/org/bert@{DIGEST}"
    assert f'image: "docker.io/org/bert@{DIGEST}"' in lines("compose")


def test_names_in_lines_to_paste_are_quoted(browser, api, model):
    api.version(model, "$(id)'\"", tag="t")
    page = Page(browser.get("/models/org/bert/versions/$(id)'%22"))
    assert "gates org/bert '$(id)'\"'\"'\"' --target" in page.one("pre", id="use-cli").text
    assert """version="$(id)'\\"" )""" in page.one("pre", id="use-python").text


def test_a_digest_that_no_registry_takes_has_no_pull_command(browser, api, model):
    api.version(model, "1.0.0", digest="sha256:short")
    page = browser.get(AT).text
    assert "digest malformed" in page
    assert "docker pull" not in page
    assert "docker compose" not in page


def test_a_repository_from_before_the_rule_has_no_pull_command_and_says_why(browser, api, model, sql):
    api.version(model)
    sql("UPDATE models SET repository = 'https://ghcr.io/Acme/bert'")
    page = browser.get("/models/org/bert/versions/1.0.0")
    assert (
        "Correct the model's repository, https://ghcr.io/Acme/bert: it must have no scheme"
        in Page(page).one("main").text
    )
    assert "docker pull" not in page.text


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


def groups(page):
    """The keys of each group, as the table shows them."""
    found = {}
    for it in page.all("th"):
        if it.get("scope") == "rowgroup":
            found[it.text] = []
        elif it.get("scope") == "row" and found:
            found[list(found)[-1]].append(it.text)
    return found


def test_metadata_stands_in_groups_and_what_a_gate_reads_comes_first(browser, api, model, gate):
    gate(path="latency_ms.p95", op="<=", value=20)
    own = {
        "accuracy": 0.9,
        "latency_ms": {"p50": 8, "p95": 16, "unit": "ms"},
        "optimizer": {"lr": 1e-4, "name": "adam"},
    }
    api.version(model, "1.0.0", metadata={**own, "eval": {"auc": 0.9}, "dataset": {"name": "x"}, "batch_size": 8})
    assert groups(Page(browser.get(AT))) == {
        "Metrics": ["latency_ms.p95", "accuracy", "eval.auc", "latency_ms.p50"],
        "latency_ms": ["latency_ms.unit"],
        "optimizer": ["optimizer.lr", "optimizer.name"],
        "Parameters": ["batch_size", "dataset.name"],
    }


def test_what_is_unchanged_against_the_release_is_folded(browser, api, model):
    api.version(model, "0.9.0", metadata={"accuracy": 0.5, "a": 1, "b": "x"}, is_release=True)
    api.version(model, "1.0.0", metadata={"accuracy": 0.75, "a": 1, "b": "x"})
    page = Page(browser.get(AT))
    assert groups(page)["Metrics"] == ["accuracy", "a", "b"]  # the last two are in the fold after it
    assert page.one("details", id="unchanged").text.startswith("2 unchanged")
    assert "accuracy" not in page.one("details", id="unchanged").text
    assert not Page(browser.get("/models/org/bert/versions/0.9.0")).all("details", id="unchanged")


def test_numbers_are_at_the_right_and_texts_and_digests_at_the_left(browser, api, model):
    commit, image = "0123456789ab" + "c" * 28, "sha256:" + "d" * 64
    api.version(
        model, "1.0.0", metadata={"n": 1, "text": "x", "git_commit": commit, "base_image": image, "short": "abc"}
    )
    page = Page(browser.get(AT))
    cells = {cell.text: (cell.get("class") or "").split()[-1] for cell in page.all("td") if cell.get("class")}
    assert (cells["1"], cells["x"], cells["abc"]) == ("number", "break", "break")
    shown = {code.get("title"): code.text for code in page.all("code") if code.get("title")}
    assert shown == {commit: "0123456789ab", image: "d" * 12}
    copied = {button.get("data-copy") for button in page.all("button")}
    assert {commit, image} <= copied


def test_an_address_that_is_no_link_may_break_after_its_punctuation(browser, api, model):
    address, many = "git@git.example.com:risk/<b>gbm", "a." * 60
    api.version(model, "1.0.0", metadata={"git": address, "many": many, "short": "a.b:c"})
    page = browser.get(AT)
    assert "git@<wbr>git.<wbr>example.<wbr>com:<wbr>risk/<wbr>&lt;b&gt;gbm" in page.text
    assert page.text.count("<wbr>") == 5
    assert {address, many, "a.b:c"} <= {cell.text.strip() for cell in Page(page).all("td")}


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


def test_its_activity_tells_of_its_files_also_of_removed_ones(browser, api, model, version):
    other = api.version(model, "2.0.0")
    for of, path in ((version, "weights.bin"), (version, "logs/train.txt"), (other, "other.bin")):
        made = api.put(f"/api/v1/versions/{of['id']}/artifacts/{path}", {"n": 1})
        if path != "weights.bin":
            assert api.delete(f"/api/v1/artifacts/{made.json['id']}").status_code == 204
    feed = Page(browser.get(AT)).one("ul", class_="feed").text
    told = (
        "removed the file logs/train.txt from org/bert 1.0.0",
        "added the file logs/train.txt to org/bert 1.0.0",
        "added the file weights.bin to org/bert 1.0.0",
        "registered org/bert 1.0.0",
    )
    assert [feed.index(text) for text in told] == sorted(feed.index(text) for text in told)
    assert "other.bin" not in feed
    assert told[0] in Page(browser.get("/audit")).one("ul", class_="feed entries").text


# --- overrides, changes of content ------------------------------------------------------------------------------------

METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.99}
APPROVED = {"model": "*", "target": "release", "kind": "approved"}


def chips(response):
    return [it.text for it in Page(response).has_class("chip")]


def test_an_override_is_marked_wherever_the_release_or_the_deployment_is_shown(browser, api):
    version = api.version(api.model("org/over"), metadata={"accuracy": 0.5})
    made = api.deployment(version, "staging")
    at = "/models/org/over/versions/1.0.0"
    paths = ["/", "/environments", "/environments/staging", "/models/org/over", at]
    of_deployments = ["/deployments", f"/deployments/{made['id']}", "/models/org/over/-/deployments", at]
    for path in [*paths, *of_deployments]:
        assert "override" not in chips(browser.get(path)), path
    api.make("/api/v1/gates", METRIC)
    api.post(f"/api/v1/versions/{version['id']}/promote", {"force": True, "reason": "now"})
    for path in paths:
        assert "override" in chips(browser.get(path)), path
    api.make("/api/v1/gates", {**METRIC, "target": "staging"})
    made = api.deployment(version, "staging", force=True, reason="now")
    of_deployments[1] = f"/deployments/{made['id']}"
    for path in of_deployments:
        assert "override" in chips(browser.get(path)), path
    assert chips(browser.get(at)).count("override") == 2


def test_activity_says_that_it_was_an_override(browser, api):
    version = api.version(api.model("org/over"), metadata={"accuracy": 0.5})
    api.make("/api/v1/gates", METRIC)
    api.post(f"/api/v1/versions/{version['id']}/promote", {"force": True, "reason": "Customers wait"})
    feed = Page(browser.get("/")).one("ul", class_="feed").text
    assert "admin-key promoted org/over 1.0.0 with an override “Customers wait”" in feed


def test_the_names_of_people_stand_in_the_activity(browser, api):
    dana = api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "publisher"})
    key = api.make("/api/v1/api-keys", {"name": "laptop", "role": "publisher", "person_id": dana["id"]})
    stage.Api(api.app, {"own": key["key"]}, "own").model("org/hers")
    api.put(f"/api/v1/people/{dana['id']}", {"active": False})
    feed = Page(browser.get("/")).one("ul", class_="feed").text
    assert "Dana Ortiz registered the model org/hers" in feed
    assert "admin-key deactivated Dana Ortiz" in feed
    assert "admin-key added the person Dana Ortiz" in feed
    entry = Page(browser.get("/audit?action=model.create")).one("ul", class_="feed entries").text
    assert "Dana Ortiz registered the model org/hers" in entry
    assert "key laptop" in entry


def test_what_has_changed_since_registration_stands_beside_the_approvals(browser, api, sql):
    version = api.by("publisher").version(api.model("org/over"), metadata={"accuracy": 0.5})
    at = "/models/org/over/versions/1.0.0"
    api.make("/api/v1/gates", APPROVED)
    assert not Page(browser.get(at)).has_class("since")
    sql("UPDATE versions SET created_at = now() - interval '2 hours'")
    api.by("publisher").put(f"/api/v1/versions/{version['id']}", {"metadata": {"accuracy": 0.99}, "release_notes": "x"})
    told = "accuracy changed from 0.5 to 0.99 by publisher-key, 2 hours after registration"
    for path in (at, "/inbox"):
        assert [it.text for it in Page(browser.by("releaser").get(path)).has_class("since")] == [told], path


def test_an_approval_by_a_key_that_the_registrant_made_says_so(browser, api):
    version = api.version(api.model("org/over"))
    api.make("/api/v1/gates", {**APPROVED, "count": 2})
    key = api.make("/api/v1/api-keys", {"name": "mine too", "role": "releaser"})
    by_key = stage.Api(api.app, {"own": key["key"]}, "own")
    by_key.make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    page = browser.by("viewer").get("/models/org/over/versions/1.0.0")
    assert "its key was created by whoever registered the version" in page.words


def test_the_content_of_a_release_is_changed_with_a_reason(browser, api, trail):
    version = api.version(api.model("org/over"), metadata={"accuracy": 0.5})
    path = "/models/org/over/versions/1.0.0/-/edit"
    fields = {"release_notes": "", "metadata": '{"accuracy": 0.9}', "quantization": "", "ceph_path": ""}
    assert 'name="reason"' not in browser.get(path).text
    api.post(f"/api/v1/versions/{version['id']}/promote", {})
    assert "it is a release, so that takes a releaser too" in browser.get(path).words
    refused = browser.post(path, {**fields, "reason": ""})
    assert (refused.status_code, Page(refused).invalid) == (422, ["reason"])
    assert browser.by("publisher").post(path, {**fields, "reason": "Typo"}).status_code == 403
    assert browser.post(path, {**fields, "reason": "Typo"}).status_code == 303
    assert trail("version.update")[0]["details"]["reason"] == "Typo"


def test_so_is_the_place_of_its_image(browser, api, trail):
    version = api.version(api.model("org/over"))
    path = "/models/org/over/-/settings"
    fields = {"storage_path": "docker.io/org/moved", "repository": "", "description": "", "tags": "", "metadata": ""}
    api.post(f"/api/v1/versions/{version['id']}/promote", {})
    refused = browser.post(path, {**fields, "reason": ""})
    assert (refused.status_code, Page(refused).invalid) == (422, ["reason"])
    assert browser.post(path, {**fields, "reason": "New registry"}).status_code == 303
    assert trail("model.update")[0]["details"]["reason"] == "New registry"


# --- tags -------------------------------------------------------------------------------------------------------------


def tag(browser, text, htmx=None, **more):
    return browser.post(f"{AT}/-/tags", {"tags": text, **more}, htmx=htmx)


def tags(api, version):
    return api.get(f"/api/v1/versions/{version['id']}").json["tags"]


@pytest.mark.parametrize("htmx", [None, "tags"])
def test_tags_are_changed_in_place_and_lead_to_the_versions_that_have_them(browser, api, version, htmx):
    answer = tag(browser.by("publisher"), 'nlp\r\n a "b" \r\n\r\n', htmx)
    assert tags(api, version) == ["nlp", 'a "b"']
    if htmx:
        assert (answer.status_code, is_whole(answer)) == (200, False)
        assert "The tags of org/bert 1.0.0 are changed." in Page(answer).has_class("toast")[0].text
    else:
        assert (answer.status_code, answer.headers["Location"]) == (303, AT)
    links = [link for link in Page(browser.get(AT)).has_class("chip") if "filter=tags" in (link.get("href") or "")]
    assert [link.text for link in links] == ["nlp", 'a "b"']
    for link in links:
        assert [box["value"] for box in Page(browser.get(link["href"])).all("input", name="v")] == ["1.0.0"]
    assert tag(browser, "", htmx).status_code in (200, 303)
    assert tags(api, version) == []


@pytest.mark.parametrize("htmx", [None, "tags"])
def test_tags_that_are_refused_are_shown_again_with_why(browser, api, version, htmx):
    tag(browser, "kept")
    answer = tag(browser, "ok\né", htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer), page.invalid) == (422, htmx is None, ["tags"])
    assert page.field("tags").value.strip() == "ok\né"
    assert "visible ASCII" in page.one("span", id="tags-fault").text
    assert tags(api, version) == ["kept"]


def test_tags_that_somebody_else_changed_meanwhile_are_not_overwritten(browser, api, version):
    api.put(f"/api/v1/versions/{version['id']}", {"tags": ["theirs"]})
    answer = tag(browser, "mine", "tags", counter="1")
    assert answer.status_code == 412
    assert Page(answer).field("tags").value.strip() == "mine"
    assert tags(api, version) == ["theirs"]


def test_a_viewer_sees_tags_and_no_form(browser, api, version):
    tag(browser, "nlp")
    page = Page(browser.by("viewer").get(AT))
    assert page.one("div", id="tags").text == "nlp"
    assert f"{AT}/-/tags" not in page.actions


def test_the_files_of_a_version_are_listed_with_links_that_a_session_may_follow(api, browser):
    version = api.version(api.model())
    at = f"/models/org/bert/versions/{version['version']}"
    assert "/content" not in browser.get(at).text
    for number in range(52):
        api.put(f"/api/v1/versions/{version['id']}/artifacts/part-{number:02}.json", {"n": number})
    page = Page(browser.get(at))
    assert "the first 50" in browser.get(at).words
    links = [one for one in page.all("a") if (one.get("href") or "").endswith("/content")]
    assert [link.text.strip() for link in links] == [f"part-{number:02}.json" for number in range(50)]
    answer = browser.get(links[0]["href"], headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.json) == (200, {"n": 0})
    assert browser.by(None).get(links[0]["href"]).status_code == 401


def test_what_is_in_a_file_of_weights_is_beside_its_name(api, browser):
    version = api.version(api.model())
    at = f"/api/v1/versions/{version['id']}/artifacts"
    header = b'{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    scalar = len(header).to_bytes(8, "little") + header + bytes(4)
    files = {"w": SAFETENSORS, "bad": SAFETENSORS[:20], "bias": scalar}
    for name, content in [*((f"{name}.safetensors", content) for name, content in files.items()), ("m.pkl", b"x")]:
        api.put(f"{at}/{name}", content, content_type="application/octet-stream")
    words = browser.get(f"/models/org/bert/versions/{version['version']}").words
    assert "safetensors, 6 parameters, F32" in words
    assert "safetensors, 1 parameter, F32" in words
    assert '<span class="small bad">safetensors, could not be read: ' in words
    assert '<span class="small bad">pickle, runs code when it is loaded</span>' in words
    facts = {each["path"]: each["facts"] for each in api.get(at).json}
    assert (facts["w.safetensors"]["tensors"], facts["w.safetensors"]["dtypes"]) == (1, {"F32": 1})
