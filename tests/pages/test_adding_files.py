"""Files are added on a version's page: sent by a form that is read as it arrives, or registered where they lie on the mount."""

from dataclasses import replace
from io import BytesIO

import pytest
from markup import Page, is_whole
from stage import FilesHere

from catapult.extensions import FILES, MOUNT, STORAGE

AT = "/models/org/bert/versions/1.0.0"


@pytest.fixture
def paths(api, version):
    """A function that returns the paths of the version's files."""
    return lambda: [file["path"] for file in api.get(f"/api/v1/versions/{version['id']}/artifacts").json]


@pytest.fixture
def send(browser):
    """A function that sends the form with a file, as a publisher."""

    def send(content=b"weights", filename="model.bin", to="", by="publisher", **kwargs):
        data = {"to": to, "file": (BytesIO(content), filename)}
        return browser.by(by).post(f"{AT}/-/files", data, content_type="multipart/form-data", **kwargs)

    return send


@pytest.fixture
def folder(app):
    """The mount's folder `many`, with three files and a folder; it is empty again afterwards."""
    many = app.extensions[MOUNT].root / "many"
    (many / "z").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "z/c.txt"):
        (many / name).write_text(name)
    yield many
    for name in ("a.txt", "b.txt", "z/c.txt"):
        (many / name).unlink()
    (many / "z").rmdir()
    many.rmdir()


def uploads(app):
    return list((app.extensions[STORAGE].root / "uploads").glob("*"))


def test_a_file_is_added_by_its_own_name_or_by_the_path_that_was_typed(api, version, send, paths):
    sent = send()
    assert (sent.status_code, sent.headers["Location"]) == (303, f"{AT}#files")
    card = send(b"{}", "eval.json", "reports/eval.json", htmx="files")
    assert (card.status_code, is_whole(card)) == (200, False)
    assert "Added reports/eval.json." in card.words
    assert paths() == ["model.bin", "reports/eval.json"]
    (_, report) = api.get(f"/api/v1/versions/{version['id']}/artifacts").json
    assert (report["media_type"], report["size_bytes"]) == ("application/json", 2)
    assert send().status_code == 303  # the same again adds nothing
    assert len(paths()) == 2


@pytest.mark.parametrize(
    ("content", "boundary"),
    [(b"", "x"), (b"\r\n--x-- \r\n--y", "y1"), (b"\r" * 3_000_000, "x"), (bytes(2_500_000), "x")],
)
def test_what_arrives_is_what_was_sent_whatever_it_looks_like(api, browser, version, content, boundary):
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode()
    body += content + f"\r\n--{boundary}--\r\n".encode()
    answer = browser.post(f"{AT}/-/files", body, content_type=f"multipart/form-data; boundary={boundary}")
    assert answer.status_code == 303, answer.words
    (file,) = api.get(f"/api/v1/versions/{version['id']}/artifacts").json
    assert api.get(f"/api/v1/artifacts/{file['id']}/content").data == content


@pytest.mark.parametrize("htmx", [None, "files"])
@pytest.mark.parametrize(
    ("sent", "status", "field", "message"),
    [
        ({"to": "../up"}, 422, "to", "Must be relative"),
        ({"filename": ""}, 422, "file", "Choose a file."),
        ({"content": b"other", "filename": "taken.bin"}, 409, "file", "taken.bin has other content."),
    ],
)
def test_a_refused_file_shows_the_form_with_the_error_beside_its_field(
    app, version, send, paths, htmx, sent, status, field, message
):
    send(filename="taken.bin")
    answer = send(**sent, htmx=htmx)
    assert (answer.status_code, is_whole(answer)) == (status, htmx is None)
    page = Page(answer)
    assert page.invalid == [field]
    assert message in page.one(id=f"field-{field}-fault").text
    assert page.field("to").value == sent.get("to", "")
    assert page.one("details", id="add-file").get("open") is not None
    assert paths() == ["taken.bin"]
    assert uploads(app) == []


def test_more_than_the_quota_is_507_beside_the_file(app, version, send, paths, monkeypatch):
    monkeypatch.setitem(app.extensions, "catapult", replace(app.extensions["catapult"], storage_quota=3))
    for content in (b"four", bytes(200_000)):
        answer = send(content)
        assert (answer.status_code, Page(answer).invalid) == (507, ["file"])
        assert "STORAGE_QUOTA" in answer.words
    assert (paths(), uploads(app)) == ([], [])
    assert send(b"3ch").status_code == 303


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"file=x", "application/x-www-form-urlencoded", 415),
        (b"file=x", "multipart/form-data", 415),
        (b"no form", "multipart/form-data; boundary=b", 400),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf', None, 400),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b\r\nnothing\r\n\r\n', None, 400),
        (b'--b\r\nContent-Disposition: form-data; name="to"\r\n\r\n' + b"x" * 70_000 + b"\r\n--b--\r\n", None, 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
            b'--b\r\nContent-Disposition: form-data; name="to"\r\n\r\nlate\r\n--b--\r\n',
            None,
            400,
        ),
        (b'--b\r\nX: ' + b"x" * 3_000_000, None, 413),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_read_adds_nothing(app, browser, version, paths, body, content_type, status):
    answer = browser.post(f"{AT}/-/files", body, content_type=content_type or "multipart/form-data; boundary=b")
    assert (answer.status_code, is_whole(answer)) == (status, True)
    assert (paths(), uploads(app)) == ([], [])


