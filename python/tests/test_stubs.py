"""The types that are shipped with the package."""

import ast
import pathlib

import pytest

import fovea

PACKAGE = pathlib.Path(fovea.__file__).parent


@pytest.mark.parametrize("stub", sorted(path.name for path in PACKAGE.glob("*.pyi")))
def test_stubs_are_python(stub):
    tree = ast.parse((PACKAGE / stub).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used & {"ArrayLike", "NDArray"} <= imported


def test_the_module_has_a_stub():
    assert (PACKAGE / "py.typed").exists() and (PACKAGE / "_fovea.pyi").exists()
