"""Thumbnails: upright, of nothing but pixels, and of hostile files none."""

import random
import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps, ImageStat
from PIL.PngImagePlugin import PngInfo

from benchmarks.costly_images import COSTLY, bomb, cost_of
from chalicelib.domain.images import SIZES, Drawn, Rejection
from chalicelib.gateways.thumbnailer import PillowThumbnailer

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "photos"
ROOT = Path(__file__).parents[2]
ORIENTATION = 0x0112
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 30), (30, 30, 200), (240, 240, 240)
LYING = {  # what is done to the upright pixels so that a viewer who heeds the tag undoes it
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_270],
    8: [Image.Transpose.ROTATE_270],
}


def a_picture(width: int = 900, height: int = 600) -> Image.Image:
    """A corner of each colour: red green above, blue white below."""
    picture = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(picture)
    for (left, top), colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), (RED, GREEN, BLUE, WHITE), strict=True):
        corner = (left * width // 2, top * height // 2)
        pen.rectangle((*corner, corner[0] + width // 2, corner[1] + height // 2), fill=colour)
    return picture


def saved(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def draw(content: bytes, kind: str = "JPEG") -> Drawn | Rejection:
    return PillowThumbnailer().draw(content, TYPES[kind])


def drawn(content: bytes, kind: str = "JPEG") -> dict[str, Image.Image]:
    """The thumbnails by name, as the sizes say."""
    made = draw(content, kind)
    assert isinstance(made, Drawn), made
    assert [one.name for one in made.thumbnails] == [size.name for size in SIZES]
    thumbnails: dict[str, Image.Image] = {}
    for size, one in zip(SIZES, made.thumbnails, strict=True):
        cut = size.cut(made.width, made.height)
        thumbnail = Image.open(BytesIO(one.content))
        thumbnail.load()
        assert thumbnail.format == kind
        assert thumbnail.size == (one.width, one.height) == (cut.width, cut.height)
        thumbnails[one.name] = thumbnail
    return thumbnails


def exif_of(orientation: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    exif[0x0132] = "2026:01:10 09:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    if orientation is not None:
        exif[ORIENTATION] = orientation
    return exif


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colour in the middle of each corner, in reading order."""
    pixels = picture.convert("RGB")
    across, down = (pixels.width // 4, pixels.width * 3 // 4), (pixels.height // 4, pixels.height * 3 // 4)
    return [tuple(pixels.getpixel((x, y))) for y in down for x in across]  # type: ignore[arg-type]


def alike(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


def assert_upright(picture: Image.Image) -> None:
    assert all(alike(*pair) for pair in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True)), corners(picture)


# What is seen


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("width", "height"), [(900, 600), (600, 901), (2001, 1300)])
def test_every_orientation_comes_out_upright(orientation: int, kind: str, width: int, height: int) -> None:
    picture = a_picture(width, height)
    for turn in LYING[orientation]:
        picture = picture.transpose(turn)

    content = saved(picture, kind, exif=exif_of(orientation))

    made = draw(content, kind)
    assert isinstance(made, Drawn)
    assert (made.width, made.height) == (width, height)
    for thumbnail in drawn(content, kind).values():
        assert_upright(thumbnail)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_upright(orientation: int) -> None:
    assert_upright(drawn(saved(a_picture(), exif=exif_of(orientation)))["400x"])


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not here")
@pytest.mark.parametrize("photo", sorted(PHOTOS.glob("*.jpg")), ids=lambda photo: photo.stem)
def test_a_real_photo_comes_out_upright_and_sharp(photo: Path) -> None:
    made = draw(photo.read_bytes())
    assert isinstance(made, Drawn)
    assert (made.width > made.height) == photo.stem.startswith("Landscape")
    reference = min(PHOTOS.glob(f"{photo.stem.partition('_')[0]}_*.jpg"))
    with Image.open(reference) as other:
        plain = ImageOps.exif_transpose(other).convert("RGB")
        for thumbnail in drawn(photo.read_bytes()).values():
            if thumbnail.width != thumbnail.height:
                wanted = plain.resize(thumbnail.size, Image.Resampling.LANCZOS)
                # The photos of a series differ in the digit in their middle.
                assert ImageStat.Stat(ImageChops.difference(thumbnail, wanted)).rms[0] < 16


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"comment": b"a secret", "dpi": (300, 300), "xmp": b"<x:xmpmeta>a secret</x:xmpmeta>"}),
        ("PNG", {"dpi": (300, 300)}),
        ("WEBP", {"xmp": b"<x:xmpmeta>a secret</x:xmpmeta>"}),
    ],
)
def test_nothing_comes_out_but_pixels(kind: str, options: dict[str, Any]) -> None:
    if kind == "PNG":
        told = PngInfo()
        told.add_text("Author", "a secret", zip=True)
        told.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>a secret</x:xmpmeta>")
        options = {**options, "pnginfo": told}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = saved(a_picture(), kind, exif=exif_of(6), icc_profile=profile, **options)

    made = draw(content, kind)

    assert isinstance(made, Drawn)
    for one in made.thumbnails:
        assert not any(mark in one.content for mark in (b"secret", b"Exif", b"GPS", b"xmp", b"ICC_PROFILE", b"iCCP", b"ICCP"))
        with Image.open(BytesIO(one.content)) as thumbnail:
            assert not thumbnail.getexif()
            assert set(thumbnail.info) <= {
                *("jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"),
                *("loop", "background", "timestamp", "duration"),
            }


def test_jpegs_are_made_of_jpegs_in_quality_85_and_progressive() -> None:
    thumbnail = drawn(saved(a_picture()))["400x"]

    assert thumbnail.info["progressive"]
    quantization: Any = thumbnail.quantization  # type: ignore[attr-defined]
    with Image.open(BytesIO(saved(a_picture(8, 8), quality=85))) as reference:
        assert quantization == reference.quantization  # type: ignore[attr-defined]


def test_the_same_file_gives_the_same_bytes() -> None:
    content = saved(a_picture())

    assert draw(content) == draw(content)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("width", "height"), [(1700, 1300), (1201, 1603), (1601, 900), (799, 801), (401, 399)])
def test_a_thumbnail_is_as_good_as_lanczoss_own(kind: str, width: int, height: int) -> None:
    grain = Image.effect_noise((width // 8, height // 8), 80).resize((width, height), Image.Resampling.BICUBIC)
    picture = Image.merge("RGB", (grain, grain.transpose(Image.Transpose.ROTATE_180), a_picture(width, height).getchannel(0)))
    content = saved(picture, kind, **({"lossless": True, "method": 0} if kind == "WEBP" else {"compress_level": 1}))

    for name, thumbnail in drawn(content, kind).items():
        size = next(size for size in SIZES if size.name == name)
        cut = size.cut(width, height)
        plain = picture.resize((cut.width, cut.height), Image.Resampling.LANCZOS, cut[:4])
        if kind != "PNG":
            plain = Image.open(BytesIO(saved(plain, kind, quality=85)))
        difference = ImageStat.Stat(ImageChops.difference(thumbnail.convert("RGB"), plain))
        assert max(difference.rms) < (4 if kind == "PNG" else 8), (name, difference.rms)


# Kinds of pixels


@pytest.mark.parametrize(
    ("mode", "kind", "comes_out"),
    [
        ("L", "JPEG", "L"),
        ("RGB", "JPEG", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("1", "PNG", "L"),
        ("L", "PNG", "L"),
        ("LA", "PNG", "RGBA"),
        ("P", "PNG", "RGB"),
        ("RGB", "PNG", "RGB"),
        ("RGBA", "PNG", "RGBA"),
        ("I;16", "PNG", "L"),
        ("RGB", "WEBP", "RGB"),
        ("RGBA", "WEBP", "RGBA"),
    ],
)
@pytest.mark.parametrize("factor", [1, 4])
def test_every_kind_of_pixel_comes_out_in_its_colour(mode: str, kind: str, comes_out: str, factor: int) -> None:
    picture = a_picture(300 * factor, 200 * factor)
    if mode == "I;16":
        wide = picture.convert("L")
        picture = Image.frombytes("I;16", wide.size, b"".join(struct.pack("<H", value * 257) for value in wide.tobytes()))
    else:
        picture = picture.convert(mode)
    shown = Image.open(BytesIO(saved(a_picture(300, 200).convert("L" if mode in {"1", "L", "LA", "I;16"} else "RGB"), "PNG")))

    thumbnail = drawn(saved(picture, kind), kind)["200x"]

    opaque = thumbnail.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    assert opaque
    assert thumbnail.mode in {comes_out, "RGB" if comes_out == "RGBA" else comes_out}
    tolerance = 60 if mode == "1" else 30 if mode == "P" else 8
    for found, wanted in zip(corners(thumbnail), corners(shown), strict=True):
        assert alike(found, wanted, tolerance), (found, wanted)


def test_what_is_transparent_stays_so_and_its_hidden_colour_does_not_show() -> None:
    picture = a_picture(1200, 800).convert("RGBA")
    mask = Image.new("L", picture.size, 255)
    ImageDraw.Draw(mask).rectangle((0, 0, 600, 800), fill=0)
    picture.putalpha(mask)

    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        thumbnail = drawn(saved(picture, kind, **options), kind)["200x"]

        alpha = thumbnail.getchannel("A")
        assert (alpha.getpixel((20, 60)), alpha.getpixel((180, 60))) == (0, 255)
        column = [thumbnail.getpixel((x, 30)) for x in range(95, 108)]
        seen: list[Any] = [pixel for pixel in column if isinstance(pixel, tuple) and pixel[3] > 20]
        assert seen
        assert all(pixel[1] > pixel[0] for pixel in seen), "no red of what nobody sees"


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_that_stands_for_transparent_is_transparent(mode: str) -> None:
    picture = Image.new(mode, (900, 600), 5 if mode != "RGB" else (5, 5, 5))
    if mode == "P":
        picture.putpalette([shade for shade in range(256) for _ in range(3)])
    ImageDraw.Draw(picture).rectangle((450, 0, 900, 600), fill=200 if mode != "RGB" else WHITE)

    thumbnail = drawn(saved(picture, "PNG", transparency=5 if mode != "RGB" else (5, 5, 5)), "PNG")["100x"]

    alpha = thumbnail.getchannel("A")
    assert (alpha.getpixel((20, 30)), alpha.getpixel((80, 30))) == (0, 255)


def test_colours_are_what_the_profile_means() -> None:
    """A profile whose red and green are swapped shows whether it is heeded."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, other in ((b"rXYZ", b"gXYZ"),):
        first, second = profile.index(tag), profile.index(other)
        profile[first : first + 4], profile[second : second + 4] = other, tag

    thumbnail = drawn(saved(a_picture(), icc_profile=bytes(profile)))["200x"]

    found = corners(thumbnail)
    assert found[0][1] > 150 > found[0][0], "red has become green"
    assert found[1][0] > 120 > found[1][1], "green has become red"
    assert alike(found[3], WHITE)


@pytest.mark.parametrize("profile", [b"no profile", bytes(200), b"\xff" * 3000])
@pytest.mark.parametrize("kind", TYPES)
def test_a_profile_that_is_none_is_left_out(profile: bytes, kind: str) -> None:
    assert_upright(drawn(saved(a_picture(), kind, icc_profile=profile), kind)["200x"])


def test_a_profile_for_other_pixels_is_left_out() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    assert_upright(drawn(saved(a_picture(), icc_profile=profile))["200x"])


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_of_what_moves_the_first_picture_is_shown(kind: str, options: dict[str, Any]) -> None:
    others = [Image.new("RGB", (900, 600)) for _ in range(3)]
    for number, other in enumerate(others):
        other.putpixel((number, 0), WHITE)

    content = saved(a_picture(), kind, save_all=True, append_images=others, duration=100, **options)

    for thumbnail in drawn(content, kind).values():
        assert_upright(thumbnail)
        assert getattr(thumbnail, "n_frames", 1) == 1


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    content = saved(a_picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (900, 600))])

    for thumbnail in drawn(content).values():
        assert_upright(thumbnail)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 2), (10, 50_000), (50_000, 10), (401, 1), (65_500, 1)])
