"""Door: MLflow's registry protocol, for clients whose `MLFLOW_REGISTRY_URI` is this server."""

from flask import Flask

from catapult.mlflow import model_versions, registered_models
from catapult.mlflow.wire import endpoints

NOUNS = (registered_models, model_versions)


def init_app(app: Flask) -> None:
    """Serve the registry at both addresses that clients use."""
    for noun in NOUNS:
        for name, prefix in endpoints.PREFIXES.items():
            app.register_blueprint(noun.blp, url_prefix=prefix + noun.PATH, name=f"{name}_{noun.blp.name}")
