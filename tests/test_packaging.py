"""What is in the folders is what gets installed, under the one name `perdure`."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

import perdure

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["setuptools"]["packages"]
PLACES: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
DATA: dict[str, list[str]] = PYPROJECT["tool"]["setuptools"]["package-data"]


def folder_of(package: str) -> Path:
    """Find a package's folder as setuptools does: by its own place, or inside its parent's."""
    if package in PLACES:
        return ROOT / PLACES[package]
    parent, _, last = package.rpartition(".")
    return folder_of(parent) / last


def files_in(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".pyc"
    )


def shipped() -> set[str]:
    """Every file of every package, by its path in an installation."""
    return {
        f"{package.replace('.', '/')}/{path.name}"
        for package in PACKAGES
        for path in files_in(folder_of(package))
    }


def test_every_package_folder_is_listed() -> None:
    on_disk = {
        path.parent
        for folder in ("actors", "persistence", "runtime")
        for path in (ROOT / folder).rglob("*.py")
    }
    # The rooms inside runtime/ belong to it; the doors are packages of their own.
    assert {folder_of(package) for package in PACKAGES} == on_disk
    assert sorted(PACKAGES) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_listed_package_can_be_imported_from_its_folder(package: str) -> None:
    code = f"import {package} as it; print(it.__file__)"
    found = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == folder_of(package) / "__init__.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_data_file_is_shipped(package: str) -> None:
    forgotten = [
        path.name
        for path in files_in(folder_of(package))
        if path.suffix != ".py"
        and not any(fnmatch(path.name, pattern) for pattern in DATA.get(package, []))
    ]
    assert not forgotten


def test_the_version_is_written_alike_in_both_places() -> None:
    assert perdure.__version__ == PYPROJECT["project"]["version"]


def test_type_checkers_find_every_folder_by_a_link() -> None:
    links = ROOT / ".ci/typing/perdure"
    expected = {
        package.split(".")[1]: folder_of(package) for package in PACKAGES if package.count(".") == 1
    }
    expected |= {path.name: path for path in files_in(folder_of("perdure"))}
    assert {link.name: link.resolve() for link in links.iterdir()} == expected
    assert all(link.is_symlink() for link in links.iterdir())


def test_every_foreign_import_is_a_declared_dependency() -> None:
    project = PYPROJECT["project"]
    extras = (
        line
        for name, lines in project["optional-dependencies"].items()
        if name not in {"bench", "test", "dev"}
        for line in lines
    )
    declared = {
        re.split(r"[^\w-]", line, maxsplit=1)[0].replace("-", "_")
        for line in [*project["dependencies"], *extras]
    }
    # `opentelemetry` is from opentelemetry-api.
    provided = {
        package
        for package, names in packages_distributions().items()
        if declared & {name.replace("-", "_") for name in names}
    }
    known = declared | provided | sys.stdlib_module_names | {"perdure"}
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for path in files_in(folder_of(package))
        if path.suffix == ".py"
        for name in absolute_imports(path)
        if name not in known
    }
    assert not undeclared


def absolute_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield name.partition(".")[0]
            case _:
                pass


@pytest.mark.timeout(300)
def test_a_built_wheel_holds_perdure_and_nothing_else(tmp_path: Path) -> None:
    # Built from a copy: setuptools leaves its traces beside the sources and reuses old ones.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("actors", "persistence", "runtime"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    built = subprocess.run([*build, str(source)], check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == shipped()
