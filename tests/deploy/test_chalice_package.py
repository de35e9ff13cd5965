"""`chalice package` by itself, without what `make package` does to its output, takes every trigger that app.py declares."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chalice.package import SAMTemplateGenerator

from chalicelib import packager
from operations.package import run_chalice, stage_architecture, stage_project
from operations.project import ROOT

Json = dict[str, Any]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as Chalice wrote it, in a folder beside `.chalice`, as the workflow's definition wants it.

    Not of the stage `local`, whose settings for `chalice local` have names that no function on AWS may be given.
    """
    project = tmp_path_factory.mktemp("chalice") / "project"
    stage_project(project, "dev", stage_architecture("dev"))
    run_chalice(project, "dev", project / "out")
    return project / "out" / "sam.json"


def functions_of(template: Path) -> dict[str, Json]:
    resources = json.loads(template.read_text())["Resources"]
    return {name: part["Properties"] for name, part in resources.items() if part["Type"] == "AWS::Serverless::Function"}


def test_the_template_is_valid(plain: Path) -> None:
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--template", str(plain)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr


def test_s3_calls_what_app_py_declares(plain: Path) -> None:
    told = {
        name: event["Properties"]
        for name, function in functions_of(plain).items()
        for event in function.get("Events", {}).values()
        if event["Type"] == "S3"
    }
    assert told == {
        name: {
            "Bucket": {"Ref": "FilesBucket"},
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": prefix}]}},
        }
        for name, prefix in {"OnUpload": "uploads/", "OnIncoming": "incoming/"}.items()
    }


def test_no_function_is_there_twice(plain: Path) -> None:
    handlers = Counter(function["Handler"] for function in functions_of(plain).values())
    assert handlers["app.on_upload"] == handlers["app.on_incoming"] == handlers["app.on_import"] == 1
    assert set(handlers.values()) == {1}


@pytest.mark.parametrize(
    ("bucket", "resource"),
    [
        ("daybook-local-000000000000-files", "FilesBucket"),
        ("daybook-prod-ACCOUNT-files", "FilesBucket"),
        ("-files", "FilesBucket"),
        ("daybook-local-000000000000-search", "SearchBucket"),
    ],
)
def test_a_bucket_is_called_after_the_end_of_its_name(bucket: str, resource: str) -> None:
    assert packager.bucket_resource(bucket) == resource
    assert resource in json.loads((ROOT / ".chalice" / "resources.json").read_text())["Resources"]


def test_chalice_still_refuses_what_we_teach_it() -> None:
    """Once it does not, `chalicelib/packager.py` can go."""
    program = (
        "from chalice.package import SAMTemplateGenerator\n"
        "try:\n"
        "    SAMTemplateGenerator._generate_s3bucketnotification(None, None, {})\n"
        "except NotImplementedError:\n"
        "    print('refused')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout == "refused\n", run.stderr
    assert hasattr(SAMTemplateGenerator, "_register_cfn_resource_name")


@pytest.mark.parametrize(("first", "taught"), [("import chalice.package", True), ("import chalice.app", False)])
def test_only_chalices_own_packager_is_taught(first: str, taught: bool) -> None:
    program = f"import sys\n{first}\nimport app\nprint('chalicelib.packager' in sys.modules, 'chalice.deploy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DAYBOOK_STAGE": "dev", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == [str(taught)] * 2, run.stderr
