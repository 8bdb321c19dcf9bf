"""The application that gunicorn and the `flask` command load: `flask --app catapult.wsgi up`."""

import sys

from catapult.app import create_app
from catapult.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    for problem in error.problems:
        sys.stderr.write(f"catapult: {problem}\n")
    sys.exit(2)
