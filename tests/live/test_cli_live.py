"""The installed command `catapult` over a real connection, as a pipeline runs it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import up
from built import run, wheel_in
from up import Up, environment, until

from catapult import Registry

pytestmark = pytest.mark.live
MODEL = "live/held"
DIGEST = "sha256:" + "0123456789abcdef" * 4
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The console script of the wheel, installed in a folder of its own, and that folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    run(*pip, "--target", folder / "here", wheel_in(folder))
    return [str(folder / "here" / "bin" / "catapult"), str(folder / "here")]


@pytest.fixture
def settings(live: Up, command: list[str]) -> dict[str, str]:
    url = {"REGISTRY_URL": live.url, "REGISTRY_API_KEY": live.keys["releaser"]}
    return environment(**url, PYTHONPATH=command[1], NO_PROXY="127.0.0.1")


@pytest.fixture
def catapult(command: list[str], settings: dict[str, str], tmp_path: Path) -> Run:
    return lambda *arguments, **changed: up.run([command[0], *arguments], {**settings, **changed}, tmp_path)


@pytest.fixture
def admin(live: Up) -> Iterator[Registry]:
    with Registry(live.url, live.keys["admin"]) as admin:
        yield admin
        for gate in admin.list_gates():
            if gate.model == MODEL:
                admin.delete_gate(gate)
        for model in admin.list_models(name=MODEL):
            admin.delete_model(model, force=True)


def outcome(result: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout


def register(catapult: Run, version: str, accuracy: float, folder: Path) -> tuple[int, str]:
    file = folder / "metadata.json"
    file.write_text(json.dumps({"accuracy": accuracy}))
    image = ("--tag", version, "--digest", DIGEST, "--create-model", f"docker.io/{MODEL}")
    return outcome(catapult("register", MODEL, version, *image, "--metadata", str(file)))


def test_a_pipeline_from_registering_to_rolling_back(catapult: Run, admin: Registry, tmp_path: Path) -> None:
    admin.put_environment("production")
    admin.create_gate(MODEL, "production", "metric", path="accuracy", op=">=", value=0.9)
    for version, accuracy in (("1.0", 0.91), ("1.1", 0.95), ("1.2", 0.5)):
        assert register(catapult, version, accuracy, tmp_path) == (0, f"{MODEL} {version} is registered\n")
    for version in ("1.0", "1.1"):
        assert outcome(catapult("gates", MODEL, version, "--target", "production"))[0] == 0
        assert outcome(catapult("promote", MODEL, version))[0] == 0
        assert outcome(catapult("deploy", MODEL, version, "production"))[0] == 0
    failing = catapult("gates", MODEL, "1.2", "--target", "production")
    assert outcome(failing) == (1, "FAIL  metric  accuracy is 0.5; it must be >= 0.9\n")
    assert outcome(catapult("deploy", MODEL, "1.2", "production")) == (1, "")
    late = catapult("wait", MODEL, "1.2", "--target", "production", "--timeout", "0.2", "--interval", "0.1")
    assert late.returncode == 1
    assert "accuracy is 0.5" in late.stderr
    assert outcome(catapult("live", "production", MODEL)) == (0, f"docker.io/{MODEL}@{DIGEST}\n")
    assert outcome(catapult("rollback", "production", MODEL, "--reason", "slow"))[0] == 0
    assert outcome(catapult("wait", MODEL, "1.0", "--live-in", "production", "--timeout", "5"))[0] == 0
    now = json.loads(catapult("live", "production", MODEL, "--json").stdout)
    assert (now["version"], now["image"]) == ("1.0", f"docker.io/{MODEL}@{DIGEST}")


def test_wrong_keys_and_addresses_are_one_line(catapult: Run, live: Up) -> None:
    for changed in ({"REGISTRY_API_KEY": "cat_wrong_0123456789"}, {"REGISTRY_URL": "http://nowhere.invalid:1"}):
        refused = catapult("live", "production", **changed)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert "cat_wrong" not in refused.stderr
    missing = catapult("live", "production", REGISTRY_URL="")
    assert (missing.returncode, missing.stdout, missing.stderr.count("\n")) == (2, "", 1)
    assert live.keys["releaser"] not in missing.stderr


def test_ctrl_c_while_waiting_ends_with_130(
    command: list[str], settings: dict[str, str], catapult: Run, admin: Registry, tmp_path: Path
) -> None:
    register(catapult, "1.0", 0.5, tmp_path)
    waiting = subprocess.Popen(
        [command[0], "wait", MODEL, "1.0", "--live-in", "nowhere-yet", "--interval", "60"],
        env=settings,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    assert "Waiting" in waiting.stderr.readline()
    until(lambda: psutil.Process(waiting.pid).status() == psutil.STATUS_SLEEPING)
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, out, err) == (130, "", "catapult: Interrupted.\n")
