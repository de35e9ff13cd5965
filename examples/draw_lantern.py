"""Draws lantern.jpg, as a camera that is held sideways keeps it: python examples/draw_lantern.py"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1200, 1600
ORIENTATION, GPS = 0x0112, 0x8825
SIDEWAYS = 6
"""To be turned to the right by a quarter before it is shown."""


def lantern() -> Image.Image:
    picture = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
    picture = Image.blend(picture, Image.new("RGB", picture.size, "#101840"), 0.75)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 1300, WIDTH, HEIGHT), fill="#5a3a22")
    glow = Image.new("L", picture.size)
    ImageDraw.Draw(glow).ellipse((150, 450, 1050, 1450), fill=170)
    picture.paste("#ffb347", mask=glow.filter(ImageFilter.GaussianBlur(130)))
    draw.ellipse((500, 170, 700, 370), outline="#e8e8e8", width=18)
    draw.polygon([(600, 330), (900, 560), (300, 560)], fill="#f4f4f4")
    draw.rectangle((350, 560, 850, 1260), fill="#ffe9b0")
    for left in (330, 585, 840):
        draw.rectangle((left, 560, left + 30, 1260), fill="#f4f4f4")
    draw.rectangle((290, 1260, 910, 1330), fill="#f4f4f4")
    draw.rectangle((520, 950, 680, 1260), fill="#fffdf5")
    draw.polygon([(600, 760), (650, 900), (600, 945), (550, 900)], fill="#ff8c1a")
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def save(path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = SIDEWAYS
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 21.0)})
    lantern().transpose(Image.Transpose.ROTATE_90).save(path, quality=80, exif=exif)


if __name__ == "__main__":
    save(Path(__file__).with_name("lantern.jpg"))
