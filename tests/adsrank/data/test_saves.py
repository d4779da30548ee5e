import gzip
from pathlib import Path

import pytest

from adsrank.data.saves import read_saves
from auction.errors import InputError


def file_of(folder: Path, text: str | bytes, name: str = "train.txt") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["train.txt", "train.txt.gz"])
def test_a_pin_saved_twice_counts_once_at_its_first_place(tmp_path: Path, name: str) -> None:
    file_of(tmp_path, "7 5 3 5 9 3\n2 3\n", name)
    saves = read_saves(tmp_path)
    assert saves.user.tolist() == [7, 2]
    assert saves.item.tolist() == [5, 3, 9, 3]
    assert saves.offset.tolist() == [0, 3, 4]
    assert saves.duplicates == 2


def test_the_first_users_are_read_where_a_limit_is_given(tmp_path: Path) -> None:
    path = file_of(tmp_path, "1 2\n2 3\nnot reached\n")
    assert read_saves(path, limit=2).user.tolist() == [1, 2]


def test_blank_lines_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    assert read_saves(file_of(tmp_path, b"1 2\r\n\r\n3 4\r\n")).item.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("4 five 6", "five"),
        ("4 -5 6", "-5"),
        ("4 5.0 6", "5.0"),
        ("4 1_000", "1_000"),
        ("4 ٣", "٣"),
        ("4 99999999999999999999", "99999999999999999999"),
        ("4", "at least one item"),
        ("1 8", "one line only"),
        ("4 \x00", "whole numbers"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_line(tmp_path: Path, line: str, found: str) -> None:
    path = file_of(tmp_path, f"1 2 3\n{line}\n5 6\n")
    with pytest.raises(InputError) as caught:
        read_saves(path)
    assert caught.value.field == f"{path}:2"
    assert found in str(caught.value)


def test_a_line_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.txt:1"):
        read_saves(file_of(tmp_path, b"1 \xff\xfe\n"))


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsrank.data.saves.MAX_LINE_BYTES", 100)
    with pytest.raises(InputError, match="bytes a line"):
        read_saves(file_of(tmp_path, "1 " + "2 " * 100))


def test_a_small_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adsrank.data.saves.MAX_TEXT_BYTES", 1000)
    with pytest.raises(InputError, match="bytes of text"):
        read_saves(file_of(tmp_path, "\n" * 100_000, "train.txt.gz"))


def test_a_missing_file_an_empty_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_saves(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="no data file"):
        read_saves(tmp_path)
    with pytest.raises(InputError, match="no lines"):
        read_saves(file_of(tmp_path, "\n"))


def test_a_torn_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.txt.gz"
    path.write_bytes(gzip.compress(b"1 2 3\n" * 1000)[:30])
    with pytest.raises(InputError, match=r"train\.txt\.gz"):
        read_saves(path)


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="limit"):
        read_saves(file_of(tmp_path, "1 2\n"), limit=0)


def test_the_real_file_has_the_published_counts(pinterest_folder: Path) -> None:
    saves = read_saves(pinterest_folder)
    assert len(saves.user) == 37_501
    assert saves.duplicates == 15_736
    assert len(saves.item) + saves.duplicates == 805_742
