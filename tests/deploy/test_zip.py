"""The zip that all functions run from."""

import ast
import importlib.util
import json
import platform
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader

from operations import package as packaging
from operations.package import GLIBC_MINORS, Package, dependency_layer, package, stage_architecture, stage_requirements
from operations.project import ROOT

UNCHECKED_HASH = 0b01  # PEP 552
ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "arm64": 183}
ONLY_WITH_STRIPE = "chalicelib.gateways.stripe_payments"
LIBRARIES = ("argon2", "botocore.session", "jwt", "msgspec", "reportlab.pdfgen.canvas", "tzdata")


@pytest.fixture(scope="module")
def zipped(packaged: Package) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(packaged.zip) as opened:
        yield opened


@pytest.fixture(scope="module")
def unpacked(packaged: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(packaged.zip) as opened:
        opened.extractall(folder)
    return folder


def top_level(zipped: zipfile.ZipFile) -> set[str]:
    return {name.partition("/")[0] for name in zipped.namelist()}


def test_the_zip_holds_the_application_and_of_chalice_only_its_runtime(zipped: zipfile.ZipFile) -> None:
    names = set(zipped.namelist())
    assert {"app.py", "chalicelib/settings.py"} <= names
    assert "chalicelib/packager.py" not in names
    assert {name for name in names if name.startswith("chalice/") and name.endswith(".py")} == {
        "chalice/__init__.py",
        "chalice/app.py",
    }


def test_the_zip_holds_nothing_that_no_function_needs(zipped: zipfile.ZipFile) -> None:
    assert top_level(zipped).isdisjoint({"tests", "operations", "pip", "setuptools", "moto", "pytest", "bin", "boto3"})
    assert not [name for name in zipped.namelist() if name.endswith((".pyi", ".c", ".h"))]
    assert not [name for name in zipped.namelist() if "/tests/" in name]


def test_the_zip_holds_of_aws_the_services_that_the_application_asks(zipped: zipfile.ZipFile) -> None:
    models = [name.split("/") for name in zipped.namelist() if name.startswith("botocore/data/") and name.count("/") > 2]
    wiring = ast.parse((ROOT / "chalicelib" / "wiring.py").read_text())
    asked = {
        call.args[0].value
        for call in ast.walk(wiring)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "client"
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(asked) > 1
    assert {service for _, _, service, *_ in models} == asked


def test_the_models_of_the_services_say_what_botocores_do(unpacked: Path) -> None:
    """botocore itself reads both; what an operation takes and answers is the same, only nobody tells what it means."""
    whole, short = Loader(), Loader(extra_search_paths=[str(unpacked / "botocore/data")], include_default_search_paths=False)
    services = short.list_available_services("service-2")
    assert len(services) > 1
    for service in services:
        model, expected = (loader.load_service_model(service, "service-2") for loader in (short, whole))
        assert texts_in(model) == {""}
        assert len(texts_in(expected)) > 50
        assert structure_of(model) == structure_of(expected)


def texts_in(model: Any) -> set[str]:
    if isinstance(model, list):
        return set().union(*map(texts_in, model))
    if not isinstance(model, dict):
        return set()
    own = {model["documentation"]} if isinstance(model.get("documentation"), str) else set()
    return own.union(*map(texts_in, model.values()))


def structure_of(model: Any) -> Any:
    if isinstance(model, list):
        return [structure_of(part) for part in model]
    if not isinstance(model, dict):
        return model
    return [
        (name, structure_of(part)) for name, part in model.items() if not (name == "documentation" and isinstance(part, str))
    ]


def test_the_addresses_of_the_services_are_what_botocore_says(unpacked: Path) -> None:
    asked = ("dynamodb", "email", "events", "s3", "secretsmanager", "sns", "sqs", "states")
    kept, all_of_them = (
        {
            (partition["partition"], service): partition["services"].get(service)
            for partition in json.loads(path.read_text())["partitions"]
            for service in asked
        }
        for path in (unpacked / "botocore/data/endpoints.json", Path(botocore.__file__).parent / "data/endpoints.json")
    )
    assert kept == all_of_them
    assert all(kept["aws", service] for service in asked)


def test_the_zip_holds_no_file_twice(zipped: zipfile.ZipFile) -> None:
    assert len(zipped.namelist()) == len(set(zipped.namelist()))


def test_every_file_is_compiled_and_python_need_not_look_at_its_source(zipped: zipfile.ZipFile) -> None:
    sources = [name for name in zipped.namelist() if name.endswith(".py")]
    assert len(sources) > 100
    for name in sources:
        compiled = zipped.read(importlib.util.cache_from_source(name))
        assert compiled[:4] == importlib.util.MAGIC_NUMBER, name
        assert int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH, name
        assert compiled[8:16] == importlib.util.source_hash(zipped.read(name)), name


def test_the_same_application_makes_the_same_bytes(packaged: Package, tmp_path: Path) -> None:
    again = package("local", tmp_path)
    assert again.zip.read_bytes() == packaged.zip.read_bytes()
    assert again.template.read_bytes() == packaged.template.read_bytes()


def test_the_functions_find_all_they_import_in_the_zip(unpacked: Path) -> None:
    modules = [path.relative_to(unpacked).with_suffix("") for path in (unpacked / "chalicelib").rglob("*.py")]
    names = sorted({".".join(module.parts).removesuffix(".__init__") for module in modules} - {ONLY_WITH_STRIPE})
    program = "import importlib, sys; sys.path.insert(0, sys.argv[1]); [importlib.import_module(name) for name in sys.argv[2:]]"
    # -S: nothing of the environment that the tests run in.
    command = [sys.executable, "-I", "-S", "-c", program, str(unpacked), "app", *names, *LIBRARIES]
    done = subprocess.run(command, env={"DAYBOOK_STAGE": "local"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_stripes_library_is_in_the_zip_of_a_stage_that_it_is_paid_by_and_of_no_other(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not (unpacked / "stripe").exists()
    monkeypatch.setattr(packaging, "stage_environment", lambda _: {"DAYBOOK_PAYMENTS": "stripe"})

    layer = dependency_layer(stage_architecture("local"), stage_requirements("local"), for_this_machine=True)

    with zipfile.ZipFile(layer) as opened:
        opened.extractall(tmp_path)
    program = f"import sys; sys.path[:0] = sys.argv[1:]; import {ONLY_WITH_STRIPE}, requests; print(requests.__file__)"
    command = [sys.executable, "-I", "-S", "-c", program, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the local functions run with this machine's own libraries")
def test_compiled_libraries_run_on_lambdas_processor_and_system(unpacked: Path) -> None:
    libraries = [path for path in unpacked.rglob("*.so*") if path.read_bytes()[:4] == b"\x7fELF"]
    assert libraries
    for path in libraries:
        content = path.read_bytes()
        [machine] = struct.unpack_from("<H", content, 18)
        assert machine == ELF_MACHINES[platform.machine()], path.name
        needed = {int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)}
        assert max(needed, default=0) <= max(GLIBC_MINORS), path.name
