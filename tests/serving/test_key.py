"""The keys of the placement tokens."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auction.errors import InputError
from serving.key import token_keys

VARIABLE = "ADSRANK_TEST_KEY"


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = token_keys(tmp_path / "new", VARIABLE)
    assert token_keys(tmp_path / "new", VARIABLE) == first
    assert len(first) == 1
    assert len(first[0]) == 32
    file = tmp_path / "new" / "token.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["token.key"]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert token_keys(tmp_path / "a", VARIABLE) != token_keys(tmp_path / "b", VARIABLE)


def test_replicas_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: token_keys(tmp_path, VARIABLE)[0], range(32)))
    assert len(set(keys)) == 1


def test_the_environment_wins_and_may_hold_old_keys_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{'ab' * 32},{'cd' * 32}")
    assert token_keys(tmp_path / "none", VARIABLE) == [b"\xab" * 32, b"\xcd" * 32]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("bad", ["short", "zz" * 32, "ab" * 31, f"{'ab' * 32},"])
def test_a_bad_key_is_named_but_never_shown(
    bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, bad)
    with pytest.raises(InputError, match=VARIABLE) as caught:
        token_keys(tmp_path, VARIABLE)
    assert "openssl rand -hex 32" in str(caught.value)
    assert bad not in str(caught.value)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "token.key").write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match=r"token\.key"):
        token_keys(tmp_path, VARIABLE)
