"""What pages weigh where every character takes five in HTML; `test_scale.py` has many heavy rows."""

import re
from html import unescape
from itertools import product
from urllib.parse import quote

import pytest
import stage
from markup import Page

MOST_BYTES, MOST_OF_A_FORM = 750_000, 1_000_000


def of_quotes(number):
    """A version's name of 128 characters, nearly all of them quotes."""
    return f"{number:03}".ljust(128, '"')


def fits(response, most=MOST_BYTES):
    assert response.status_code == 200
    assert len(response.data) <= most
    return Page(response)


# --- comparisons ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        lambda number: {f"key_{number}_{key:03}": key for key in range(60)},
        lambda number: {"text": '"' * 131_000},
        lambda number: {f"key_{key}": "'" * 3900 + str(number) for key in range(6)},
        lambda number: {f"key_{key:03}": f"https://{'&' * 180}" for key in range(60)},
        lambda number: {f"key_{key:03}": 0.1234567890123 * 10**number + key for key in range(200)},
        lambda number: {"k" * 200 + f"{key:03}": [key] * 20 for key in range(200)},
    ],
    ids=["keys", "text", "texts", "links", "numbers", "lists"],
)
def test_six_versions_whose_names_are_quotes_fit_on_pages_that_hold_every_key(browser, api, model, metadata):
    names = [of_quotes(number) for number in range(30)]
    for number, name in enumerate(names):
        api.version(model, name, tag="v1", metadata=metadata(number) if number < 6 else {}, release_notes='"' * 65_536)
    address, keys = "/models/org/bert/compare?" + "&".join(f"v={quote(name)}" for name in names[:6]), []
    while address:
        response = browser.get(address)
        keys += [head.text for head in fits(response).all("th", scope="row") if head.text not in IMAGE]
        more = re.search(r'href="([^"]+)"[^>]*>The next of', response.text)
        address = more and unescape(more[1])
    assert len(keys) == len({key for number in range(6) for key in metadata(number)})


IMAGE = {"digest", "tag", "size", "platform", "quantization", "live in", "notes"}

# --- one version, forms -----------------------------------------------------------------------------------------------

AMPERSANDS = {"text": "&" * 262_000}
REFERENCES = {"text": "&a" * 131_000}
TAGS = {"text": "<b" * 131_000}
QUOTES = {"text": '"' * 131_000}
KEYS = {f"{key:04}".ljust(60, "&"): "&" * 60 for key in range(2_048)}
FEW = {f"{key:02}": "&" * 4_000 for key in range(65)}


@pytest.mark.parametrize("metadata", [AMPERSANDS, REFERENCES, TAGS, QUOTES, KEYS, FEW])
@pytest.mark.parametrize("notes", ["&", "<a", '"', "🜲"])
def test_forms_of_the_heaviest_metadata_fit_on_a_page_and_saving_them_changes_nothing(
    browser, api, trail, metadata, notes
):
    notes = (notes * 10_000)[:10_000]
    model = api.model("org/bert", metadata=metadata, description=notes, tags=["&" * 128] * 50)
    api.version(model, "1.0.0", metadata=metadata, release_notes=notes)
    for path in ("/models/org/bert/-/settings", "/models/org/bert/versions/1.0.0/-/edit"):
        texts = {
            area["name"]: area.value.replace("\n", "\r\n")
            for area in fits(browser.get(path), MOST_OF_A_FORM).all("textarea")
        }
        assert browser.post(path, {"storage_path": model["storage_path"], **texts}).status_code == 303
    assert trail("model.update") == trail("version.update") == []


@pytest.mark.parametrize("base", [AMPERSANDS, KEYS, FEW])
@pytest.mark.parametrize("metadata", [AMPERSANDS, TAGS, KEYS, FEW, {"few": 1}])
def test_a_version_beside_its_release_fits_on_a_page(browser, api, model, base, metadata):
    api.version(model, "1.0.0", metadata=base, is_release=True, release_notes="&" * 65_536)
    api.version(model, of_quotes(1), tag="v1", metadata=metadata, release_notes="&" * 65_536)
    fits(browser.get(f"/models/org/bert/versions/{quote(of_quotes(1))}"))


# --- everything else --------------------------------------------------------------------------------------------------


def test_deployments_and_rollbacks_of_heavy_metadata_fit_on_a_page(browser, api, model):
    for number in range(2):
        metadata = {f"{key}{'k' * 100}": '"' * 50 + str(number) for key in range(300)}
        made = api.deployment(api.version(model, f"1.{number}.0", metadata=metadata), "staging", metadata=metadata)
    fits(browser.get(f"/deployments/{made['id']}"))
    response = browser.get("/environments/staging/-/rollback?model_name=org/bert")
    assert any("/compare?" in link for link in fits(response).links)
    assert "288 more keys differ" in response.text


def test_fifty_frozen_environments_fit_on_a_page(browser, api, model, sql):
    sql(stage.environments(numbered=50))
    version = api.version(model)
    for number in range(50):
        api.deployment(version, f"env-{number + 1}")
    hostile = "protected = true, frozen = true, frozen_reason = repeat('\"', 1024), description = repeat('\"', 9999)"
    sql(f"UPDATE environments SET {hostile}")
    links = fits(browser.get("/environments")).links
    assert all(any(f"env-{number + 1}" in link for link in links) for number in range(50))


def test_gates_of_the_longest_texts_fit_on_a_page(browser, api, model):
    api.put("/api/v1/environments/staging", {})
    paths = [f"{number}".ljust(255, "&") for number in range(50)]
    for count, target in product(range(60), ["release", "staging"]):
        others = [*paths[1:], f"gate {count}".ljust(255, "&")]
        api.make("/api/v1/gates", {"model": "*", "target": target, "kind": "metadata_present", "paths": others})
    api.version(model, metadata={"text": "&" * 250_000}, release_notes="&" * 65_536)
    at = "/models/org/bert/versions/1.0.0"
    for path in ("/gates", f"{at}/-/override", "/"):
        fits(browser.get(path))
    response = browser.get(at)
    assert "more gates" in fits(response).one("main").text
    sent = {"model": "*", "target": "release", "kind": "metadata_present", "paths": "\r\n".join(paths), "do": "try"}
    fits(browser.post("/new/gate", sent))


def test_the_inbox_of_the_longest_names_fits_on_a_page(browser, api):
    gate = {"model": "*", "target": "release"}
    api.make("/api/v1/gates", {**gate, "kind": "metadata_present", "paths": ["&" * 255] * 50})
    api.make("/api/v1/gates", {**gate, "kind": "approved", "count": 1, "role": "viewer"})
    model = api.model("org/".ljust(255, "x"))
    for number in range(60):
        api.by("publisher").version(model, of_quotes(number), tag="t")
    assert 10 < len([item for item in fits(browser.get("/inbox")).all("li") if item.get("id")]) <= 50
