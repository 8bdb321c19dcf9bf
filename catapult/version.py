"""The version of what is installed."""

from importlib import metadata

try:
    VERSION = metadata.version("catapult-sdk")
except metadata.PackageNotFoundError:  # run from a tree that nobody installed
    VERSION = "0"
