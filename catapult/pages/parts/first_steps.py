"""The steps to the first release, each with lines that run as pasted. tests/test_docs.py runs them one after the other."""

from typing import NamedTuple

from catapult.contract.schemas import EXAMPLE_DIGEST
from catapult.queries.first_steps import FirstSteps

LANGUAGES = {"curl": "curl", "python": "Python"}
TITLES = FirstSteps(
    "Make a key for your job", "Register a model", "Register a version", "Promote the version", "Deploy the version"
)
KEY = """\
export REGISTRY_URL={api}
export REGISTRY_API_KEY=$(flask keys create --name training --role releaser | awk '/^Key:/ {{print $2}}')"""

SEND = """\
curl -sS --fail-with-body -H "X-API-Key: $REGISTRY_API_KEY" -H "Content-Type: application/json" \\
  """
CURL = SEND + "{api}/v1"
ID = f"""\
ID=$({SEND}"{{api}}/v1/versions/latest?model_name=myorg/bert" |
  python3 -c "import json, sys; print(json.load(sys.stdin)['id'])")
"""
CURL_SAMPLES = FirstSteps(
    KEY,
    CURL + """/models -d '{{"name": "myorg/bert", "storage_path": "docker.io/myorg/bert"}}'""",
    CURL
    + """/versions -d '{{"model_name": "myorg/bert", "version": "1.0.0", "tag": "v1.0.0",
  "digest": "{digest}", "metadata": {{"accuracy": 0.95}}}}'""",
    ID + CURL + """/versions/$ID/promote -d '{{"reason": "First release"}}'""",
    ID + CURL + """/deployments -d '{{"release_id": "'$ID'", "environment": "production"}}'""",
)

PYTHON = """\
import os

from catapult import Registry

registry = Registry(base_url="{api}", api_key=os.environ["REGISTRY_API_KEY"])
"""
VERSION = PYTHON + 'version = registry.get_version(model_name="myorg/bert", version="1.0.0")\n'
PYTHON_SAMPLES = FirstSteps(
    KEY,
    PYTHON + 'registry.create_model("myorg/bert", "docker.io/myorg/bert")',
    PYTHON
    + """\
registry.create_version(
    "myorg/bert",
    "1.0.0",
    tag="v1.0.0",
    digest="{digest}",
    metadata={{"accuracy": 0.95}},
)""",
    VERSION + 'registry.promote(version, reason="First release")',
    VERSION + 'registry.deploy(version, "production")',
)

SAMPLES = {"curl": CURL_SAMPLES, "python": PYTHON_SAMPLES}


class Step(NamedTuple):
    """A step. `is_open` says that its lines are shown: it comes next."""

    name: str
    title: str
    is_done: bool
    is_open: bool
    sample: str


def language(wanted: str | None) -> str:
    """Return the language of the samples: curl, unless another one is asked for."""
    return wanted if wanted in LANGUAGES else "curl"


def steps(done: FirstSteps[bool], api: str, language: str) -> list[Step]:
    """Return every step in order, with lines for the API at that address."""
    before = (True, *done)  # whoever left out a step sees what comes after it, too
    return [
        Step(name, title, is_done, not is_done and previous, sample.format(api=api, digest=EXAMPLE_DIGEST))
        for name, title, is_done, previous, sample in zip(
            done._fields, TITLES, done, before, SAMPLES[language], strict=False
        )
    ]
