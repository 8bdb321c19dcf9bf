"""What the browser has to load before somebody sees the first page."""

import gzip
from urllib.parse import urlsplit

from playwright.sync_api import expect

MOST = 90 * 1000


def test_the_first_page_is_at_most_90_kb_gzipped_in_all(windows):
    page = windows("admin")
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/", wait_until="networkidle")
    expect(page.get_by_role("heading", name="Pipeline")).to_be_visible()
    weights = {urlsplit(each.url).path: len(gzip.compress(each.body(), 6)) for each in answers}
    assert {path.rpartition(".")[2] for path in weights} >= {"/", "css", "js", "woff2"}
    assert sum(weights.values()) <= MOST, weights


def test_the_second_page_loads_nothing_but_itself(windows):
    page = windows("admin")
    page.goto("/", wait_until="networkidle")
    page.goto("/models", wait_until="networkidle")
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map((it) => [new URL(it.name).pathname, it.transferSize])"
    )
    assert len(loaded) >= 3
    assert [path for path, size in loaded if size] == []
