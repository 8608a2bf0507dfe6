"""The request class of the application: the parts of a form that are files lie in the spool folder."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import IO, cast

from flask import Request

from imagestore.web.frontdoor import services

PART_MEMORY_BYTES = 512 * 1024
"""Of a part, before it goes to a file; werkzeug's own measure."""


class SpoolingRequest(Request):
    """Werkzeug would put larger parts into the system's folder for such, which may be small, or be memory."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Werkzeug's hook; the file has no name in the folder and is gone with the request."""
        return cast(IO[bytes], SpooledTemporaryFile(PART_MEMORY_BYTES, "w+b", dir=str(services().spool)))
