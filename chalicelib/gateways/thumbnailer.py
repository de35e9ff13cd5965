"""Thumbnails, by Pillow: the only module that imports it, and imported only where an image is at hand.

What comes out has nothing in it but pixels: no Exif, no place, no profile, no comment.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from math import ceil
from struct import error as StructError
from typing import Any, NamedTuple

from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from chalicelib.domain.images import (
    MAX_PIXELS,
    MAX_SIDE,
    MAX_THUMBNAIL_PIXELS,
    SIZES,
    Cut,
    Drawn,
    DrawnThumbnail,
    Rejection,
    ThumbnailSize,
)
from chalicelib.gateways.image_headers import Format, Header, Refused, read_header

_OPEN: Mapping[Format, Callable[[BytesIO], ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WEBP": WebPImageFile}
"""These and no others: not what Pillow makes of a file by itself, which for a JPEG of several pictures is another class."""
_CONTENT_TYPES: Mapping[Format, str] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_SAVING: Mapping[Format, Mapping[str, Any]] = {
    "JPEG": {"quality": 85, "progressive": True, "optimize": True},
    "PNG": {},
    "WEBP": {"quality": 85, "method": 4},
}
_MAX_DECODING_BYTES = 330_000_000
_MAX_BLOCK_VISITS = 60_000_000
"""Each scan of a JPEG goes through the whole image, though it holds next to nothing; 50 megapixels in the usual ten scans are
half of that.
"""
_MAX_WEBP_SIDE = 16_383
_GAP = 2
"""How many times as large as a thumbnail, at least, an image is shrunk to by cheaper means than Lanczos's."""
_NARROW = 2 * _GAP * max(size.width for size in SIZES)
"""What is narrower than that may have to be converted before it is shrunk."""
_STRIP_PIXELS = 1_000_000
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By what Exif calls orientation (Exif 2.32, 4.6.4)."""
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


class PillowThumbnailer:
    def draw(self, content: bytes, content_type: str) -> Drawn | Rejection:
        try:
            header = _admitted(content, content_type)
            with warnings.catch_warnings():  # of what Pillow mends by itself
                warnings.simplefilter("ignore")
                picture = _read(content, header)
        except Refused as refused:
            return refused.rejection
        width, height = picture.upright(header.width, header.height)
        cuts = {size: size.cut(width, height) for size in SIZES}
        if max(cut.width * cut.height for cut in cuts.values()) > MAX_THUMBNAIL_PIXELS:
            return Rejection.TOO_NARROW
        thumbnails = tuple(picture.thumbnail(size, cut, header.format) for size, cut in cuts.items())
        return Drawn(width=width, height=height, thumbnails=thumbnails)


def _admitted(content: bytes, content_type: str) -> Header:
    """Raises: Refused, before anything is decoded."""
    header = read_header(content)
    if _CONTENT_TYPES[header.format] != content_type:
        raise Refused(Rejection.OTHER_TYPE)
    if header.width * header.height > MAX_PIXELS:
        raise Refused(Rejection.TOO_MANY_PIXELS)
    if max(header.width, header.height) > MAX_SIDE:
        raise Refused(Rejection.TOO_LONG)
    if header.block_visits > _MAX_BLOCK_VISITS:
        raise Refused(Rejection.TOO_COSTLY)
    if header.format == "WEBP" and max(header.width, header.height) > _MAX_WEBP_SIDE:  # a canvas that no image of it fills
        raise Refused(Rejection.DAMAGED)
    return header


def _read(content: bytes, header: Header) -> "_Picture":
    """Raises: Refused."""
    with _reading(header):
        image = _OPEN[header.format](BytesIO(content))
        if image.size != (header.width, header.height):  # it was read in another way than by us
            raise Refused(Rejection.DAMAGED)
        scale = _shrink_while_decoding(image)
        _check_cost(image, header)
        image.load()
    orientation = _orientation_of(image)
    factor = _factor(image.size, orientation)
    return _Picture(
        pixels=_shrunk(image, factor),
        scale=scale * factor,
        orientation=orientation,
        profile=image.info.get("icc_profile") or b"",
    )


@contextmanager
def _reading(header: Header) -> Iterator[None]:
    """What Pillow raises of files that are no right images; anything else is a fault of ours."""
    try:
        yield
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Refused(Rejection.DAMAGED if header.complete else Rejection.TRUNCATED) from error


def _shrink_while_decoding(image: ImageFile) -> float:
    """Lets the decoder leave out what nobody will see, if it can, which only JPEG's can; by how much."""
    if not isinstance(image, JpegImageFile):
        return 1.0
    least = _least_size(image.size, _orientation_of(image))
    width = image.width
    drafted = image.draft(None, least)
    return 1.0 if drafted is None else width / drafted[1][2]


