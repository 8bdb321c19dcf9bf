"""Every page is true: its blocks run as pasted, its links lead somewhere, and it is short enough to read."""

import re
import subprocess
import sys
import tempfile
from contextlib import closing
from html import unescape
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket

import psycopg2
import psycopg2.errors
import pytest
import requests
from built import ROOT, copy
from documents import ADDRESS, CHECKOUT_COMMAND, GUIDES, README, WHEEL_COMMAND, Block, blocks, get, served
from up import environment as clean_environment
from up import free_port, until

from catapult.config import Settings
from catapult.embedded import Embedded
from catapult.tables import Row

PAGES = [README, *GUIDES]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
LINKED = [*PAGES, *DECISIONS, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "PROJECT_DESIGN", "SECURITY"))]
TABLES = set(Row.metadata.tables)
LANGUAGES = {"sh", "python", "text", "yaml"}
SERVERS = {CHECKOUT_COMMAND, WHEEL_COMMAND}
"""Blocks that start a server: the first runs for each page here, the second in test_packaging.py."""

PRINTS = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)
"""A comment after `print(…)` is what it prints."""

PLACEHOLDER = "export REGISTRY_API_KEY=cat_…"
CHECKOUT = (
    *("catapult", "client", "docs", "migrations", "scripts"),
    *("Makefile", "setup.cfg", "pyproject.toml", "wsgi.py", "README.md", "LICENSE"),
)
PYTHON_PROMPT = """
import sys
names = {"__name__": "__main__"}
for path in sys.stdin:
    exec(compile(open(path.strip()).read(), path.strip(), "exec"), names)
    print("\\n<done>", flush=True)
"""
END = "\n<done>\n"


def runnable(page):
    """Return the blocks of a page that a reader pastes into a terminal or a Python prompt."""
    return [block for block in blocks(page) if block.language in ("sh", "python")]


def pages(paths):
    return pytest.mark.parametrize("page", paths, ids=lambda path: str(path.relative_to(ROOT)))


class Prompt:
    """A shell or a Python prompt that runs files one after the other and keeps its state between them."""

    def __init__(self, command, folder, environment, name):
        self.output = folder / f"{name}-output"
        with self.output.open("w") as output:
            streams = {"stdin": subprocess.PIPE, "stdout": output, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams)

    def send(self, line, position):
        """Send a line, which prints `END` once it is done. Returns the output. Raises AssertionError if it fails."""
        before = len(self.output.read_text())
        self.process.stdin.write(line)
        self.process.stdin.flush()
        until(lambda: self.output.read_text()[before:].endswith(END) or self.process.poll() is not None, 120)
        output = self.output.read_text()[before:]
        assert self.process.poll() is None, f"{position} failed:\n{output}"
        return output.removesuffix(END)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class Reader:
    """Somebody who pastes the blocks of a page: `sh` into one shell, `python` into one Python prompt."""

    def __init__(self, folder, environment, key):
        self.folder, self.key = folder, key
        self.shell = Prompt(["bash", "-e", "-o", "pipefail"], folder, environment, "shell")
        self.python = None

    def paste(self, block):
        path = self.folder / "block"
        path.write_text(block.text.replace(PLACEHOLDER, PLACEHOLDER.replace("cat_…", self.key)))
        if block.language == "sh":
            return self.shell.send(f". {path}\nprintf '\\n<done>\\n'\n", block.position)
        self.python = self.python or Prompt(
            [sys.executable, "-c", PYTHON_PROMPT], self.folder, self.exported(), "python"
        )
        return self.python.send(f"{path}\n", block.position)

    def exported(self):
        """Return the environment as the shell has it now."""
        self.shell.send(f"env -0 > {self.folder}/environment\nprintf '\\n<done>\\n'\n", "env")
        entries = (self.folder / "environment").read_text().split("\0")
        return dict(entry.split("=", 1) for entry in entries if entry)

    def close(self):
        for prompt in (self.shell, self.python):
            if prompt:
                prompt.close()


def usual_port():
    """Return the documented port, or another one where somebody has a server running there."""
    port = int(ADDRESS.rpartition(":")[2])
    with closing(socket()) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        return free_port() if probe.connect_ex(("127.0.0.1", port)) == 0 else port


