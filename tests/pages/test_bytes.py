"""What pages weigh where every character takes five in HTML."""

from urllib.parse import quote

import pytest

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
