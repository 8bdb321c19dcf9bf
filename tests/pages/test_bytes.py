"""What pages weigh where every character takes five in HTML."""

from urllib.parse import quote

import pytest
from markup import Page

MOST_BYTES = 300_000


def of_quotes(number):
    """A version's name of 128 characters, nearly all of them quotes."""
    return f"{number:03}".ljust(128, '"')


@pytest.fixture
def model(api):
    return api.model("org/bert")


def compared(*names):
    return "/models/org/bert/compare?" + "&".join(f"v={quote(name)}" for name in names)


@pytest.mark.parametrize(
    "metadata",
    [
        {str(key): key for key in range(500)},
        {"text": '"' * 32_000},
        {str(key): "x" * 4_001 for key in range(15)},
        {str(key): f"https://{'&' * 180}" for key in range(300)},
    ],
    ids=["keys", "text", "texts", "links"],
)
def test_six_versions_whose_names_are_quotes_fit_on_a_page(browser, api, model, metadata):
    names = [of_quotes(number) for number in range(30)]
    for name in names:
        api.version(model, name, tag="v1", metadata=metadata | {"accuracy": int(name[:3])}, release_notes='"' * 10_000)
    page = browser.get(compared(*names[:6]))
    assert page.status_code == 200
    assert len(page.data) <= MOST_BYTES


AMPERSANDS = {"text": "&" * 65_000}
REFERENCES = {"text": "&a" * 32_000}
TAGS = {"text": "<b" * 32_000}
QUOTES = {"text": '"' * 32_000}
KEYS = {f"{key:03}".ljust(160, "&"): "&" * 160 for key in range(190)}
FEW = {f"{key:02}": "&" * 4_000 for key in range(16)}


@pytest.mark.parametrize("metadata", [AMPERSANDS, REFERENCES, TAGS, QUOTES, KEYS, FEW])
@pytest.mark.parametrize("notes", ["&", "<a", '"', "🜲"])
def test_forms_of_the_heaviest_metadata_fit_on_a_page_and_saving_them_changes_nothing(
    browser, api, trail, metadata, notes
):
    notes = (notes * 10_000)[:10_000]
    model = api.model("org/bert", metadata=metadata, description=notes, tags=["&" * 128] * 50)
    api.version(model, "1.0.0", metadata=metadata, release_notes=notes)
    for path in ("/models/org/bert/-/settings", "/models/org/bert/versions/1.0.0/-/edit"):
        page = browser.get(path)
        assert len(page.data) <= MOST_BYTES
        shown = Page(page)
        typed = {
            name: shown.field(name).value
            for name in ("metadata", "description", "release_notes", "tags")
            if f'name="{name}"' in page.text
        }
        assert (
            browser.post(
                path,
                {name: value.replace("\n", "\r\n") for name, value in typed.items()}
                | {"storage_path": model["storage_path"]},
            ).status_code
            == 303
        )
    assert trail("model.update") == trail("version.update") == []


@pytest.mark.parametrize("base", [AMPERSANDS, KEYS, FEW])
@pytest.mark.parametrize("metadata", [AMPERSANDS, TAGS, KEYS, FEW, {"few": 1}])
def test_a_version_beside_its_release_fits_on_a_page(browser, api, model, base, metadata):
    api.version(model, "1.0.0", metadata=base, is_release=True, release_notes="&" * 10_000)
    api.version(model, of_quotes(1), tag="v1", metadata=metadata, release_notes="&" * 10_000)
    page = browser.get(f"/models/org/bert/versions/{quote(of_quotes(1))}")
    assert page.status_code == 200
    assert len(page.data) <= MOST_BYTES