def test_the_smallest_and_the_longest_images_have_thumbnails(width: int, height: int) -> None:
    for kind in ("JPEG", "PNG"):
        drawn(saved(Image.new("RGB", (width, height), RED), kind), kind)


# What is refused


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def a_png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0, pixels: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    if pixels is None:
        pixels = zlib.compress(bytes((width * depth // 8 + 1) * height), 9)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", pixels),
            png_chunk(b"IEND", b""),
        )
    )


def with_scans(content: bytes, more: int) -> bytes:
    """A progressive JPEG with its last scan that many times more."""
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * more + b"\xff\xd9"


JPEG = saved(a_picture())
PROGRESSIVE = saved(a_picture(), progressive=True)
PNG = saved(a_picture(), "PNG")
WEBP = saved(a_picture(), "WEBP")
MILLION = zlib.compress(bytes(100_000_000))
HOSTILE: dict[str, tuple[str, bytes | Callable[[], bytes], Rejection]] = {
    "nothing": ("JPEG", b"", Rejection.EMPTY),
    "a byte": ("JPEG", b"\xff", Rejection.NO_IMAGE),
    "a text": ("JPEG", b"<html><script>alert(1)</script></html>", Rejection.NO_IMAGE),
    "a vector image": ("PNG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", Rejection.NO_IMAGE),
    "a GIF": ("PNG", saved(a_picture(), "GIF"), Rejection.NO_IMAGE),
    "a TIFF": ("JPEG", saved(a_picture(), "TIFF"), Rejection.NO_IMAGE),
    "a BMP": ("PNG", saved(a_picture(), "BMP"), Rejection.NO_IMAGE),
    "a PDF": ("JPEG", saved(a_picture(), "PDF"), Rejection.NO_IMAGE),
    "a zip": ("PNG", b"PK\x03\x04" + bytes(100), Rejection.NO_IMAGE),
    "an EPS": ("JPEG", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", Rejection.NO_IMAGE),
    "zeros": ("JPEG", bytes(1_000_000), Rejection.NO_IMAGE),
    "a JPEG behind something else": ("JPEG", b"GIF89a" + JPEG, Rejection.NO_IMAGE),
    "a PNG called a JPEG": ("JPEG", PNG, Rejection.OTHER_TYPE),
    "a JPEG called a PNG": ("PNG", JPEG, Rejection.OTHER_TYPE),
    "a WebP called a JPEG": ("JPEG", WEBP, Rejection.OTHER_TYPE),
    "half a JPEG": ("JPEG", JPEG[: len(JPEG) // 2], Rejection.TRUNCATED),
    "half a progressive JPEG": ("JPEG", PROGRESSIVE[: len(PROGRESSIVE) // 3], Rejection.TRUNCATED),
    "half a PNG": ("PNG", PNG[: len(PNG) // 2], Rejection.TRUNCATED),
    "half a WebP": ("WEBP", WEBP[: len(WEBP) // 2], Rejection.TRUNCATED),
    "the beginning of a JPEG": ("JPEG", JPEG[:20], Rejection.TRUNCATED),
    "the beginning of a PNG": ("PNG", PNG[:20], Rejection.TRUNCATED),
    "the beginning of a WebP": ("WEBP", WEBP[:20], Rejection.TRUNCATED),
    "a JPEG without an image": ("JPEG", b"\xff\xd8\xff\xd9", Rejection.DAMAGED),
    "a JPEG with two sizes": ("JPEG", JPEG[:2] + b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0" + JPEG[2:], Rejection.DAMAGED),
    "a PNG whose pixels are none": ("PNG", a_png(10, 10, pixels=b"no pixels"), Rejection.DAMAGED),
    "a PNG with too few pixels": ("PNG", a_png(10, 10, pixels=zlib.compress(bytes(50))), Rejection.DAMAGED),
    "a PNG without a size": ("PNG", a_png(0, 10, pixels=b""), Rejection.DAMAGED),
    "a PNG of a kind that is none": ("PNG", a_png(10, 10, depth=3), Rejection.DAMAGED),
    "a PNG of the largest size": ("PNG", a_png(2**31 - 1, 2**31 - 1, pixels=b""), Rejection.TOO_MANY_PIXELS),
    "a bomb of 88 megapixels": ("PNG", bomb, Rejection.TOO_MANY_PIXELS),
    "a JPEG of 4 gigapixels": (
        "JPEG",
        b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9",
        Rejection.TOO_MANY_PIXELS,
    ),
    "a WebP of 268 megapixels": (
        "WEBP",
        b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(9),
        Rejection.TOO_MANY_PIXELS,
    ),
    "a line of 65,536 pixels": ("PNG", a_png(65_536, 1), Rejection.TOO_LONG),
    "a strip of 50 megapixels": ("PNG", lambda: a_png(760, 65_535), Rejection.TOO_NARROW),
    "a text bomb": ("PNG", a_png(9, 9, *[png_chunk(b"zTXt", b"a\0\0" + MILLION)] * 9), Rejection.DAMAGED),
    "an international text bomb": ("PNG", a_png(9, 9, png_chunk(b"iTXt", b"a\0\x01\0\0\0" + MILLION)), Rejection.DAMAGED),
    "a profile bomb": ("PNG", a_png(9, 9, png_chunk(b"iCCP", b"a\0\0" + MILLION)), Rejection.DAMAGED),
    "a PNG in crumbs": ("PNG", a_png(9, 9, png_chunk(b"tEXt", b"a\0b") * 200_000), Rejection.TOO_COSTLY),
    "a JPEG in crumbs": ("JPEG", JPEG[:2] + b"\xff\xfe\0\x02" * 200_000 + JPEG[2:], Rejection.TOO_COSTLY),
    "a JPEG of 200,000 scans": ("JPEG", with_scans(PROGRESSIVE, 200_000), Rejection.TOO_COSTLY),
    "a large JPEG of 1,000 scans": (
        "JPEG",
        lambda: with_scans(saved(Image.new("RGB", (3000, 3000)), progressive=True, quality=1), 1_000),
        Rejection.TOO_COSTLY,
    ),
    "a WebP that unpacks to 800 MB": (
        "WEBP",
        lambda: saved(Image.new("RGB", (7_000, 7_000)), "WEBP", method=0),
        Rejection.TOO_COSTLY,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_has_a_clear_end(name: str) -> None:
    kind, content, rejection = HOSTILE[name]

    assert draw(content() if callable(content) else content, kind) == rejection


def test_a_bomb_of_88_megapixels_is_smaller_than_a_photo() -> None:
    assert len(bomb()) < 90_000


@pytest.mark.parametrize(
    "tail", [b"PK\x05\x06" + bytes(18), b"<script>alert(1)</script>", b"<?php evil(); ?>", bytes(100_000), JPEG]
)
@pytest.mark.parametrize(("kind", "content"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP)])
def test_nothing_that_hangs_behind_an_image_comes_out(kind: str, content: bytes, tail: bytes) -> None:
    plain = draw(content, kind)

    assert draw(content + tail, kind) == plain
    assert isinstance(plain, Drawn)


@pytest.mark.parametrize(("kind", "content"), [("JPEG", JPEG), ("JPEG", PROGRESSIVE), ("PNG", PNG), ("WEBP", WEBP)])
def test_a_file_that_ends_anywhere_is_taken_or_rejected(kind: str, content: bytes) -> None:
    ends = sorted({*range(0, len(content), max(1, len(content) // 150)), *range(40), *range(len(content) - 20, len(content))})

    ended = [draw(content[:end], kind) for end in ends]

    whole = [isinstance(one, Drawn) for one in ended]
    assert all(not first or second for first, second in pairwise(whole)), "what is whole stays so"
    assert {one for one in ended if not isinstance(one, Drawn)} <= {Rejection.EMPTY, Rejection.NO_IMAGE, Rejection.TRUNCATED}


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_wrong_in_a_file_it_is_taken_or_rejected(seed: int) -> None:
    """What Pillow may raise besides is a fault of ours, and would show here."""
    chance = random.Random(seed)  # noqa: S311  no secret
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    small = a_picture(90, 60)
    more: dict[str, Any] = {"exif": exif_of(6), "icc_profile": profile}
    samples = [
        *((kind, saved(small, kind, **more)) for kind in TYPES),
        ("JPEG", saved(small, progressive=True, **more)),
        ("JPEG", saved(small.convert("CMYK"))),
        ("PNG", saved(small.convert("P"), "PNG", transparency=1)),
        ("PNG", saved(small, "PNG", save_all=True, append_images=[Image.new("RGB", (90, 60))])),
        ("WEBP", saved(small, "WEBP", save_all=True, append_images=[Image.new("RGB", (90, 60))])),
        ("WEBP", saved(small.convert("RGBA"), "WEBP", lossless=True)),
    ]
    ends = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(250):
            kind, content = chance.choice(samples)
            broken = bytearray(content)
            for _ in range(chance.choice([1, 1, 2, 5, 20])):
                at = chance.randrange(len(broken) if chance.random() < 0.6 else min(len(broken), 300))
                broken[at] = chance.choice([0, 0xFF, 0x7F, 0x80, chance.randrange(256)])
            ends.add(type(draw(bytes(broken), kind)))

    assert ends == {Drawn, Rejection}


# What it costs


def test_a_bomb_moves_no_memory() -> None:
    before = cost_of(b"", TYPES["PNG"])
    cost = cost_of(bomb(), TYPES["PNG"])

    assert cost.rejected
    assert cost.memory - before.memory < 10


@pytest.mark.parametrize("name", COSTLY)
def test_an_image_takes_less_than_400_megabytes(name: str) -> None:
    content_type, make = COSTLY[name]

    cost = cost_of(make(), content_type)

    assert (cost.rejected, cost.memory < 400) == (False, True)
