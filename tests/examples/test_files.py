"""What the backup makes of a file system: odd names, odd things, and damage."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from names import original, shown
from tree import Entry, scan
from vault import AbandonedError, UnreadableError, Vault


def kept() -> bool:
    return False


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault(tmp_path / "vault")
    vault.prepare()
    return vault


@given(st.binary().filter(lambda name: b"\0" not in name))
@example(b"\xff\xfe")
@example(b"\\xff")
@example("a\nb\x9b é\u202e".encode())
def test_every_name_comes_back_from_its_text(name: bytes) -> None:
    path = os.fsdecode(name)
    assert shown(path).isprintable()
    assert original(shown(path)) == path


def test_readable_names_are_shown_as_they_are() -> None:
    assert shown("Übung/größer 1.txt") == "Übung/größer 1.txt"
    assert shown("a\\b\n") == r"a\\b\x0a"


def test_everything_in_a_folder_is_listed(tmp_path: Path, vault: Vault) -> None:
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(source) + b"/bad\xff")).touch(0o600)
    (source / "dangling").symlink_to("./nowhere")
    (source / "loop").symlink_to(source)
    os.mkfifo(source / "pipe", 0o600)
    found = {e.path: e for e in scan(source, vault.folder, ()) if isinstance(e, Entry)}
    assert {path: entry.kind for path, entry in found.items()} == {
        "bad\\xff": "file",
        "dangling": "link",
        "empty": "folder",
        "loop": "link",
        "pipe": "other",
    }
    assert found["dangling"].link == "./nowhere"


def test_what_is_excluded_and_the_target_are_left_out(source: Path) -> None:
    target = source / "deep" / "target"
    target.mkdir()
    (target / "blob").touch()
    found = [entry.path for entry in scan(source, target, {"letter.txt", "deep/er"})]
    assert found == ["deep", "empty", "link", "nothing", "deep/copy.txt"]


def test_a_copy_is_its_file_and_is_kept_once(source: Path, vault: Vault) -> None:
    first = vault.copy(source, "letter.txt", kept)
    second = vault.copy(source, "deep/copy.txt", kept)
    assert first.digest == second.digest
    assert b"".join(vault.content(first.digest)) == (source / "letter.txt").read_bytes()
    assert [path.suffix for path in vault.folder.rglob("*") if path.is_file()] == [".gz"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("link", "OSError"),
        ("empty", "no regular file"),
        ("missing", "FileNotFoundError"),
        ("pipe", "no regular file"),
    ],
)
def test_only_regular_files_are_copied(name: str, reason: str, source: Path, vault: Vault) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(UnreadableError, match=reason):
        vault.copy(source, name, kept)
    assert not list(vault.work.glob("draft-*"))


def test_an_unwanted_copy_is_given_up(source: Path, vault: Vault) -> None:
    with pytest.raises(AbandonedError):
        vault.copy(source, "letter.txt", lambda: True)
    assert not list(vault.work.glob("draft-*"))


@pytest.mark.parametrize("damage", ["cut", "flip", "swap", "remove"])
def test_damage_to_a_content_is_seen(damage: str, source: Path, vault: Vault) -> None:
    record = vault.copy(source, "letter.txt", kept)
    blob = vault.blob(record.digest)
    assert vault.is_intact(record.digest, record.size)
    data = bytearray(blob.read_bytes())
    match damage:
        case "cut":
            blob.write_bytes(data[:-1])
        case "flip":
            data[len(data) // 2] ^= 1
            blob.write_bytes(data)
        case "swap":
            blob.write_bytes(vault.blob(vault.copy(source, "nothing", kept).digest).read_bytes())
        case _:
            blob.unlink()
    assert not vault.is_intact(record.digest, record.size)
