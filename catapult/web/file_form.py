"""A form with a file, read while it arrives, so that the file is never in memory or a temporary folder as a whole."""

from collections.abc import Iterator
from typing import NamedTuple

from flask import request
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from catapult.errors import BadRequest, Invalid, UnsupportedMediaType
from catapult.rules.normal_text import normal
from catapult.storage import PIECE

BESIDE = 64 * 1024
"""The most bytes of a form without its file."""
EARLY = "The form ended before its file did, or cannot be read. Send it again."


class FileForm(NamedTuple):
    """The texts before the file, the file's own name and media type, and its pieces."""

    texts: dict[str, str]
    filename: str
    media_type: str
    pieces: Iterator[bytes]


def read(body: Iterator[bytes]) -> FileForm:
    """Read the form up to its file. Raises Invalid without one, UnsupportedMediaType and BadRequest; so do the pieces."""
    events, texts, name = _events(body), dict[str, bytes](), ""
    for event in events:
        if isinstance(event, Field):
            name = event.name
        elif isinstance(event, Data):
            texts[name] = texts.get(name, b"") + event.data
            if sum(map(len, texts.values())) > BESIDE:
                raise BadRequest("The texts of the form are too long, or come after the file.")
        elif isinstance(event, File) and event.filename:
            decoded = {name: text.decode("utf-8", "replace") for name, text in texts.items()}
            return FileForm(decoded, normal(event.filename), event.headers.get("Content-Type", ""), _pieces(events))
    raise Invalid("The file was not added.", errors={"file": ["Choose a file."]})


def _pieces(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if not isinstance(event, Data):
            raise BadRequest("Send one file at a time, as the last field of the form.")
        if event.data:
            yield event.data


def _events(body: Iterator[bytes]) -> Iterator[Event]:
    boundary = request.mimetype_params.get("boundary")
    if request.mimetype != "multipart/form-data" or not boundary:
        raise UnsupportedMediaType("Send the form as multipart/form-data.")
    decoder = MultipartDecoder(boundary.encode(), 2 * PIECE)
    try:
        while not isinstance(event := decoder.next_event(), Epilogue):
            if isinstance(event, NeedData):
                decoder.receive_data(next(body, None))
            else:
                yield event
    except ValueError:  # of the decoder, for a form that ends too early or is malformed
        raise BadRequest(EARLY) from None
