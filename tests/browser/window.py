"""Windows of a browser that notice whatever goes wrong in them, and what tests find on the pages."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Response, expect
from up import Up

from catapult.web import auth

WAIT = 5_000
"""How long something may take to appear, in milliseconds."""

SCREEN: Any = {"width": 1280, "height": 900}
PHONE: Any = {"width": 320, "height": 640}

LISTEN = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy broken: ${event.violatedDirective} by ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
});
"""
ABORTED = re.compile(r"htmx:(afterRequest|sendAbort), ")
"""What HTMX says of a request that the next page or a later one took the place of. One that failed has a third name."""
REFUSED = re.compile(r"status of (\d{3})|Response Status Error Code (\d{3})")


class Windows:
    """Opens windows, each in a context of its own: `windows("releaser")` is signed in with a key of that role.

    What goes wrong in any of them is in `faults`, but the answers that the test expects by `allow`.
    """

    def __init__(self, chromium: Browser, server: Up, session_of: Callable[[str], str]) -> None:
        self.chromium, self.server, self.session_of = chromium, server, session_of
        self.contexts: list[BrowserContext] = []
        self.faults: list[str] = []
        self.allowed: set[int] = set()
        self.is_away = False

    def __call__(self, role: str | None = "admin", **options: Any) -> Page:
        chosen = {"reduced_motion": "reduce", "locale": "en-GB", "viewport": SCREEN, **options}
        context = self.chromium.new_context(base_url=self.server.url, **chosen)
        self.contexts.append(context)
        context.set_default_timeout(WAIT)
        if chosen.get("java_script_enabled", True):
            context.add_init_script(LISTEN)
        if role:
            context.add_cookies([self.cookie(self.session_of(role))])
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("request", self._asked)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)
        return context.new_page()

    def cookie(self, token: str) -> Any:
        name = auth.cookie_name(self.server.secret_key)
        return {"name": name, "value": token, "url": self.server.url, "httpOnly": True, "sameSite": "Lax"}

    def allow(self, *statuses: int) -> None:
        """The test expects answers of these statuses."""
        self.allowed.update(statuses)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The server cannot be reached meanwhile, which is no fault."""
        self.is_away = True
        yield
        self.is_away = False

    @contextmanager
    def watched(self) -> Iterator["Windows"]:
        """In the end the windows are closed, and nothing went wrong in them."""
        yield self
        for context in self.contexts:
            context.close()
        self.check()

    def check(self) -> None:
        """Nothing went wrong since the last look, and nothing is allowed any more."""
        faults, self.faults, self.allowed = self.faults, [], set()
        logged = [str(line) for line in self.server.lines("fault")[-1:]]
        assert faults == [], "\n".join(["went wrong:", *faults, *logged])

    def _said(self, kind: str, text: str) -> None:
        if kind not in ("error", "warning") or ABORTED.match(text):
            return
        status = REFUSED.search(text)
        expected = status is not None and int(status[1] or status[2]) in self.allowed
        if not expected and not (self.is_away and "policy" not in text):
            self.faults.append(f"console: {text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.server.url}/", "data:")):
            self.faults.append(f"another origin: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.allowed:
            self.faults.append(f"{response.status} {response.request.method} {response.url}")

    def _failed(self, request: Request) -> None:
        aborted = "ERR_ABORTED" in (request.failure or "")  # the page went on, or a later request took its place
        if not aborted and not self.is_away:
            self.faults.append(f"failed: {request.url} {request.failure}")


def at(page: Page) -> str:
    """Where the page is: path and query."""
    place = urlsplit(page.url)
    return place.path + (f"?{place.query}" if place.query else "")


def row(page: Page, version: str) -> Locator:
    """The row of that version in a model's list."""
    return page.locator("#versions tbody tr", has=page.get_by_role("link", name=version, exact=True))


def toast(page: Page) -> Locator:
    return page.locator("#toasts .toast")


def settled(page: Page) -> None:
    """What was asked for is there and in use. HTMX shows it 20 ms before that: what is done meanwhile is not heard,
    and what is typed goes to the first field once that is given the focus."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def account(page: Page) -> Locator:
    """Open the menu of whoever is signed in."""
    page.get_by_role("button", name="Account of").click()
    return page.locator("#person")


def mark(page: Page) -> None:
    """A mark that is gone as soon as the page is loaded again."""
    page.evaluate("window.marked = true")


def visit(page: Page, address: str) -> None:
    """Open the page, and mark it."""
    page.goto(address)
    mark(page)


def dialog_of(page: Page, link: str) -> Locator:
    """Press the link, and return the dialog that it opens, once it hears what is done in it."""
    page.get_by_role("link", name=link).click()
    expect(page.locator("#dialog")).to_be_visible()
    settled(page)
    return page.locator("#dialog")


def is_marked(page: Page) -> bool:
    found: bool = page.evaluate("window.marked === true")
    return found


def focused(page: Page) -> str:
    """What has the focus: its tag, id and name."""
    found: str = page.evaluate(
        """() => { const it = document.activeElement;
        return [it.tagName.toLowerCase(), it.id && `#${it.id}`,
          it.getAttribute("aria-label") || it.name || it.textContent.trim().slice(0, 40)]
          .filter(Boolean).join(" "); }"""
    )
    return found


def set_width(page: Page, width: int) -> None:
    """Set the width, and wait for the fonts: words are wider or narrower in others."""
    page.set_viewport_size({**SCREEN, "width": width})
    page.evaluate("document.fonts.ready")


def until(page: Page, done: Callable[[], object]) -> None:
    """Call `done` until its result is true, while Playwright listens.

    `page.wait_for_function` evaluates text inside the page, which the page's policy forbids from its second try on.
    """
    for _ in range(WAIT // 20):
        if done():
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not true after {WAIT} ms")


WIDE = """() => [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > 320.5
  && !it.closest("thead, [tabindex='0'], .nav, .tabs, .unseen, .toasts"))
  .slice(0, 3).map((it) => it.outerHTML.slice(0, 120))"""


def fits(page: Page) -> None:
    """The page, 320 px wide, does not scroll sideways."""
    found = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(found) <= 320, page.evaluate(WIDE)
