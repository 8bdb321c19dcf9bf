"""The bytes of a request's body, read to their end or refused."""

import math

from flask import request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from catapult.errors import BadRequest, TooLarge
from catapult.web.error_handlers import TOO_LARGE


def read() -> bytes:
    """Return the whole body. Raises TooLarge, and BadRequest if it ends early."""
    try:
        raw = request.get_data(cache=True)
    except RequestEntityTooLarge as error:
        raise TooLarge(TOO_LARGE) from error
    except HTTPException:
        raise
    except Exception as error:  # whatever the server raises for a bad chunk or a client that went away
        raise BadRequest("The body could not be read to its end. Send the whole body again.") from error
    if request.content_length is None and len(raw) >= (request.max_content_length or math.inf):
        raise TooLarge(TOO_LARGE)  # werkzeug cuts a chunked body off at the limit without an error
    return raw
