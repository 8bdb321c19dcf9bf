"""Find the end of a request in the received bytes, so that a thread gets it only when it is complete.

gunicorn's parser interprets the request and refuses malformed ones. Bytes that can no longer become a valid request, or are
larger than the application reads, are handed to the parser at once.
"""

import re

from catapult.app import MAX_BODY

MOST_HEAD = 64 * 1024
"""The most bytes of a request line and headers. nginx accepts half of that."""
MOST_CHUNKED = 2 * MAX_BODY
"""The most bytes of a body in chunks, with their sizes."""
LONGEST_LINE = 8192
"""The longest request line, and line before a chunk. The parser refuses longer ones."""

REQUEST_LINE = re.compile(rb"(?:\r\n)?[^\r\n]+ HTTP/\d\.\d")
LENGTHS = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?")


class Framing:
    """The progress through one request. `end` is where it ends, once `is_complete` has returned true."""

    def __init__(self) -> None:
        self.body_at = self.end = self.position = 0
        self.length: int | None = None
        self.is_cut = False
        """Whether the rest of this request may follow, so that no later request on the connection can be read."""
        self.expects_continue = False

    def is_complete(self, data: bytearray) -> bool:
        """Return whether the request can be handed to the parser. `data` begins with it, and has grown since the last call."""
        if not self.body_at and not self._ends_head(data):
            return self.is_cut
        if self.is_cut:
            return True
        if self.length is None:
            return self._ends_chunks(data)
        if self.length > MAX_BODY:
            return self._cut(data)
        self.end = self.body_at + self.length
        return len(data) >= self.end

    def _ends_head(self, data: bytearray) -> bool:
        end = data.find(b"\r\n\r\n", max(0, self.position - 3))
        self.position = len(data)
        if end < 0:
            line = data.find(b"\r\n", 2)
            if len(data) > LONGEST_LINE if line < 0 else not REQUEST_LINE.fullmatch(data, 0, line):
                self._cut(data)
            return False
        self.body_at = self.position = end + 4
        self._read_head(data)
        return True

    def _read_head(self, data: bytearray) -> None:
        """Find how the body is framed. The parser refuses two lengths or an unknown coding."""
        fields = [(name.lower(), value) for name, value in LENGTHS.findall(data, 0, self.body_at - 2)]
        self.expects_continue = CONTINUE.search(data, 0, self.body_at) is not None
        if not fields:
            self.length = 0
        elif len(fields) > 1 or not self._is_framed(*fields[0]):
            self._cut(data)

    def _is_framed(self, name: bytes, value: bytes) -> bool:
        if name == b"transfer-encoding":
            return value.lower() == b"chunked"
        self.length = int(value) if re.fullmatch(rb"[0-9]{1,18}", value) else None
        return self.length is not None

    def _ends_chunks(self, data: bytearray) -> bool:
        """Walk from chunk to chunk, each only once."""
        while (line_end := data.find(b"\r\n", self.position)) >= 0:
            size = CHUNK.fullmatch(data, self.position, line_end)
            if size is None:
                return self._cut(data)
            length = int(size[1], 16)
            if length == 0:
                return self._ends_trailers(data, line_end)
            end = line_end + 2 + length + 2
            if len(data) < end:
                break
            if data[end - 2 : end] != b"\r\n":
                return self._cut(data)
            self.position = end
        too_long = line_end < 0 and len(data) - self.position > LONGEST_LINE
        return self._cut(data) if too_long or len(data) - self.body_at > MOST_CHUNKED else False

    def _ends_trailers(self, data: bytearray, line_end: int) -> bool:
        end = data.find(b"\r\n\r\n", line_end)
        if end < 0:
            return self._cut(data) if len(data) - line_end > MOST_HEAD else False
        self.end = end + 4
        return True

    def _cut(self, data: bytearray) -> bool:
        self.is_cut, self.end = True, len(data)
        return True
