"""The application, packaged as for deployment."""

import json
from typing import Any

import pytest

from operations.package import Package, package

Json = dict[str, Any]


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package("local", tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def template(packaged: Package) -> Json:
    parsed: Json = json.loads(packaged.template.read_text())
    return parsed


@pytest.fixture(scope="session")
def resources(template: Json) -> Json:
    found: Json = template["Resources"]
    return found