def _factor(size: tuple[int, int], orientation: int) -> int:
    """By which whole number the image can be divided and still be large enough."""
    least = _least_size(size, orientation)
    return max(1, min(size[0] // least[0], size[1] // least[1]))


def _least_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of the image, as it lies, from which every thumbnail can be made well: never larger than it is."""
    width = size[1] if orientation in _ON_ITS_SIDE else size[0]
    fraction = min(1.0, max(_GAP * one.width / (min(size) if one.square else width) for one in SIZES))
    return ceil(size[0] * fraction), ceil(size[1] * fraction)


def _check_cost(image: ImageFile, header: Header) -> None:
    """Raises: Refused if it would take too much memory, which a few bytes can ask for."""
    per_pixel, mode = header.bytes_per_pixel, _mode_for(image)
    if min(image.size) < _NARROW and mode != image.mode:
        per_pixel += 4
    if header.buffered_bytes + per_pixel * image.width * image.height > _MAX_DECODING_BYTES:
        raise Refused(Rejection.TOO_COSTLY)


def _orientation_of(image: ImageFile) -> int:
    """1, upright, if nothing that can be read says otherwise."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, StructError):
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _mode_for(image: Image.Image) -> str:
    """In which mode thumbnails are made of it; the colours of transparent pixels must not show, so they are multiplied with
    how opaque they are. CMYK stays until its profile has been looked at.
    """
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        return "RGBa"
    if image.mode in {"1", "L", "I", "I;16", "F"}:
        return "L"
    return "CMYK" if image.mode == "CMYK" else "RGB"


def _shrunk(image: Image.Image, factor: int) -> Image.Image:
    """Strip by strip, so that no second image of the same size is ever there."""
    mode = _mode_for(image)
    if factor == 1 and mode == image.mode:
        return image
    width, height = image.size
    small = Image.new(mode, (ceil(width / factor), ceil(height / factor)))
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        strip = _converted(image.crop((0, top, width, min(height, top + rows))), mode)
        small.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return small


def _converted(strip: Image.Image, mode: str) -> Image.Image:
    if strip.mode == mode and "transparency" not in strip.info:
        return strip
    if strip.mode.startswith("I"):  # 16 bits, of which Pillow's own conversion would cut off what is above 255
        strip = strip.point(lambda value: value * (1 / 256)).convert("L")
    return strip.convert("RGBA").convert(mode) if mode == "RGBa" else strip.convert(mode)


class _Picture(NamedTuple):
    """`pixels` are those of the image, `scale` times smaller and not turned yet."""

    pixels: Image.Image
    scale: float
    orientation: int
    profile: bytes

    def upright(self, width: int, height: int) -> tuple[int, int]:
        """The sides once it is turned; or, of the upright image, before."""
        return (height, width) if self.orientation in _ON_ITS_SIDE else (width, height)

    def thumbnail(self, size: ThumbnailSize, cut: Cut, kind: Format) -> DrawnThumbnail:
        left, top, right, bottom = cut.left, cut.top, cut.right, cut.bottom
        if self.orientation in _ON_ITS_SIDE:  # whatever is cut out is so from the middle: mirrored, it is the same part
            left, top, right, bottom = top, left, bottom, right
        box = (
            left / self.scale,
            top / self.scale,
            min(right / self.scale, self.pixels.width),
            min(bottom / self.scale, self.pixels.height),
        )
        drawn = self.pixels.resize(self.upright(cut.width, cut.height), Image.Resampling.LANCZOS, box)
        if self.orientation in _UPRIGHT:
            drawn = drawn.transpose(_UPRIGHT[self.orientation])
        drawn = self._in_srgb(drawn.convert("RGBA") if drawn.mode == "RGBa" else drawn)
        drawn.info.clear()
        content = BytesIO()
        drawn.save(content, kind, **_SAVING[kind])
        return DrawnThumbnail(size.name, cut.width, cut.height, content.getvalue())

    def _in_srgb(self, drawn: Image.Image) -> Image.Image:
        """The colours that the profile means, or without one that can be read, those of the web."""
        mode = "L" if drawn.mode == "L" else "RGB"
        to_srgb = self._transform(drawn.mode) if self.profile else None
        if to_srgb is None:
            return drawn.convert(mode) if drawn.mode == "CMYK" else drawn
        alpha = drawn.getchannel("A") if drawn.mode == "RGBA" else None
        colours = drawn.convert("RGB") if alpha else drawn
        turned = ImageCms.applyTransform(colours, to_srgb)
        if turned is None:
            raise ValueError("a transform that is not in place returns an image")
        drawn = turned.convert(mode)
        if alpha:
            drawn.putalpha(alpha)
        return drawn

    def _transform(self, mode: str) -> ImageCms.ImageCmsTransform | None:
        """None for a profile that cannot be read, or is not for such pixels."""
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(self.profile))
            return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB" if mode == "RGBA" else mode, "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            return None
