"""Lines to paste that use one version: from Python, a shell and Docker. The key is read from `REGISTRY_API_KEY`."""

import json
import shlex
from typing import Any, NamedTuple

from catapult.pages.parts.formats import staged


class Sample(NamedTuple):
    """Lines to paste: `key` is part of their id on the page, `name` is what they are for."""

    key: str
    name: str
    text: str


def of(version: Any, image: str | None, api: str) -> list[Sample]:
    """Return the samples for this version; `api` is the address of the API, as `REGISTRY_URL` takes it.

    What needs an image is left out for a version without one that can be pulled.
    """
    samples = [
        Sample("python", "Python", _python(version, api)),
        Sample("curl", "curl", f'curl -fsS -H "X-API-Key: $REGISTRY_API_KEY" {api}/v1/versions/{version.id}'),
        Sample("cli", "Command line", _command_line(version, api)),
    ]
    if version.source:
        samples.append(Sample("mlflow", "MLflow", _mlflow(version, api)))
    if image:
        samples += [
            Sample("docker", "docker pull", f"docker pull {shlex.quote(image)}"),
            Sample("compose", "docker compose", f"services:\n  model:\n    image: {json.dumps(image)}"),
        ]
    return samples


def _python(version: Any, api: str) -> str:
    model, name = json.dumps(version.model_name), json.dumps(version.version)
    return f"""import os

from catapult import Registry

url = {json.dumps(api)}
registry = Registry(url, os.environ["REGISTRY_API_KEY"])
version = registry.get_version(
    model_name={model}, version={name}
)
print(version.{"image" if version.digest else "source"})"""


def _mlflow(version: Any, api: str) -> str:
    """Return lines for MLflow. There a model whose name has slashes has no address, but the source of its versions has one."""
    name, root = version.model_name, json.dumps(api.removesuffix("/api"))
    address = version.source if "/" in name else f"models:/{name}/{version.number}"
    return f"""import os

import mlflow

os.environ["MLFLOW_TRACKING_TOKEN"] = os.environ["REGISTRY_API_KEY"]
mlflow.set_registry_uri({root})
model = mlflow.pyfunc.load_model({json.dumps(address)})"""


def _command_line(version: Any, api: str) -> str:
    model, name = shlex.quote(version.model_name), shlex.quote(version.version)
    live = [f"catapult live {shlex.quote(environment)} {model}" for environment in staged(version.live_in)[-1:]]
    return "\n".join([f"export REGISTRY_URL={api}", f"catapult gates {model} {name} --target release", *live])
