"""Notes and descriptions in Markdown: they read as meant, and nothing of the known payloads runs or loads."""

import pytest
from playwright.sync_api import expect
from xss import PAYLOADS

from browser.axe import check

NAME = "markdown/model"
VERSION = f"/models/{NAME}/versions/1.0.0"
NOTES = """# What changed

Quantised to `int8`: p95 falls from **18.9** to 10.5 ms.

- Trained on [reviews](https://example.com/reviews)
- ![The icon](/static/icon.svg)

| slice | f1 |
| --- | ---: |
| German | 0.91 |

```
make train
```
"""
LONG = "\n" + "It reads reviews of products, in German and in English. " * 5
AT_ONCE = 4
"""Payloads in one text."""


@pytest.fixture(scope="module")
def written(admin):
    """A model and a version with notes."""
    model = admin.model(NAME, description=NOTES + LONG)
    return {"model": model, "version": admin.version(model, "1.0.0", release_notes=NOTES)}


def test_notes_read_as_they_are_meant(windows, written):
    page = windows("viewer")
    page.goto(VERSION)
    notes = page.locator(".markdown")
    expect(notes.get_by_role("heading", name="What changed", level=3)).to_be_visible()
    expect(notes.get_by_role("link", name="reviews")).to_have_attribute("rel", "nofollow noopener")
    expect(notes.get_by_role("table")).to_contain_text("German")
    assert notes.locator("img").evaluate("(image) => image.complete && image.naturalWidth > 0")
    check(page)
    page.goto(f"/models/{NAME}")
    page.locator("details.lead > summary").click()
    expect(page.locator(".markdown").get_by_role("heading", name="What changed", level=2)).to_be_visible()
    check(page)


def test_no_payload_runs_loads_or_becomes_an_element(windows, admin, written):
    windows.allow(404)  # /x.png, an image of this origin
    page = windows("admin")
    page.on("dialog", lambda dialog: windows.faults.append(f"a dialog opened: {dialog.message}"))
    for first in range(0, len(PAYLOADS), AT_ONCE):
        text = "\n\n".join(PAYLOADS[first : first + AT_ONCE])
        answer = admin.put(f"/api/v1/versions/{written['version']['id']}", json={"release_notes": text})
        answer.raise_for_status()
        page.goto(VERSION)
        odd = page.locator(".markdown *").evaluate_all(
            """(elements) => elements.filter((it) => it.getAttributeNames().some(
                (name) => !["href", "rel", "src", "alt", "start"].includes(name)
                || (name === "href" && !["http:", "https:"].includes(new URL(it.href).protocol))
                || (name === "src" && new URL(it.src).origin !== location.origin))
              || /^(script|style|iframe|object|embed|form|input|button|svg|math|template|base|meta|link)$/i.test(it.tagName)
            ).map((it) => it.outerHTML)"""
        )
        assert odd == [], text