def test_another_site_and_a_version_that_is_closed_add_nothing(api, version, send, paths):
    assert send(headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    api.post(f"/api/v1/versions/{version['id']}/promote")
    refused = send()
    assert (refused.status_code, "is a release" in refused.words) == (409, True)
    assert paths() == []


def test_the_ways_to_add_files_are_offered_to_whoever_may_while_the_version_takes_any(api, browser, version, app_with):
    ways = {f"{AT}/-/files", f"{AT}/-/mount"}

    def offered(browser):
        page = Page(browser.get(AT))
        return ways & {*page.links, *page.actions}

    assert offered(browser.by("publisher")) == ways
    assert offered(browser.by("viewer")) == set()
    without = type(browser)(app_with(mount=None), browser.keys)
    assert offered(without) == {f"{AT}/-/files"}
    api.post(f"/api/v1/versions/{version['id']}/promote")
    assert offered(browser.by("publisher")) == set()


# --- the mount


def listed(answer):
    """What can be picked, and where the links of the dialog lead to."""
    page = Page(answer)
    return [it["value"] for it in page.all("input", type="radio")], [it for it in page.links if "/-/mount" in it]


def test_a_folder_is_gone_into_and_up_again_folders_first(browser, version, folder):
    picks, links = listed(browser.get(f"{AT}/-/mount", htmx="dialog-body"))
    assert (picks, links) == ([], [f"{AT}/-/mount?path=many", f"{AT}/-/mount?path=runs"])
    inside = browser.get(links[0], htmx="form")
    assert listed(inside) == (["many", "many/a.txt", "many/b.txt"], [f"{AT}/-/mount", f"{AT}/-/mount?path=many/z"])
    assert inside.text.index("z/</a>") < inside.text.index("a.txt")
    deeper = browser.get(f"{AT}/-/mount?path=many/z")
    assert is_whole(deeper)
    assert listed(deeper) == (["many/z", "many/z/c.txt"], [f"{AT}/-/mount", f"{AT}/-/mount?path=many"])


def test_more_of_a_folder_comes_after_its_last_name(browser, version, folder, monkeypatch):
    monkeypatch.setattr("catapult.pages.artifacts.ENTRIES", 2)
    first = browser.get(f"{AT}/-/mount?path=many")
    more = Page(first).one(id="more-link")["href"]
    assert more == f"{AT}/-/mount?path=many&after=b.txt"
    rest = browser.get(more, htmx="more")
    assert (is_whole(rest), listed(rest)) == (False, ([], [f"{AT}/-/mount?path=many/z"]))
    assert listed(browser.get(more))[0] == ["many"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"mount_path": "many/a.txt"}, ["a.txt"]),
        ({"mount_path": "many/a.txt", "path": "docs/first.txt"}, ["docs/first.txt"]),
        ({"mount_path": "many", "path": "all"}, ["all/a.txt", "all/b.txt", "all/z/c.txt"]),
    ],
)
def test_a_file_or_all_of_a_folder_is_registered(browser, version, paths, folder, form, expected):
    publisher = browser.by("publisher")
    answer = publisher.post(f"{AT}/-/mount?path=many", form, htmx="form")
    assert (answer.status_code, f"{AT}#files" in answer.headers["HX-Location"]) == (204, True)
    assert paths() == expected
    assert "on the mount, being read: 0 %" in publisher.get(AT).words
    again = publisher.post(f"{AT}/-/mount?path=many", form)
    assert (again.status_code, listed(again)[0]) == (409, ["many", "many/a.txt", "many/b.txt"])


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "Pick a file or the folder."),
        ({"mount_path": "many/none"}, "There is no many/none on the mount."),
        ({"mount_path": "many/a.txt", "path": "../up"}, "Must be relative"),
    ],
)
def test_what_cannot_be_registered_shows_the_folder_again(browser, version, paths, folder, form, message):
    answer = browser.post(f"{AT}/-/mount?path=many", form, htmx="form")
    assert (answer.status_code, listed(answer)[0]) == (422, ["many", "many/a.txt", "many/b.txt"])
    assert message in answer.words
    assert Page(answer).field("path").value == form.get("path", "")
    assert paths() == []


@pytest.mark.parametrize("path", ["none", "../etc", "runs/model.bin"])
def test_a_folder_that_is_not_there_says_so_in_the_dialog(browser, version, path):
    answer = browser.get(f"{AT}/-/mount?path={path}", htmx="dialog-body")
    assert answer.status_code == 404
    assert Page(answer).one(role="alert").text
    assert listed(answer)[0] == []


def test_without_a_mount_the_dialog_has_the_refusal(app, browser, version, monkeypatch):
    monkeypatch.setitem(app.extensions, FILES, FilesHere(app.extensions[STORAGE], None))
    answer = browser.get(f"{AT}/-/mount", htmx="dialog-body")
    assert (answer.status_code, "No mount is set here (CEPH_MOUNT_PATH)" in answer.words) == (404, True)
