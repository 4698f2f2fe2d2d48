"""Writes the description of the API, docs/openapi.json, from the operations themselves.

`python -m tests.api.reference` writes it anew; a test says when that is due.
"""

import json
import tempfile
from pathlib import Path

from meterhouse import bootstrap_server
from meterhouse.api import create_app

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.json"


def page() -> str:
    """Return the text of the description."""
    with tempfile.TemporaryDirectory() as directory:
        url = "http://localhost:8080"
        with bootstrap_server.open_context(Path(directory), public_url=url) as context:
            described = json.loads(create_app(context).state.description())
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.name}")
