"""Buildah: base images from Debian's packages, builds from the shipped Dockerfile, and containers of what was built."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import psutil
from up import ROOT, until

BASES = {
    "python": ["python3", "python3-venv", "python3-pip", "python-is-python3", "ca-certificates"],
    "nginx": ["nginx", "curl", "gettext-base"],
}
SUITE = "bookworm"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PIP_OPTIONS = {
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
    *("cert", "proxy", "timeout", "retries"),
}
"""pip's settings that say where packages come from and how to get there. The build needs no others."""
CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
"""The capabilities that an engine gives to a container by default."""


def base_names() -> dict[str, str]:
    """Return the images that the Dockerfile starts from, with their tags, by their name without the tag."""
    text = (ROOT / "Dockerfile").read_text()
    tags = dict(re.findall(r"^ARG (\w+)=(\S+)", text, re.MULTILINE))
    images = re.findall(r"^FROM (\w+):\$\{(\w+)\}", text, re.MULTILINE)
    return {name: f"docker.io/library/{name}:{tags[argument]}" for name, argument in images}


def debian_mirror() -> str:
    """Return the mirror that this machine's apt uses for the suite, or else Debian's own."""
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    for line in _output(command).splitlines():
        origin, codename, address = line.split(" ", 2)
        if (origin, codename) == ("Debian", SUITE) and address.startswith("http"):
            return address
    return "http://deb.debian.org/debian"


def pip_settings() -> dict[str, str]:
    """Return this machine's pip settings that say where packages come from, from its files and its environment."""
    text = _output([sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"])
    listed = re.findall(r"^(global|install|:env:)\.([a-z-]+)=(.*)$", text, re.MULTILINE)
    listed.sort(key=lambda found: found[0] == ":env:")  # variables take precedence over files
    values = {name: " ".join(str(ast.literal_eval(value)).split()) for _, name, value in listed}
    if Path(CERTIFICATES).exists():
        values.setdefault("cert", CERTIFICATES)
    return {name: value for name, value in values.items() if name in PIP_OPTIONS}


def _run(command: list[Any], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    silent = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    return subprocess.run(command, env=environment, timeout=900, check=False, **silent)


def _output(command: list[Any], environment: dict[str, str] | None = None) -> str:
    """Return the command's standard output. Fails with the end of all that it wrote, unless it succeeded."""
    done = _run(command, environment)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
    return done.stdout


class Buildah:
    """Images and containers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = ("--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs")
        self.environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(folder)}

    def __call__(self, *arguments: Any) -> str:
        """Run one Buildah command and return its standard output. Fails with what it wrote to standard error."""
        return _output(self.command(*arguments), self.environment).strip()

    def command(self, *arguments: Any) -> list[str]:
        return ["buildah", *map(str, self.storage), *map(str, arguments)]

    def make_bases(self) -> None:
        """Create images of Debian's packages under the names of those that the Dockerfile starts from."""
        names = base_names()
        assert set(names) == set(BASES)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._make_base, names, names.values()))

    def _make_base(self, name: str, image: str) -> None:
        container = self("from", "scratch")
        root, packages = Path(self("mount", container)), ",".join(BASES[name])
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, root, debian_mirror()]
        _output(command, {**os.environ, "DPKG_FORCE": "unsafe-io"})
        for unused in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(root / unused)
        if name == "nginx":
            (root / "var/cache/nginx").mkdir()  # as in the official image
            self("add", "--quiet", container, Path(__file__).parent / "entrypoint.sh", "/docker-entrypoint.sh")
            start = ("--entrypoint", '["/docker-entrypoint.sh"]', "--cmd", "nginx -g 'daemon off;'")
            self("config", *start, "--stop-signal", "SIGQUIT", container)
        self("commit", "--quiet", "--format", "docker", "--rm", container, image)

    def build(self, target: str, *options: str) -> str:
        """Build one target of the shipped Dockerfile and return the image's name.

        pip reads this machine's settings from files that are mounted for the build alone.
        """
        image = f"localhost/catapult-{target}:test"
        fixed = ("--network", "host", "--pull-never", "--format", "docker", "--target", target, "--tag", image)
        mounts = self._pip_mounts() if target == "backend" else []
        self("build", *fixed, *mounts, *options, ROOT)
        return image

    def _pip_mounts(self) -> list[str]:
        settings = pip_settings()
        parser = RawConfigParser()
        parser["global"] = settings
        file = self.folder / "pip.conf"
        file.touch(0o600)  # an address may have a password in it
        with file.open("w") as opened:
            parser.write(opened)
        words = {word.removeprefix("file://") for value in settings.values() for word in value.split()}
        # The folder above an index holds the files that its pages link to.
        paths = {Path(word).parent if Path(word).name == "simple" else Path(word) for word in words if word[0] == "/"}
        return [
            *("--volume", f"{file}:/etc/pip.conf:ro"),
            *(part for path in sorted(paths) if path.exists() for part in ("--volume", f"{path}:{path}:ro")),
        ]

    def close(self) -> None:
        """Remove everything, except what an interrupted debootstrap may have left mounted."""
        _output(["rm", "-rf", "--one-file-system", self.folder])


