"""Prepared rows as a folder, for other processes to train on."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from adsrank.errors import InputError
from adsrank.features.transform import CompiledTransform
from adsrank.training.prepare import Prepared
from adsrank.training.rows import StoredRows
from adsrank.training.split import Split
from adsrank.training.store import Store

INDEX = "prepared.json"


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Put the transform and the split beside the rows, which `prepare.stored` put into `folder`."""
    told = {
        "transform": prepared.transform.to_json(),
        "split": asdict(prepared.split),
        "missing": prepared.missing,
    }
    part = folder / f".{INDEX}"
    part.write_text(json.dumps(told), encoding="utf-8")
    os.replace(part, folder / INDEX)


def read_prepared(folder: Path) -> Prepared:
    """What `write_prepared` wrote.

    Raises:
        InputError: it is not there, or not whole.
    """
    try:
        told = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        split = Split(**{**told["split"], "moments": tuple(told["split"]["moments"])})
        transform = CompiledTransform.from_json(told["transform"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(folder / INDEX), str(error)[:120], "prepare the rows again") from None
    features, labels = Store(folder / "features"), Store(folder / "labels")
    return Prepared(transform, StoredRows(features, labels, 0, labels.rows), split, told["missing"])
