"""Which rows of the events count: the options trials_filter and exclude."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from neurodiffuse.errors import DataError, listing, near
from neurodiffuse.readers.tables import MISSING, Table
from neurodiffuse_bids.identity import whole

RowFilter = dict[str, str | int | float | list[str | int | float]]


class Choice:
    """Chooses rows of tables by the values of columns, and notes which values it met.

    Parameters
    ----------
    keep
        Columns and the values that a row must have one of.
    drop
        Columns and the values that a row must not have.
    """

    def __init__(self, keep: RowFilter | None, drop: RowFilter | None) -> None:
        self._asked: Mapping[str, Mapping[str, Sequence[str]]] = {
            option: {column: _texts(values) for column, values in (given or {}).items()}
            for option, given in (("trials_filter", keep), ("exclude", drop))
        }
        self._met: dict[str, set[str]] = {}

    def __bool__(self) -> bool:
        return any(self._asked.values())

    def rows(self, table: Table) -> list[bool]:
        """Return whether each row counts.

        Raises
        ------
        DataError
            If the table lacks a column.
        """
        kept = [True] * len(table)
        for option, columns in self._asked.items():
            for column, values in columns.items():
                if column not in table:
                    raise DataError(
                        f"datasets.bids.{option}: {table.path} has no column {column!r}."
                        f"{near(column, table.columns)} Columns: {listing(table.columns)}."
                    )
                texts = [whole(text) for text in table[column]]
                self._met.setdefault(column, set()).update(texts)
                wanted = option == "trials_filter"
                fits = [(text in values) == wanted for text in texts]
                kept = [a and b for a, b in zip(kept, fits, strict=True)]
        return kept

    def check(self, who: str, elsewhere: Callable[[str, str], bool]) -> None:
        """Refuse a value that no table has, neither a subject's nor, ``elsewhere``, another's."""
        for option, columns in self._asked.items():
            for column, values in columns.items():
                met = self._met.get(column, set())
                for value in values:
                    if value not in met and not elsewhere(column, value):
                        known = sorted(met - {""})
                        raise DataError(
                            f"datasets.bids.{option}: {column} is never {value!r} in the events of "
                            f"{who}.{near(value, known)} Values: {listing(known)}."
                        )


def _texts(values: str | int | float | list[str | int | float]) -> tuple[str, ...]:
    given = values if isinstance(values, list) else [values]
    return tuple("" if str(v) in MISSING else whole(str(v)) for v in given)
