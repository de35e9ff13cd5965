"""Makes the CloudFormation template and the zip of one stage.

`chalice package --merge-template .chalice/resources.json` makes the template. It runs on a copy of the application
without its dependencies, because Chalice would fetch them again for every changed line; they are fetched once for each
requirements.txt and kept. Four things are then done to what Chalice wrote:

- the zip gets the dependencies, without what no function imports, and compiled files: a function that has to compile
  botocore again on each cold start answers about 0.4 s later. Of AWS's services botocore keeps those that Daybook asks: it
  looks through the folders of all that it has before it makes its first client (benchmarks/README.md);
- the policies of the functions, written in .chalice/policy-*.json for every account and stage, are narrowed to this;
- settings named AWS_* are left to the platform, which gives each function its own;
- the workflow's definition stands in the template itself, which is then all that is needed beside the zip.

The same input gives the same bytes, so that an unchanged application is an unchanged stack.
"""

import argparse
import gzip
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.policies import narrowed
from operations.project import BUILD, ROOT, chalice_config, stage_environment, stages

MERGE_TEMPLATE: Final = Path(".chalice/resources.json")
CHALICE: Final = "from chalice.cli import main; main()"  # `chalice`, of the Python that runs this
PACKAGER: Final = "chalicelib/packager.py"
"""Of Chalice's own command line; no function has that."""
TEMPLATE_NAME: Final = "sam.json"
ZIP_NAME: Final = "deployment.zip"
FUNCTION_FOLDER: Final = "/var/task"  # where Lambda unpacks the zip; tracebacks show it
ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
FILE_MODE: Final = 0o100644 << 16
# Lambda's python3.11 and older run on Amazon Linux 2 (glibc 2.26), later ones on Amazon Linux 2023 (glibc 2.34).
GLIBC_MINORS: Final = range(17, 27 if sys.version_info < (3, 12) else 35)
MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
WHEEL_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
UNUSED_FOLDERS: Final = frozenset({"__pycache__", "tests", "test", "testing", "bin", "share", "man", "include"})
UNUSED_SUFFIXES: Final = frozenset({".pyc", ".pyi", ".pxd", ".pyx", ".c", ".h", ".exe"})
SERVICES: Final = frozenset({"dynamodb", "events", "s3", "secretsmanager", "ses", "sns", "sqs", "stepfunctions"})
"""Those that chalicelib/wiring.py makes clients of."""
METADATA_KEPT: Final = frozenset({"METADATA", "LICENSE", "LICENSE.txt", "LICENCE", "COPYING"})


class PackagingFailed(Exception):
    """What went wrong, in words for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Package:
    stage: str
    folder: Path

    @property
    def template(self) -> Path:
        return self.folder / TEMPLATE_NAME

    @property
    def zip(self) -> Path:
        return self.folder / ZIP_NAME


def package(stage: str, folder: Path | None = None) -> Package:
    """Raises: PackagingFailed."""
    if stage not in stages():
        raise PackagingFailed(f"There is no stage {stage!r} in .chalice/config.json; there are {', '.join(stages())}.")
    made = Package(stage, folder or BUILD / "package" / stage)
    architecture = stage_architecture(stage)
    layer = dependency_layer(architecture, stage_requirements(stage), for_this_machine=stage == "local")
    with tempfile.TemporaryDirectory(prefix="daybook-package-") as temporary:
        project = Path(temporary, "project")
        stage_project(project, stage, architecture)
        out = Path(temporary, "out")
        run_chalice(project, stage, out)
        template = json.loads((out / TEMPLATE_NAME).read_text())
        finished = Path(temporary, ZIP_NAME)
        assemble_zip(out / ZIP_NAME, layer, finished)
        finish_template(template, stage)
        made.folder.mkdir(parents=True, exist_ok=True)
        shutil.move(finished, made.zip)
        made.template.write_text(json.dumps(template, indent=2, sort_keys=True) + "\n")
    return made


def stage_architecture(stage: str) -> str:
    """The stage's processor; locally that of this machine, because the local AWS runs functions as plain processes."""
    if stage == "local":
        machine = platform.machine().lower()
        if machine not in MACHINES:
            raise PackagingFailed(f"Lambda has no processor like this machine's ({machine}).")
        return MACHINES[machine]
    return str(chalice_config()["stages"][stage].get("lambda_architecture", "x86_64"))


def stage_project(project: Path, stage: str, architecture: str) -> None:
    """A copy of what Chalice reads, without dependencies, for the processor that is wanted."""
    project.mkdir()
    shutil.copy2(ROOT / "app.py", project)
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".chalice", project / ".chalice", ignore=shutil.ignore_patterns("deployed", "deployments"))
    config = chalice_config()
    config["stages"][stage]["lambda_architecture"] = architecture
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    (project / "requirements.txt").write_text("")


