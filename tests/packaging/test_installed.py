"""What is installed works in an empty environment, whatever else is called bounds, nets or experiments there."""

from pathlib import Path

import pytest
from environments import (
    OFFLINE,
    Environment,
    built,
    called,
    copy_of_checkout,
    empty_environment,
    linked_dependencies,
)
from source_tree import PACKAGES

pytestmark = pytest.mark.slow
IMPORTS = """
import sys, sparsebounds
from sparsebounds import bounds, nets
import sparsebounds.experiments.cli
assert bounds.Graph and nets.ConvNet
assert not {"bounds", "nets", "experiments"} & set(sys.modules)
print(sparsebounds.__file__, bounds.__file__, nets.__file__)
"""
OTHER = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "networks-of-others"
version = "1.0"
[tool.setuptools]
packages = ["nets"]
"""


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked_dependencies(tmp_path_factory.mktemp("shared") / "dependencies")


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, dependencies: Path
) -> Environment:
    """The package alone, installed in one of three ways."""
    folder = tmp_path_factory.mktemp(request.param)
    packages = empty_environment(folder / "environment", dependencies)
    checkout = copy_of_checkout(folder / "checkout")
    if request.param == "editable":
        made = Environment(folder / "environment", checkout)
        made.pip("install", *OFFLINE, "--editable", checkout)
    else:
        made = Environment(folder / "environment", packages)
        made.pip("install", *OFFLINE, built(request.param, checkout, folder / "dist"))
    return made


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A folder with packages of the same names, which nobody may import."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError(f'{__name__} of the user was imported')\n")
    return tmp_path


def test_imports_beside_packages_of_the_same_names(environment: Environment, user: Path) -> None:
    files = called(environment.python, "-c", IMPORTS, cwd=user, path=user).split()
    assert len(files) == 3 and all(Path(file).is_relative_to(environment.source) for file in files)


def test_commands_beside_packages_of_the_same_names(environment: Environment, user: Path) -> None:
    by_script = called(environment.command, "list", cwd=user, path=user)
    by_module = called(environment.python, "-m", "sparsebounds", "list", cwd=user, path=user)
    assert by_script == by_module and "galanti" in by_script


def test_another_project_called_nets_comes_and_goes(environment: Environment, tmp_path: Path) -> None:
    other, elsewhere = tmp_path / "other", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (other / "nets").mkdir(parents=True)
    (other / "nets" / "__init__.py").write_text("whose = 'of others'\n")
    (other / "pyproject.toml").write_text(OTHER)
    environment.pip("install", *OFFLINE, other)
    try:
        both = "import nets; print(nets.whose); from sparsebounds import nets; print(nets.ConvNet.__module__)"
        found = called(environment.python, "-c", both, cwd=elsewhere).splitlines()
        assert found == ["of others", "sparsebounds.nets.models.conv"]
    finally:
        environment.pip("uninstall", "--quiet", "--yes", "networks-of-others")
    assert "galanti" in called(environment.command, "list", "bounds", cwd=elsewhere)
