"""What lands in the bucket of files is handed to who works it off; an event is no more than a hint to look."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import app as daybook
from chalicelib import usecases
from chalicelib.domain.files import Upload
from chalicelib.domain.imports import ImportJob
from tests.triggers.documents import document, failed, sqs
from tests.wired import MemoryWired

ACCOUNT = "acc_01K9AB0M400000000000000000"
IMAGE = "img_01K9AB0M400000000000000000"
IMPORT = "imp_01K9AB0M400000000000000000"
HANDLERS = {"uploads": daybook.on_upload, "incoming": daybook.on_incoming}


def landed(*keys: str) -> dict[str, Any]:
    """S3's event of objects under these keys, which are as S3 writes them."""
    [record] = document("s3-put")["Records"]
    return {"Records": [record | {"s3": record["s3"] | {"object": record["s3"]["object"] | {"key": key}}} for key in keys]}


def image_key(filename: str = "photo.jpg", image: str = IMAGE) -> str:
    return f"uploads/{ACCOUNT}/{image}/{filename}"


class Taken:
    """Stands in for a use case: notes what it is handed, and raises for those that are to fail."""

    def __init__(self) -> None:
        self.uploads: list[Upload] = []
        self.failing: dict[str, Exception] = {}
        self.desk: object = None

    def __call__(self, upload: Upload, *, desk: object) -> None:
        self.uploads.append(upload)
        self.desk = desk
        if upload.file_id in self.failing:
            raise self.failing[upload.file_id]


@pytest.fixture
def images(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> Taken:
    taken = Taken()
    monkeypatch.setattr(usecases.images, "make_thumbnails", taken)
    return taken


@pytest.fixture
def imports(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> Taken:
    taken = Taken()
    monkeypatch.setattr(usecases.imports, "queue_import", taken)
    return taken


def test_an_image_that_landed_is_handed_over(wired: MemoryWired, images: Taken, imports: Taken) -> None:
    daybook.on_upload(landed(image_key()), None)

    assert images.uploads == [Upload(account_id=ACCOUNT, file_id=IMAGE, key=image_key())]
    assert images.desk is wired
    assert imports.uploads == []
    [(pipeline, records, milliseconds)] = wired.metrics.files
    assert (pipeline, records) == ("images", 1)
    assert milliseconds >= 0
    assert wired.metrics.failures == []


def test_an_import_that_landed_is_handed_over(wired: MemoryWired, images: Taken, imports: Taken) -> None:
    key = f"incoming/{ACCOUNT}/{IMPORT}/hours.csv"
    daybook.on_incoming(landed(key), None)

    assert imports.uploads == [Upload(account_id=ACCOUNT, file_id=IMPORT, key=key)]
    assert imports.desk is wired
    assert images.uploads == []


@pytest.mark.parametrize(
    ("encoded", "filename"),
    [
        ("my+photo.jpg", "my photo.jpg"),
        ("1%2B1.jpg", "1+1.jpg"),
        ("B%C3%BCro+%28neu%29.jpg", "Büro (neu).jpg"),
        ("%F0%9F%93%B7.jpg", "📷.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("%252F.jpg", "%2F.jpg"),
        ("a%3Db%26c.jpg", "a=b&c.jpg"),
    ],
)
def test_keys_are_decoded_once(encoded: str, filename: str, images: Taken) -> None:
    daybook.on_upload(landed(image_key(encoded)), None)

    assert [upload.key for upload in images.uploads] == [image_key(filename)]


@pytest.mark.parametrize(
    "key",
    [
        "uploads/",
        "uploads/photo.jpg",
        f"uploads/{ACCOUNT}/{IMAGE}",
        f"uploads/{ACCOUNT}/{IMAGE}/",
        f"uploads/{ACCOUNT}/{IMPORT}/photo.jpg",
        f"uploads/{IMAGE}/{ACCOUNT}/photo.jpg",
        f"uploads/acc_1/{IMAGE}/photo.jpg",
        f"incoming/{ACCOUNT}/{IMAGE}/photo.jpg",
        f"thumbnails/100x/{ACCOUNT}/{IMAGE}/photo.jpg",
        f"reports/{ACCOUNT}/{IMPORT}/report.csv",
        f"%2Fuploads/{ACCOUNT}/{IMAGE}/photo.jpg",
    ],
)
def test_what_is_nobodys_upload_is_left_and_told(
    key: str, images: Taken, imports: Taken, capsys: pytest.CaptureFixture[str]
) -> None:
    for handler in HANDLERS.values():
        handler(landed(key, image_key()), None)

    assert [upload.key for upload in images.uploads] == [image_key()]
    told = [line for line in read(capsys) if line["message"] == "an object that is nobody's upload was left"]
    assert len(told) == len(HANDLERS)
    assert all("photo" not in json.dumps(line) for line in told)


def test_if_one_fails_the_others_are_done_and_all_come_again(
    wired: MemoryWired, images: Taken, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [f"img_01K9AB0M40000000000000000{place}" for place in range(3)]
    images.failing = {others[0]: ValueError("first"), others[2]: ValueError("last")}

    with pytest.raises(ValueError, match="first"):
        daybook.on_upload(landed(*(image_key("secret.jpg", image) for image in others)), None)

    assert [upload.file_id for upload in images.uploads] == others
    assert [file[:2] for file in wired.metrics.files] == [("images", 1)]
    assert wired.metrics.failures == ["images", "images"]
    told = read(capsys)
    assert [line["message"] for line in told][:2] == [f"upload {others[0]} failed", f"upload {others[2]} failed"]
    assert (told[2]["message"], told[2]["status"], told[2]["records"]) == ("event", "failed", 3)
    assert "secret" not in json.dumps(told)


def test_an_event_without_what_every_event_has_is_no_success(images: Taken) -> None:
    event = landed(image_key())
    del event["Records"][0]["s3"]["object"]["key"]
    with pytest.raises(Exception, match="key"):
        daybook.on_upload(event, None)


def read(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


# The queue of imports


@pytest.fixture
def went_on(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> list[tuple[ImportJob, float, int]]:
    jobs: list[tuple[ImportJob, float, int]] = []

    def go_on(job: ImportJob, _read: object, *, remaining: Callable[[], float], tries: int, desk: object) -> None:
        assert desk is wired
        jobs.append((job, remaining(), tries))

    monkeypatch.setattr(usecases.imports, "go_on", go_on)
    return jobs


def job_message(times_received: int = 1) -> dict[str, Any]:
    event = sqs({"account_id": ACCOUNT, "import_id": IMPORT})
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(times_received)
    return event


def function_context(milliseconds: int) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds, function_name="daybook", aws_request_id="1")


@pytest.mark.parametrize("tries", [1, 3])
def test_an_import_goes_on_with_the_time_that_is_left_and_knows_its_try(
    tries: int, went_on: list[tuple[ImportJob, float, int]]
) -> None:
    assert daybook.on_import(job_message(tries), function_context(170_500)) == failed()

    assert went_on == [(ImportJob(account_id=ACCOUNT, import_id=IMPORT), 170.5, tries)]


def test_an_import_that_fails_comes_again(monkeypatch: pytest.MonkeyPatch, wired: MemoryWired) -> None:
    def go_on(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr(usecases.imports, "go_on", go_on)
    assert daybook.on_import(job_message(), function_context(1)) == failed("message-0")


def test_a_message_that_is_no_job_comes_again_until_it_is_a_dead_letter(went_on: list[Any]) -> None:
    event = sqs("no job")
    assert daybook.on_import(event, function_context(1)) == failed("message-0")
    assert went_on == []