def run_chalice(project: Path, stage: str, out: Path) -> None:
    command = [sys.executable, "-c", CHALICE, "--project-dir", str(project), "package"]
    command += ["--stage", stage, "--merge-template", str(project / MERGE_TEMPLATE), str(out)]
    # Chalice asks for a region only to learn the partition's domain names; the template itself names no region.
    environment = {"AWS_DEFAULT_REGION": "us-east-1"} | os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingFailed(f"`chalice package --stage {stage}` failed:\n{done.stdout}{done.stderr}")


# The template


def finish_template(template: dict[str, Any], stage: str) -> None:
    parameters = template["Parameters"]
    parameters["Stage"] |= {"Default": stage, "AllowedValues": [stage]}
    parameters["MailSender"]["Default"] = stage_environment(stage)["DAYBOOK_MAIL_SENDER"]
    refuse_other_methods(template)
    origins = stage_environment(stage).get("DAYBOOK_ALLOWED_ORIGINS", "*")
    allow_origins(template, origins)
    allow_uploads(template, origins)
    made_by_chalice = roles_of_functions(template)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            variables = properties["Environment"]["Variables"]
            for variable in [variable for variable in variables if variable.startswith("AWS_")]:
                del variables[variable]
        elif name in made_by_chalice:
            for policy in properties["Policies"]:
                policy["PolicyDocument"] = narrowed(policy["PolicyDocument"])
        elif resource["Type"] == "AWS::StepFunctions::StateMachine":
            embed_definition(properties)


def roles_of_functions(template: dict[str, Any]) -> set[str]:
    functions = (each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function")
    return {function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions}


def embed_definition(machine: dict[str, Any]) -> None:
    """As text: CloudFormation takes no null, which is how a state says that it keeps its input."""
    file = ROOT / ".chalice" / Path(machine.pop("DefinitionS3Location")).name
    machine["DefinitionString"] = json.dumps(json.loads(file.read_text()), separators=(",", ":"))


def refuse_other_methods(template: dict[str, Any]) -> None:
    """API Gateway answers a method that a path does not have as if there were no such path; the application knows better."""
    for path in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values():
        served = next(operation for method, operation in path.items() if method != "options")
        path["x-amazon-apigateway-any-method"] = {name: part for name, part in served.items() if name != "security"}


def allow_origins(template: dict[str, Any], listed: str) -> None:
    """What API Gateway answers by itself says the same about origins as what the application answers.

    Of several origins a preflight's template chooses the one that asks; the first stands for all that may not. A gateway
    response cannot choose, since it knows variables but no conditions. There every page may read the refusal: it says nothing
    that the page did not send itself.
    """
    document = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    origins = [origin.strip() for origin in listed.split(",")]
    for response in document["x-amazon-apigateway-gateway-responses"].values():
        allowed = origins[0] if len(origins) == 1 else "*"
        response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] = f"'{allowed}'"
    if len(origins) > 1:
        for path in document["paths"].values():
            choose_origin(path["options"], origins)


def allow_uploads(template: dict[str, Any], listed: str) -> None:
    """The bucket of files takes uploads from the pages that may call the API. S3 itself names the one that asks."""
    [rule] = template["Resources"]["FilesBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    rule["AllowedOrigins"] = [origin.strip() for origin in listed.split(",")]


def choose_origin(preflight: dict[str, Any], origins: Sequence[str]) -> None:
    """An override wins over the header that is mapped, and may be given only once (API Gateway's developer guide)."""
    [answer] = preflight["x-amazon-apigateway-integration"]["responses"].values()
    answer["responseParameters"] |= {
        "method.response.header.Access-Control-Allow-Origin": f"'{origins[0]}'",
        "method.response.header.Vary": "'Origin'",
    }
    preflight["responses"]["200"]["headers"]["Vary"] = {"type": "string"}
    is_allowed = " || ".join(f"$origin == '{origin}'" for origin in origins)
    lines = [
        "#set($origin = $input.params('Origin'))",
        "#if($origin == '')#set($origin = $input.params('origin'))#end",
        f"#if({is_allowed})#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)#end",
    ]
    answer["responseTemplates"] = {"application/json": "\n".join(lines)}


# The zip


def assemble_zip(application: Path, layer: Path, target: Path) -> None:
    """The dependency layer with the application's own files, compiled, behind it."""
    with tempfile.TemporaryDirectory(prefix="daybook-application-") as temporary:
        with zipfile.ZipFile(application) as source:
            source.extractall(temporary)
        Path(temporary, PACKAGER).unlink()
        compile_files(Path(temporary))
        shutil.copyfile(layer, target)
        add_files(target, Path(temporary))


def compile_files(folder: Path, within: str = "") -> None:
    """Puts a .pyc beside each file, which Python takes without looking at the source's time or content (PEP 552).

    `within` is where the folder stands in the zip. In a process of its own, because what marshal writes depends on which
    strings the process shares already.
    """
    command = [sys.executable, "-s", "-S", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", f"{FUNCTION_FOLDER}/{within}", str(folder)]
    done = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingFailed(f"Not all files compile:\n{done.stdout}{done.stderr}")


def add_files(target: Path, folder: Path) -> None:
    with zipfile.ZipFile(target, "a") as out:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_TIME)
            entry.external_attr = FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, path.read_bytes())


