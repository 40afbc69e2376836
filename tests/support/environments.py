"""Copies of the checkout, and empty virtual environments that borrow the dependencies of this one: no download."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from source_tree import NAME, PACKAGES, ROOT

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")


def called(*command: str | Path, cwd: Path, path: Path | None = None, **variables: str) -> str:
    """Standard output of a command that succeeds; PYTHONPATH is `path` alone, and the current folder is `cwd`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | variables
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_checkout(folder: Path) -> Path:
    """What a clone holds of the packages and their build; links stay links."""
    folder.mkdir()
    for name in (NAME, *PACKAGES):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def built(kind: str, checkout: Path, folder: Path) -> Path:
    """A "wheel" or an "sdist" of a checkout, by the hooks that every installer calls."""
    folder.mkdir(exist_ok=True)
    lines = called(sys.executable, "-c", BUILD, f"build_{kind}", folder, cwd=checkout).splitlines()
    return folder / lines[-1]


@dataclass(frozen=True)
class Environment:
    """A virtual environment without anything of its own."""

    folder: Path
    source: Path
    """Where what is installed in it must come from."""

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        return self.folder / "bin" / NAME

    def pip(self, *arguments: str | Path) -> None:
        called(sys.executable, "-m", "pip", "--python", self.python, *arguments, cwd=self.folder)


def empty_environment(folder: Path, dependencies: Path) -> Path:
    """Make one; returns its site-packages. A .pth file adds the dependencies: nested .pth files do not count there."""
    called(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    at = {"base": str(folder), "platbase": str(folder), "installed_base": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", at))
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return packages


def linked_dependencies(folder: Path) -> Path:
    """A folder of links to all that is installed here, but for this package."""
    folder.mkdir()
    for installed in (Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))):
        for entry in installed.iterdir():
            if NAME not in entry.name and entry.suffix != ".pth" and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder
