"""The conversations that a page holds, unpacked."""

import base64
import json
import re
import zlib
from typing import Any

_PACKED = re.compile(r'<script class="packed" type="text/plain">([^<]*)</script>')


def unpacked(html: str) -> list[bytes]:
    """The JSON of each session of the page."""
    return [zlib.decompress(base64.b64decode(packed)) for packed in _PACKED.findall(html)]


def sessions(html: str) -> list[dict[str, Any]]:
    """The same as data."""
    return [json.loads(data) for data in unpacked(html)]
