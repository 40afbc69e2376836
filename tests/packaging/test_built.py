"""What wheel and sdist hold: all of the three packages, below one name, and no links."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from environments import built, copy_of_checkout
from source_tree import NAME, PACKAGES, ROOT, read_tree

pytestmark = pytest.mark.slow
TYPED = {f"{NAME}/py.typed", *(f"{NAME}/{package}/py.typed" for package in PACKAGES)}
DATA = {
    f"{NAME}/{path.relative_to(ROOT).as_posix()}"
    for package in PACKAGES
    for path in (ROOT / package).rglob("*")
    if path.suffix in (".toml", ".html", ".css", ".js")
}
SOURCES = (
    {f"{NAME}/__init__.py", f"{NAME}/__main__.py", *(f"{NAME}/{file}" for file in read_tree(*PACKAGES))} | TYPED | DATA
)


def test_the_wheel_has_one_folder_with_everything(tmp_path: Path) -> None:
    with zipfile.ZipFile(built("wheel", copy_of_checkout(tmp_path / "checkout"), tmp_path / "dist")) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == SOURCES


def test_the_sdist_has_everything_and_no_links(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    with tarfile.open(built("sdist", checkout, tmp_path / "dist")) as sdist:
        members = sdist.getmembers()
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert not [member.name for member in members if not (member.isfile() or member.isdir())]
    assert {name for name in names if name.startswith(f"{NAME}/")} == SOURCES
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert all((checkout / NAME / package).is_symlink() and (ROOT / package).is_dir() for package in PACKAGES)
