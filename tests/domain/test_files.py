import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import Invalid
from chalicelib.domain.files import MAX_FILENAME_BYTES, check_filename, upload_key

ACCOUNT = "acc_01KDWCJ2M00000000000000001"
IMAGE = "img_01KDWCJ2M00000000000000001"


@pytest.mark.parametrize(
    "filename",
    [
        "photo.jpg",
        "a",
        "...",
        ".jpg",
        "Foto vom 1. Mai + Garten.jpg",
        "Müller & Söhne.png",
        "cafe\u0301.webp",
        "🏡👨‍👩‍👧.jpg",
        "50% off #1?.png",
        "$100.jpg",
        "{filename}.jpg",
        "猫" * 300,
    ],
)
def test_a_file_may_be_called_what_people_call_files(filename: str) -> None:
    check_filename(filename)


@pytest.mark.parametrize(
    ("filename", "detail"),
    [
        ("", "must not be blank"),
        (" \u3000 ", "must not be blank"),
        (".", "must be the name of a file"),
        ("..", "must be the name of a file"),
        ("../etc/passwd", "must be a name without a path: no / and no \\"),
        ("a/b.jpg", "must be a name without a path: no / and no \\"),
        ("C:\\photo.jpg", "must be a name without a path: no / and no \\"),
        ("a\x00.jpg", "must not contain control characters"),
        ("a\n.jpg", "must not contain control characters"),
        ("a\x7f.jpg", "must not contain control characters"),
        ("a\x85.jpg", "must not contain control characters"),
        ("a\u2028.jpg", "must not contain control characters"),
        ("a\ud83d.jpg", "must not contain control characters"),
        ("a\ufffe.jpg", "must not contain control characters"),
        ("a\U0001ffff.jpg", "must not contain control characters"),
        ("${filename}", "must not contain ${filename}"),
        ("a${filename}b.jpg", "must not contain ${filename}"),
        ("a" * 901, "must have at most 900 bytes as UTF-8"),
        ("猫" * 301, "must have at most 900 bytes as UTF-8"),
    ],
)
def test_a_file_is_not_called_what_no_key_can_end_with(filename: str, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_filename(filename)

    assert [tuple(error) for error in refused.value.errors] == [("/filename", detail)]


@given(some.text())
def test_whatever_is_taken_makes_a_key_that_s3_takes(filename: str) -> None:
    try:
        check_filename(filename)
    except Invalid:
        return
    key = upload_key("thumbnails/200x200", ACCOUNT, IMAGE, filename)

    assert len(key.encode()) <= 1024
    assert key.split("/")[4:] == [filename]


def test_the_longest_filename_makes_a_key_that_s3_takes() -> None:
    assert len(upload_key("thumbnails/200x200", ACCOUNT, IMAGE, "x" * MAX_FILENAME_BYTES)) <= 1024