class Container:
    """A container of one image. Commands in it run as the image's user and share this machine's network."""

    def __init__(self, buildah: Buildah, image: str) -> None:
        self.buildah = buildah
        self.image: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image))["Docker"]
        self.config: dict[str, Any] = self.image["config"]
        self.name = buildah("from", "--pull-never", image)

    def command(self, *command: str, capabilities: list[str] | None = None, **variables: str) -> list[str]:
        """Return the command line that runs this one in the container, with no capabilities but these."""
        dropped = [f"--cap-drop=CAP_{name}" for name in sorted(CAPABILITIES - set(capabilities or []))]
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return self.buildah.command("run", "--network", "host", *dropped, *given, self.name, "--", *command)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return _run(self.command(*command, **variables), self.buildah.environment)

    def output(self, *command: str, **variables: str) -> str:
        """Return what the command writes to standard output. Fails unless it succeeds."""
        return _output(self.command(*command, **variables), self.buildah.environment)

    def healthy(self, **variables: str) -> bool:
        """Return whether the image's own HEALTHCHECK succeeds within its time-out."""
        form, *test = self.config["Healthcheck"]["Test"]
        limit = ["timeout", str(self.config["Healthcheck"]["Timeout"] / 1e9)]
        shell = ["/bin/sh", "-c"] if form == "CMD-SHELL" else []
        return self.run(*limit, *shell, *test, **variables).returncode == 0


class Service:
    """The image's own command, running in its container until `end`."""

    def __init__(self, container: Container, capabilities: list[str], **variables: str) -> None:
        self.container, self.variables = container, variables
        self.log = container.buildah.folder / f"{container.name}.log"
        command = [*(container.config["Entrypoint"] or []), *container.config["Cmd"]]
        with self.log.open("w") as opened:
            self.runtime = subprocess.Popen(
                container.command(*command, capabilities=capabilities, **variables),
                env=container.buildah.environment,
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=opened,
            )

    def ready(self) -> "Service":
        until(self._healthy, 60)
        return self

    def _healthy(self) -> bool:
        assert self.runtime.poll() is None, self.log.read_text()
        return self.container.healthy(**self.variables)

    @property
    def process(self) -> psutil.Process:
        """The image's command itself, below the processes that Buildah starts for it."""
        below = psutil.Process(self.runtime.pid).children(recursive=True)
        return next(process for process in below if not process.cmdline()[0].startswith("buildah"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.variables.get('PORT') or self.variables['NGINX_HTTP_PORT']}"

    def end(self) -> int:
        """Send the signal that the image asks for, and return the exit status."""
        if self.runtime.poll() is None:
            self.process.send_signal(signal.Signals[self.container.config["StopSignal"]])
        return self.runtime.wait(60)
