"""Pages that show versions without an image, of a source alone."""

import csv
import io
from dataclasses import replace

import pytest
from markup import Page

SOURCE = "https://files.test/bert/2?a=<b>"
AT = "/models/org/bert/versions/2"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def version(api):
    model = api.model("org/bert", repository="docker.io/org/bert")
    api.deployment(api.version(model, "1"), "staging")
    made = api.make("/api/v1/versions", {"model_name": "org/bert", "version": "2", "source": SOURCE})
    api.post(f"/api/v1/versions/{made['id']}/promote", {})
    return made | api.deployment(made, "staging")


def test_the_version_shows_its_source_and_how_to_use_it(browser, version):
    page = Page(browser.get(AT))
    facts = page.one("dl", class_="facts").text
    assert f"Source {SOURCE}" in facts
    assert "Digest" not in facts
    assert "None" not in facts
    assert page.one("a", href=SOURCE)["rel"] == "noopener noreferrer"
    samples = " ".join(page.texts("pre"))
    assert "print(version.source)" in samples
    assert "docker" not in samples
    assert "digest malformed" not in page.texts("span", class_="chip")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/models",
        "/models/org/bert",
        "/models/org/bert?tab=deployments",
        "/versions",
        '/versions?filter=source ~ "files"',
        "/models/org/bert/compare?v=1&v=2",
        "/models/org/bert/compare?v=2&v=1",
        "/deployments",
        "/deployments/{id}",
        "/decisions/{decision_id}",
        "/environments",
        "/environments/staging",
        "/environments/staging/-/rollback?model_name=org/bert",
        "/search?q=bert",
        "/inbox",
        "/audit",
        f"{AT}/-/edit",
        "/new/version",
    ],
)
def test_no_page_of_it_fails_or_says_none(browser, version, path):
    response = browser.get(path.format(**version))
    assert response.status_code in (200, 302), response.text
    assert ">None<" not in response.text


def test_lists_and_comparisons_show_the_source_where_there_is_no_digest(browser, version):
    for path in (
        "/models/org/bert",
        "/versions",
        "/models/org/bert/compare?v=1&v=2",
        f"/decisions/{version['decision_id']}",
    ):
        assert "https://files.test/bert/2?a=&lt;b&gt;" in browser.get(path).text, path


def test_a_file_of_versions_has_the_source(browser, version):
    link = next(link for link in Page(browser.get("/versions")).links if "csv" in link)
    rows = list(csv.DictReader(io.StringIO(browser.get(link).text)))
    assert [(row["digest"], row["source"]) for row in rows] == [("", SOURCE), (DIGEST, "")]


def test_the_form_registers_a_version_of_a_source(browser, api, version):
    fields = {"model_name": "org/bert", "version": "3", "tag": "", "digest": "", "source": "a b/c"}
    assert browser.post("/new/version", data=fields).status_code == 303
    made = api.get("/api/v1/versions?version=3").json[0]
    assert (made["tag"], made["digest"], made["source"]) == (None, None, "a b/c")
    refused = browser.post("/new/version", data={**fields, "version": "4", "source": ""})
    assert refused.status_code == 422
    assert refused.text.count("Required unless source is given.") == 2


@pytest.mark.parametrize(
    ("ui", "origin", "address"),
    [
        ("", {"run_id": "a b"}, None),
        ("https://mlflow.test/x", {"run_id": "a b"}, "https://mlflow.test/x/#/runs/a%20b"),
        ("https://mlflow.test", {"run_id": "r", "run_link": "https://other.test/r"}, "https://other.test/r"),
        ("https://mlflow.test", {"run_id": 7, "run_link": "javascript:alert(1)"}, None),
        ("https://mlflow.test", "r", None),
    ],
)
def test_a_run_of_mlflow_is_a_link_where_its_pages_are_known(api, app, browser, monkeypatch, ui, origin, address):
    monkeypatch.setitem(app.extensions, "catapult", replace(app.extensions["catapult"], mlflow_ui_url=ui))
    body = {
        "model_id": api.model("org/bert")["id"],
        "version": "2",
        "source": "s3://m/2",
        "metadata": {"mlflow": origin},
    }
    api.make("/api/v1/versions", body)
    page = Page(browser.get(AT))
    links = [
        (link.text, link["href"])
        for link in page.all("a")
        if ".test" in link["href"] and link.text != link["href"]  # metadata has the link itself
    ]
    assert links == ([(origin["run_id"], address)] if address else [])


@pytest.mark.parametrize(("name", "address"), [("fraud", "models:/fraud/1"), ("org/fraud", "s3://m/2")])
def test_a_version_shows_how_mlflow_loads_it(api, browser, name, address):
    api.make("/api/v1/versions", {"model_id": api.model(name)["id"], "version": "2", "source": "s3://m/2"})
    page = Page(browser.get(f"/models/{name}/versions/2"))
    (sample,) = [text for text in page.texts("pre") if "mlflow" in text]
    assert 'mlflow.set_registry_uri("http://localhost")' in sample
    assert f'load_model("{address}")' in sample
