"""Tables as lists of dicts, which pandas and pyarrow take where they are installed."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import InputError


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


def _written(value: Any) -> Any:
    """The same of columns that nobody asked for: whatever else it is, as a text."""
    try:
        return _plain(value)
    except TypeError:
        return str(value)


def dumps(value: Any, *, lenient: bool = False) -> str:
    """As JSON, which the Rust side reads."""
    return json.dumps(_defined(value), default=_written if lenient else _plain, allow_nan=False)


def rows_of(table: Any) -> Iterable[Mapping[str, Any]]:
    """The rows of a table of any make, as dicts without what is missing.

    >>> list(rows_of([{"n": 1, "text": None}]))
    [{'n': 1}]
    """
    if isinstance(table, Mapping):
        names = ", ".join(map(str, table))
        raise InputError(f"rows are expected, and this is a mapping of {names}: take one of several splits or tables by its name")
    if hasattr(table, "iloc"):  # pandas
        rows: Iterable[Any] = table.to_dict("records")
    elif hasattr(table, "to_pylist"):  # pyarrow
        rows = table.to_pylist()
    elif hasattr(table, "__arrow_c_stream__"):  # polars, DuckDB
        import pyarrow

        rows = pyarrow.table(table).to_pylist()
    else:
        rows = table
    for row in rows:
        if not isinstance(row, Mapping):
            raise InputError(f"a row is a dict, not {type(row).__name__}")
        yield {name: own for name, own in row.items() if not _is_missing(own)}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


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
