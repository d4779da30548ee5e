"""Columns of fixed width in a folder: what a table too large for memory is encoded into."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError

INDEX = "store.json"
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,95}")


class StoreWriter:
    """Appends rows; `close` makes them a store. A folder without its index is not one.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._files: dict[str, BinaryIO] = {}
        self._columns: dict[str, tuple[str, list[int]]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / INDEX).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None

    def append(self, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add rows: each column [n, ...], of the type and width it had before.

        Raises:
            InputError: the disk is full, or may not be written.
        """
        sizes = {len(values) for values in columns.values()}
        kinds = {name: (values.dtype.str, list(values.shape[1:])) for name, values in columns.items()}
        if len(sizes) != 1 or self._columns not in ({}, kinds):
            raise ValueError("append: columns must agree with each other and with those before")
        try:
            for name, values in columns.items():
                if name not in self._files:
                    assert _NAME.fullmatch(name), name
                    self._files[name] = open(self.folder / f"{name}.bin", "wb")  # noqa: SIM115 (closed by close)
                self._files[name].write(np.ascontiguousarray(values).data)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        self._columns = kinds
        self.rows += sizes.pop()

    def close(self, about: Mapping[str, Any]) -> "Store":
        """Finish; `about` is kept beside the rows."""
        try:
            for file in self._files.values():
                file.close()
            part = self.folder / f".{INDEX}"
            part.write_text(json.dumps({"rows": self.rows, "columns": self._columns, "about": dict(about)}))
            os.replace(part, self.folder / INDEX)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        return Store(self.folder)


class Store:
    """Reads what a `StoreWriter` wrote, a range of rows at a time.

    Raises:
        InputError: no store, or one whose files are not as its index says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
            self.rows = int(index["rows"])
            self.about: dict[str, Any] = index["about"]
            self._columns = {
                name: (np.dtype(kind), tuple(shape)) for name, (kind, shape) in index["columns"].items()
            }
            for name, (kind, shape) in self._columns.items():
                if not _NAME.fullmatch(name) or kind.hasobject:
                    raise ValueError(name)
                size = (folder / f"{name}.bin").stat().st_size
                if size != self.rows * kind.itemsize * int(np.prod(shape, dtype=np.int64)):
                    raise ValueError(f"{name}.bin has {size} bytes")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(str(folder), str(error)[:120], "give a folder that was written whole") from None

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows [start, stop) of a column."""
        kind, shape = self._columns[name]
        width = int(np.prod(shape, dtype=np.int64))
        found = np.fromfile(
            self.folder / f"{name}.bin", kind, (stop - start) * width, offset=start * width * kind.itemsize
        )
        return found.reshape(stop - start, *shape)

    def view(self, name: str) -> npt.NDArray[Any]:
        """The whole column, mapped: pages are read where it is looked at."""
        kind, shape = self._columns[name]
        if self.rows == 0:
            return np.zeros((0, *shape), kind)
        return np.memmap(self.folder / f"{name}.bin", kind, "r", shape=(self.rows, *shape))


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(str(folder), error.strerror or str(error)[:120], "give a folder with room to write in")
