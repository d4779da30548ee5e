"""The policies a log was decided under, each kept once beside it as ``policies/<hash>.yaml``."""

import os
import re
from pathlib import Path

import yaml

from auction.errors import InputError
from auction.log.part import LogError
from auction.policy import AuctionPolicy

_HASH = re.compile(r"[0-9a-f]{16}")


def _path(folder: Path, policy_hash: str) -> Path:
    return folder / "policies" / f"{policy_hash}.yaml"


def keep_policy(folder: Path, policy: AuctionPolicy) -> str:
    """Write the resolved policy, unless it is there already; returns its hash.

    Raises:
        InputError: its exposure is null: a log must not depend on the model bundle to be decided again.
        LogError: it cannot be written.
    """
    if policy.exposure is None:
        raise InputError("policy.exposure", None, "log the resolved policy, with the exposure it decided by")
    name = policy.hash
    path = _path(folder, name)
    if path.exists():
        return name
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False)
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        raise LogError(f"{path}: cannot be written: {error.strerror}") from error
    return name


def kept_policy(folder: Path, policy_hash: str) -> AuctionPolicy:
    """The policy a record names.

    Raises:
        InputError: missing, unreadable, or not the policy its name says; names the file.
    """
    if not _HASH.fullmatch(policy_hash):
        raise InputError("policy_hash", policy_hash[:80], "16 hex digits stand in every decision record")
    path = _path(folder, policy_hash)
    if not path.exists():
        raise InputError(str(path), None, "restore the file: decisions were made under this policy")
    policy = AuctionPolicy.load(path)
    if policy.hash != policy_hash:
        raise InputError(str(path), policy.hash, "the policy was changed after it was logged; restore it")
    if policy.exposure is None:
        raise InputError(f"{path}: exposure", None, "a logged policy holds the exposure it decided by")
    return policy
