"""`python -m catapult_client` is the command `catapult`."""

import sys

from .cli import main

sys.exit(main())
