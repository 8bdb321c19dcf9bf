"""The application that gunicorn and the `flask` command load: `flask --app catapult.wsgi up`."""

import gc
import sys

gc.disable()  # what is imported stays, and looking for garbage in it takes a tenth of a start

from catapult.app import create_app  # noqa: E402
from catapult.config import ConfigError  # noqa: E402

try:
    app = create_app()
except ConfigError as error:
    for problem in error.problems:
        sys.stderr.write(f"catapult: {problem}\n")
    sys.exit(2)
gc.freeze()
gc.enable()
