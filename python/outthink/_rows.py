"""Tables as lists of dicts, which pandas and pyarrow take where they are installed."""

from __future__ import annotations

import html
import json
from typing import Any


def _plain(value: Any) -> Any:
    """Numbers of numpy and others as plain ones; missing ones as null."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _defined(value: Any) -> Any:
    """The same without numbers that are none, which JSON does not have and pandas puts where something is missing."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict):
        return {str(name): _defined(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_defined(own) for own in value]
    if hasattr(value, "tolist"):
        return _defined(value.tolist())
    return value


def dumps(value: Any) -> str:
    """As JSON, which the Rust side reads."""
    return json.dumps(_defined(value), default=_plain, allow_nan=False)


def _cell(value: Any) -> str:
    return html.escape("" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))


class Rows(list[dict[str, Any]]):
    """A list of dicts with the same keys.

    >>> rows = Rows([{"n": 1, "accuracy": 0.5}, {"n": 4, "accuracy": 0.75}])
    >>> rows.column("accuracy")
    [0.5, 0.75]
    """

    def column(self, name: str) -> list[Any]:
        """The values of one key, row by row."""
        return [row.get(name) for row in self]

    def to_pandas(self) -> Any:
        """As a ``pandas.DataFrame``; needs pandas."""
        import pandas

        return pandas.DataFrame(list(self))

    def to_arrow(self) -> Any:
        """As a ``pyarrow.Table``; needs pyarrow."""
        import pyarrow

        return pyarrow.Table.from_pylist(list(self))

    def _repr_html_(self) -> str:
        shown = 20
        names = list(dict.fromkeys(name for row in self[:shown] for name in row))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{_cell(row.get(name))}</td>" for name in names) + "</tr>" for row in self[:shown])
        more = f"<p>and {len(self) - shown} more</p>" if len(self) > shown else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
