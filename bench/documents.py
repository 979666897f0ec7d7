"""What was measured, as JSON with an entry a line."""

import json
from pathlib import Path
from typing import Any

Document = dict[str, Any]

SCHEMA = 3

RESULTS = Path(__file__).resolve().parent / "results"

WIDTH = 1000
"""What is shorter is a line."""


def save(document: Document, path: Path) -> None:
    """Writes a document whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(_text(document) + "\n")
    beside.replace(path)


def load(path: Path, *schemas: Any) -> Document:
    """A document that `save` wrote.

    Raises:
        ValueError: the file holds something else.
    """
    document: Document = json.loads(path.read_text())
    if not isinstance(document, dict) or document.get("schema") not in (schemas or (SCHEMA,)):
        raise ValueError(f"{path} is not a result of this benchmark (schema {SCHEMA})")
    return document


def _text(value: Any, margin: str = "") -> str:
    line = json.dumps(value)
    if len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    deeper = margin + " "
    named = [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    items = value.values() if isinstance(value, dict) else value
    inside = ",\n".join(deeper + name + _text(item, deeper) for name, item in zip(named, items, strict=True))
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inside}\n{margin}{last}"
