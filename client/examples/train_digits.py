"""Train three classifiers on scikit-learn's handwritten digits; register them, and promote and deploy the best.

    export REGISTRY_URL=http://localhost:8000/api REGISTRY_API_KEY=cat_…      # a key with the role `releaser`
    python train_digits.py                       # a new run
    python train_digits.py --run 20261123-1015   # continue a run that was interrupted

Takes a few seconds and needs scikit-learn. The exit status is 0 on success, 1 if the registry refuses or cannot be
reached, and 2 if settings are missing.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from catapult import NotFound, Registry, RegistryError, Version

CLASSIFIERS = ("logistic", "forest", "svm")


def main() -> int:
    """Return the exit status."""
    options = arguments()
    try:
        registry = Registry.from_env()
    except RegistryError as fault:
        print(fault, file=sys.stderr)
        return 2
    try:
        with registry:
            train(registry, options.model, options.run)
    except RegistryError as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train classifiers on digits and register them.")
    parser.add_argument("--model", default="examples/digits", help="the model's name (%(default)s)")
    parser.add_argument(
        "--run",
        default=datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S"),
        help="prefix of the versions; pass the same one to continue a run (default: the time, %(default)s)",
    )
    return parser.parse_args()


def train(registry: Registry, model: str, run: str) -> None:
    """Register each classifier as a version; promote the best one and record its deployment to staging."""
    registry.ensure_model(
        model, f"docker.io/{model}", description="Handwritten digits, 8 by 8 pixels: which of 0 to 9 is it?"
    )
    versions = [trained(registry, model, run, name) for name in CLASSIFIERS]
    best = max(versions, key=lambda version: float(version.metadata["accuracy"]))
    registry.promote_version(best.id, is_release=True, reason=f"the best of run {run}")
    print(f"{best.version} is a release")
    live = registry.get_latest_version(model, environment="staging")
    if live is None or live.id != best.id:
        registry.deploy(best, "staging", metadata={"replicas": 1})
    print(f"{best.version} is live in staging")


def trained(registry: Registry, model: str, run: str, name: str) -> Version:
    """Return the version of this classifier. It is not trained again if this run has registered it."""
    label = f"{run}-{name}"
    try:
        version = registry.get_version(model_name=model, version=label)
    except NotFound:
        content, metadata = fitted(name)
        version = registry.ensure_version(
            model,
            label,
            tag=label,
            # Here the model is the artifact. A pipeline that builds an image passes the digest that the push printed.
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
            size_bytes=len(content),
            release_notes=f"The {name} classifier of run {run}.",
            metadata=metadata,
        )
    print(f"{version.version}: accuracy {version.metadata['accuracy']:.4f}, {str(version.digest)[:19]}…")
    return version


def fitted(name: str) -> tuple[bytes, dict[str, Any]]:
    """Return the pickled classifier and its metadata, in which the SDK converts numpy's numbers."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.model_selection import train_test_split

    pixels, digits = load_digits(return_X_y=True)
    known, unseen, known_digits, unseen_digits = train_test_split(
        pixels, digits, test_size=0.25, random_state=0, stratify=digits
    )
    model, began = classifier(name), time.perf_counter()
    model.fit(known, known_digits)
    seconds = time.perf_counter() - began
    guesses = model.predict(unseen)
    return pickle.dumps(model), {
        "classifier": name,
        "accuracy": accuracy_score(unseen_digits, guesses),
        "f1_macro": f1_score(unseen_digits, guesses, average="macro"),
        "training_seconds": round(seconds, 3),
        "dataset": {"name": "sklearn.load_digits", "train_rows": len(known), "test_rows": len(unseen)},
        "libraries": libraries(),
        **git_commit(),
    }


def classifier(name: str) -> Any:
    # Imported here, because it takes seconds: missing settings are reported first.
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if name == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    if name == "forest":
        return RandomForestClassifier(n_estimators=100, random_state=0)
    return make_pipeline(StandardScaler(), SVC())


def libraries() -> dict[str, str]:
    import numpy
    import sklearn

    return {"python": platform.python_version(), "numpy": numpy.__version__, "scikit-learn": sklearn.__version__}


def git_commit() -> dict[str, str]:
    """Return `{"git_commit": …}` in a git checkout, else `{}`."""
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the machine has
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": process.stdout.strip()}


if __name__ == "__main__":
    sys.exit(main())
