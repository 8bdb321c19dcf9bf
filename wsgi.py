"""The application, where `flask` finds it by itself in a checkout. An installed package has `catapult.wsgi`."""

from catapult.wsgi import app

__all__ = ["app"]
