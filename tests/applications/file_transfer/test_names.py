"""Names from peers that mean harm, and from those that mean well."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jingle.applications.file_transfer.names import (
    DEEPEST_PATH,
    LONGEST_NAME,
    LONGEST_PATH,
    numbered,
    safe_name,
    safe_path,
    sendable_name,
    split_extension,
)

HOSTILE = [
    # path separators, in the way of every system
    ("/etc/passwd", "passwd"),
    ("../../etc/passwd", "passwd"),
    ("..\\..\\boot.ini", "boot.ini"),
    ("..\\../mixed", "mixed"),
    ("a/b/c.txt", "c.txt"),
    ("//server/share/file", "file"),
    ("\\\\server\\share\\file", "file"),
    ("\\\\?\\C:\\secret", "secret"),
    ("folder/", "folder"),
    ("folder/..", "folder"),
    ("folder/.", "folder"),
    ("/", "file"),
    ("\\", "file"),
    ("///", "file"),
    # nothing, and the names that mean a folder
    ("", "file"),
    (None, "file"),
    (".", "file"),
    ("..", "file"),
    ("...", "file"),
    (". .", "file"),
    ("   ", "file"),
    ("\u200b", "file"),
    ("\u200d\u200c", "file"),
    # drive letters and streams
    ("C:autoexec.bat", "C_autoexec.bat"),
    ("C:\\autoexec.bat", "autoexec.bat"),
    ("C:", "C_"),
    ("file.txt:hidden.exe", "file.txt_hidden.exe"),
    ("file.txt::$DATA", "file.txt__$DATA"),
    # devices of Windows, which no extension and no case makes harmless
    ("CON", "_CON"),
    ("con.txt", "_con.txt"),
    ("Nul", "_Nul"),
    ("AUX.tar.gz", "_AUX.tar.gz"),
    ("PRN .txt", "_PRN .txt"),
    ("COM1", "_COM1"),
    ("lpt9.log", "_lpt9.log"),
    ("COM²", "_COM²"),
    ("CONIN$", "_CONIN$"),
    # characters
    ("a\x00b.txt", "a_b.txt"),
    ("\x00", "_"),
    ("passwd\x00.jpg", "passwd_.jpg"),
    ("a\nb\r\tc", "a_b__c"),
    ("\x1b[31mred", "_[31mred"),
    ("bell\x07", "bell_"),
    ("c1\x9bcsi", "c1_csi"),
    ("del\x7f", "del_"),
    ('<>:"|?*', "_______"),
    ("evil\u202egpj.exe", "evilgpj.exe"),
    ("\u2066iso\u2069late", "isolate"),
    ("\u200emark\u200f", "mark"),
    ("line\u2028separator", "lineseparator"),
    ("\ufeffbom", "bom"),
    ("zero\u200bwidth", "zerowidth"),
    ("lone\ud800surrogate", "lonesurrogate"),
    (".\u200b./x", "x"),
    (".\u200b.", "file"),
    # the ends
    ("name.", "name"),
    ("name...", "name"),
    ("name   ", "name"),
    ("name. . .", "name"),
    ("  name", "name"),
    ("name.txt\u3000", "name.txt"),
    (".bashrc", "_bashrc"),
    ("..hidden", "_hidden"),
    ("-rf", "_rf"),
    ("--help", "_-help"),
    # ours
    ("report.part", "report.part_"),
    ("report.PART", "report.PART_"),
    ("report.part.json", "report.part.json_"),
    ("report.part.json~", "report.part.json~_"),
    # length
    ("x" * 1000, "x" * 199),
    ("x" * 1000 + ".txt", "x" * 195 + ".txt"),
    ("x" * 1000 + "." + "y" * 100, "x" * 199),
    ("ä" * 500 + ".jpg", "ä" * 97 + ".jpg"),
    ("x" * 194 + ".part" + "y" * 100, "x" * 194 + ".part_"),
    # one spelling for one name
    ("u\u0308ber.txt", "über.txt"),
    ("\u212bngstro\u0308m", "Ångström"),
    # and what has to stay as it is
    ("report.pdf", "report.pdf"),
    ("Ünïcödé — 文件.tar.gz", "Ünïcödé — 文件.tar.gz"),
    ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
    ("👩\u200d🚀.png", "👩\u200d🚀.png"),
    ("a,b;c & (d) [e] {f} #g $h %i 'j' !k =l +m @n ~o ^p `q", "a,b;c & (d) [e] {f} #g $h %i 'j' !k =l +m @n ~o ^p `q"),
    ("CONTRACT.txt", "CONTRACT.txt"),
    ("COM10", "COM10"),
    ("v1.2.3", "v1.2.3"),
]


@pytest.mark.parametrize(("name", "safe"), HOSTILE)
def test_a_name_is_made_safe(name: str | None, safe: str) -> None:
    assert safe_name(name) == safe


def test_there_are_enough_of_them() -> None:
    assert len([name for name, safe in HOSTILE if name != safe]) >= 40


def check_component(name: str) -> None:
    assert name
    assert name not in (".", "..")
    assert not re.search(r'[/\\<>:"|?*\x00-\x1f\x7f-\x9f]', name)
    assert not any(unicodedata.category(c) in ("Cf", "Cs", "Zl", "Zp") and c not in "\u200c\u200d" for c in name)
    assert len(name.encode()) <= LONGEST_NAME
    assert name[0] not in " -"
    assert name[-1] not in " ."
    assert not name.lower().endswith((".part", ".part.json", ".part.json~"))
    assert unicodedata.is_normalized("NFC", name)


NASTY = st.text(
    st.one_of(
        st.sampled_from('/\\.: -~_\x00\n\u202e\u200b\u200d\u3000\u0308aCONcon1²"*'),
        st.characters(exclude_categories=()),
    ),
    max_size=300,
)


@given(NASTY, st.booleans())
@example("x" * 190 + ".part    yyyyyyyyyyyyyyyyyyy", False)
@example("a\u200b\u0308", False)
def test_any_name_is_safe_and_stays_what_it_is(name: str, keeps_hidden: bool) -> None:
    safe = safe_name(name, keeps_hidden=keeps_hidden)
    check_component(safe)
    assert keeps_hidden or not safe.startswith(".")
    assert safe_name(safe, keeps_hidden=keeps_hidden) == safe


def test_hidden_names_stay_where_that_is_wanted() -> None:
    assert safe_name(".gitignore", keeps_hidden=True) == ".gitignore"
    assert safe_name("..", keeps_hidden=True) == "file"
    assert safe_path("site/.htaccess", keeps_hidden=True) == ("site", ".htaccess")


PATHS = [
    ("holiday/day 1/sea.jpg", ("holiday", "day 1", "sea.jpg")),
    ("holiday\\sea.jpg", ("holiday", "sea.jpg")),
    ("./a//b/./c", ("a", "b", "c")),
    ("a/", ("a",)),
    ("sea.jpg", ("sea.jpg",)),
    ("a/CON/b.", ("a", "_CON", "b")),
    ("a/ /b", ("a", "folder", "b")),
    (".ssh/authorized_keys", ("_ssh", "authorized_keys")),
    ("x.part/y", ("x.part_", "y")),
    # these go out of the target, or want to
    ("/etc/cron.d/job", ("job",)),
    ("\\windows\\job", ("job",)),
    ("C:/windows/job", ("job",)),
    ("c:job/b", ("b",)),
    ("../a/b", ("b",)),
    ("a/../../b", ("b",)),
    ("a/b/..", ("b",)),
    ("a\\..\\..\\b", ("b",)),
    (".\u200b./a/b", ("b",)),
    ("\u202e/a/b", ("b",)),
    ("/".join("d" * (DEEPEST_PATH + 1)), ("d",)),
    ("/".join(["d" * 190] * 6), ("d" * 190,)),
    (None, ("file",)),
]


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_relative_name_stays_inside(name: str | None, path: tuple[str, ...]) -> None:
    assert safe_path(name) == path


@given(NASTY)
def test_any_path_is_safe(name: str) -> None:
    path = safe_path(name)
    for each in path:
        check_component(each)
    assert len("/".join(path).encode()) <= LONGEST_PATH
    assert len(path) <= DEEPEST_PATH


@pytest.mark.parametrize(
    ("name", "number", "made"),
    [
        ("a.txt", 1, "a.txt"),
        ("a.txt", 2, "a (2).txt"),
        ("a.tar.gz", 3, "a (3).tar.gz"),
        (".tar.gz", 2, ".tar (2).gz"),
        ("README", 2, "README (2)"),
        (".bashrc", 2, ".bashrc (2)"),
        ("a.b.c", 12, "a.b (12).c"),
    ],
)
def test_a_name_that_is_taken_gets_a_number(name: str, number: int, made: str) -> None:
    assert numbered(name, number) == made
    assert "".join(split_extension(name)) == name


def test_a_name_of_ours_can_be_sent() -> None:
    assert sendable_name("a\udcffb\x00c\n") == "a_b_c_"
    assert sendable_name("x" * 2000 + ".txt") == "x" * 1019 + ".txt"