@pytest.fixture(scope="module")
def checkout():
    """A copy of the checkout as `make` leaves it, with this Python's environment as `.venv`."""
    with tempfile.TemporaryDirectory(prefix="catapult-docs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for path in CHECKOUT:
            copy(ROOT / path, folder / path)
        for script in (folder / "scripts").glob("*.sh"):
            script.chmod(0o755)
        (folder / ".venv").mkdir()
        for path in Path(sys.prefix).glob("[!.]*"):
            (folder / ".venv" / path.name).symlink_to(path)
        (folder / ".venv" / ".serve").touch()  # installed: make has nothing to do but serve
        yield folder


@pytest.fixture(scope="module")
def server(checkout):
    """`make serve` as the reader starts it."""
    with served(CHECKOUT_COMMAND, checkout, checkout / ".venv" / "bin", usual_port()) as server:
        yield server


def emptied(url):
    """Delete all but the first key, and return whether that was done: the server's worker may be in a transaction of its own."""
    try:
        with closing(psycopg2.connect(url)) as database, database, database.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # so that the audit log may be emptied
            cursor.execute(f"TRUNCATE {', '.join(TABLES - {'api_keys', 'people'})}")
            cursor.execute("DELETE FROM api_keys WHERE name <> 'first-admin'; DELETE FROM people")
    except psycopg2.errors.DeadlockDetected:
        return False
    return True


@pytest.fixture
def reader(checkout, server):
    """A reader whose registry is empty but for the first key."""
    until(lambda: emptied(Embedded(checkout / "instance").url))
    environment = clean_environment()
    environment["PATH"] = f"{checkout}/.venv/bin:{environment['PATH']}"
    if server.url != ADDRESS:  # the documented address leads to this server all the same
        environment["http_proxy"] = server.url
    with closing(Reader(checkout, environment, server.key)) as reader:
        yield reader


@pages([page for page in PAGES if runnable(page)])
def test_the_blocks_of_a_page_run_as_pasted(page, server, reader):
    for block in runnable(page):
        if block.text.strip() not in SERVERS:
            printed = reader.paste(block).splitlines()
            assert set(PRINTS.findall(block.text)) <= set(printed), block.position
    if page == README:
        live = get(f"{server.url}/api/v1/environments/production/live", server.key).json()
        assert {row["model_name"] for row in live} == {"myorg/bert", "myorg/ranker"}
        for row in live:
            assert get(f"{server.url}/api/v1/versions/{row['release_id']}", server.key).json()["is_release"]


def steps_of(page):
    """Return the first steps on the overview, `{name: (its class, the sample or "")}`."""
    steps = re.findall(r'<li id="step-(\w+)"(?: class="(\w+)")?>(.*?)</li>', page, re.DOTALL)
    samples = {name: re.search(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL) for name, _, text in steps}
    return {name: (state, unescape(samples[name][1]) if samples[name] else "") for name, state, _ in steps}


@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_first_steps_on_the_overview_run_as_pasted_and_tick_themselves(server, reader, language):
    with requests.Session() as browser:
        browser.trust_env = False
        browser.post(f"{server.url}/login", data={"key": server.key}, headers={"Origin": server.url})
        done = []
        while steps := steps_of(browser.get(f"{server.url}/?language={language}").text):
            assert [name for name, (state, _) in steps.items() if state == "done"] == done
            ((name, sample),) = [(name, sample) for name, (state, sample) in steps.items() if state == "open"]
            assert name == list(steps)[len(done)]
            reader.paste(Block("sh" if name == "key" or language == "curl" else language, sample, f"the step {name}"))
            done.append(name)
        assert done == ["key", "model", "version", "release", "deployment"]
        assert "myorg/bert" in browser.get(server.url).text


@pytest.mark.parametrize(
    ("language", "good", "bad"),
    [
        ("sh", "WHO=$(echo world)", "false | cat; true"),
        ("sh", "true", "cat /nothing/there\ntrue"),
        ("python", "who = 'world'", "assert who == 'nobody'"),
    ],
)
def test_a_block_that_fails_is_seen(tmp_path, language, good, bad):
    with closing(Reader(tmp_path, clean_environment(), "cat_key")) as reader:
        reader.paste(Block(language, good, "good"))
        with pytest.raises(AssertionError, match="bad failed"):
            reader.paste(Block(language, bad, "bad"))


@pages(PAGES)
def test_every_block_says_whether_it_runs(page):
    content = page.read_text()
    assert content.count("\n```") == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= LANGUAGES
    for block in runnable(page):
        assert set(re.findall(r"http://(?:127\.0\.0\.1|localhost):\d+", block.text)) <= {ADDRESS, "http://127.0.0.1:9"}
        assert "cat_…" not in block.text.replace(PLACEHOLDER, "")


@pages([*PAGES, *DECISIONS])
def test_a_page_is_short(page):
    assert page.read_text().count("\n") <= (150 if page == README else 40 if page in DECISIONS else 250)


def anchors(page):
    """Return the anchors of a page's headings, as they are made from the text of each."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages(LINKED)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            goal = (page.parent / path).resolve() if path else page
            assert goal.exists(), target
            assert not anchor or anchor in anchors(goal), target


def test_the_index_names_every_page():
    index = ROOT / "docs" / "README.md"
    named = set(re.findall(r"\]\((\S+\.md)\)", index.read_text()))
    assert {page.name for page in GUIDES} - {"README.md"} <= named
    assert set(re.findall(r"\]\(docs/(\S+\.md)\)", README.read_text())) <= named


def test_the_documented_address_is_the_default():
    assert Settings(Path(), True, "", "", "").url == ADDRESS