# The dependencies


def stage_requirements(stage: str) -> list[Path]:
    """What the stage's functions import. Stripe's library is larger than all the rest: only who needs it gets it."""
    names = ["requirements.txt"]
    if stage_environment(stage).get("DAYBOOK_PAYMENTS") == "stripe":
        names.append("requirements-stripe.txt")
    return [ROOT / name for name in names]


def dependency_layer(architecture: str, requirements: Sequence[Path], *, for_this_machine: bool) -> Path:
    """A zip of the packages, made once for the same requirements, Python and processor."""
    kind = f"python{sys.version_info.major}.{sys.version_info.minor}-{architecture}"
    if for_this_machine and sys.platform != "linux":
        kind += f"-{sys.platform}"
    told = hashlib.sha256(b"".join(path.read_bytes() for path in (*requirements, Path(__file__)))).hexdigest()[:16]
    layer = BUILD / "dependencies" / f"{kind}-{told}.zip"
    if not layer.exists():
        with tempfile.TemporaryDirectory(prefix="daybook-dependencies-") as temporary:
            installed = Path(temporary, "installed")
            platforms = [] if for_this_machine and sys.platform != "linux" else lambda_platforms(architecture)
            install_dependencies(requirements, installed, platforms)
            remove_unused(installed)
            shorten_endpoints(installed / "botocore" / "data")
            shorten_models(installed / "botocore" / "data")
            compile_files(installed)
            layer.parent.mkdir(parents=True, exist_ok=True)
            unfinished = layer.with_suffix(f".{os.getpid()}")
            add_files(unfinished, installed)
            unfinished.replace(layer)  # at once: another process may be making the same
    return layer


def lambda_platforms(architecture: str) -> list[str]:
    machine = WHEEL_MACHINES[architecture]
    return [*(f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC_MINORS)), f"manylinux2014_{machine}"]


def install_dependencies(requirements: Iterable[Path], target: Path, platforms: Iterable[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(target)]
    for path in requirements:
        command += ["--requirement", str(path)]
    for name in platforms:
        command += ["--platform", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingFailed(f"The functions' dependencies cannot be installed:\n{done.stdout}{done.stderr}")


def remove_unused(installed: Path) -> None:
    for path in installed.rglob("*"):
        if path.is_file() and not is_needed(path.relative_to(installed)):
            path.unlink()


def is_needed(relative: Path) -> bool:
    folders = relative.parts[:-1]
    if folders and folders[0].endswith(".dist-info"):
        return relative.name in METADATA_KEPT or "licenses" in folders
    if folders[:2] == ("botocore", "data") and len(folders) > 2:
        return folders[2] in SERVICES
    return relative.suffix not in UNUSED_SUFFIXES and UNUSED_FOLDERS.isdisjoint(folders)


def shorten_endpoints(data: Path) -> None:
    """Of the addresses of all services, 1.2 MB that are read for the first client, those of the services that are left."""
    listed = data / "endpoints.json"
    models = (gzip.decompress(model.read_bytes()) for model in data.glob("*/*/service-2.json.gz"))
    wanted = {json.loads(model)["metadata"]["endpointPrefix"] for model in models}
    endpoints = json.loads(listed.read_text())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in wanted}
    listed.write_text(json.dumps(endpoints))


def shorten_models(data: Path) -> None:
    """Without their documentation, two thirds of what is read before a service's first client."""
    for path in data.glob("*/*/service-2.json.gz"):
        model = json.dumps(without_documentation(json.loads(gzip.decompress(path.read_bytes()))), separators=(",", ":"))
        path.write_bytes(gzip.compress(model.encode(), mtime=0))


def without_documentation(model: Any) -> Any:
    """The texts are emptied, not left out: botocore looks for some of them."""
    if isinstance(model, list):
        return [without_documentation(part) for part in model]
    if not isinstance(model, dict):
        return model
    empty = {"documentation": ""} if isinstance(model.get("documentation"), str) else {}
    return {name: without_documentation(part) for name, part in model.items()} | empty


def main() -> None:
    parser = argparse.ArgumentParser(prog="package", description="Make the CloudFormation template and zip of a stage.")
    parser.add_argument("--stage", required=True, choices=stages())
    parser.add_argument("--out", type=Path, help="folder to write into (build/package/<stage>)")
    arguments = parser.parse_args()
    try:
        made = package(arguments.stage, arguments.out)
    except PackagingFailed as problem:
        sys.exit(str(problem))
    print(report(made))


def report(made: Package) -> str:
    with zipfile.ZipFile(made.zip) as zipped:
        unpacked = sum(entry.file_size for entry in zipped.infolist())
        files = len(zipped.namelist())
    resources = len(json.loads(made.template.read_text())["Resources"])
    return (
        f"{made.template}: {resources} resources\n"
        f"{made.zip}: {made.zip.stat().st_size / 1e6:.1f} MB zipped, {unpacked / 1e6:.1f} MB unpacked, {files} files"
    )


if __name__ == "__main__":
    main()
