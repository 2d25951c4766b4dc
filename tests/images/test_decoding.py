"""Image files of all kinds read as a person would see them; what is no image is told."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.core.sections import ImageColumn
from pipeline.images.decoding import Unreadable, decode, size_of

GREY, COLOUR = ImageColumn(), ImageColumn(colour="colour")
HEIGHT, WIDTH = 12, 20
DOWN, ACROSS = np.mgrid[0:HEIGHT, 0:WIDTH]
SCENE = np.stack([20 + 10 * ACROSS, 30 + 15 * DOWN, 200 - 5 * DOWN - 3 * ACROSS], axis=-1).astype(np.uint8)
"""Smooth, and no two corners alike, so that a JPEG keeps it and a turn shows."""


def data(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def near(pixels: np.ndarray, expected: np.ndarray, within: float) -> None:
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected.astype(int)).max() <= within


SEEN = Image.fromarray(SCENE)


@pytest.mark.parametrize(
    ("written", "within"),
    [
        (data(SEEN), 0),
        (data(SEEN, "BMP"), 0),
        (data(SEEN, "TIFF"), 0),
        (data(SEEN, "WEBP", lossless=True), 0),
        (data(SEEN, "JPEG", quality=98, subsampling=0), 8),
        (data(SEEN.convert("CMYK"), "JPEG", quality=98, subsampling=0), 10),
        (data(SEEN.quantize(240)), 20),
        (data(SEEN.convert("RGBA")), 0),
        (data(SEEN.quantize(200), "GIF", save_all=True, append_images=[SEEN.rotate(180).quantize(200)] * 2), 20),
    ],
    ids=["png", "bmp", "tiff", "webp", "jpeg", "cmyk", "palette", "opaque", "animated"],
)
def test_colours_of_every_kind(written, within):
    near(decode(written, None, COLOUR), SCENE, within)


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_image_is_turned_as_its_camera_was(turn):
    """The transposes of the EXIF standard, written out."""
    lying = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: SCENE.transpose(1, 0, 2)[::-1],
        7: SCENE.transpose(1, 0, 2)[::-1, ::-1],
        8: SCENE.transpose(1, 0, 2)[:, ::-1],
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    near(decode(data(Image.fromarray(np.ascontiguousarray(lying)), exif=exif), None, COLOUR), SCENE, 0)


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(SCENE[..., 0].astype(np.uint16) * 257)
    near(decode(data(deep), None, GREY)[..., 0], SCENE[..., 0], 0)
    near(decode(data(deep), None, COLOUR), np.repeat(SCENE[..., :1], 3, axis=2), 0)


@pytest.mark.parametrize("high", [255, 4095, 65535])
def test_sixteen_bits_are_scaled_alike_however_dark_the_image(high):
    values = np.linspace(0, high, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    expected = np.rint(values / 65535 * 255)
    for kind in ("PNG", "TIFF"):
        near(decode(data(Image.fromarray(values), kind), None, GREY)[..., 0], expected, 0)
    wide = Image.fromarray(values.astype(np.int32))  # as some programs write 16 bits
    near(decode(data(wide, "TIFF"), None, GREY)[..., 0], expected, 0)


def test_fractions_up_to_one_are_of_white_and_other_numbers_are_refused():
    part = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    near(decode(data(Image.fromarray(part), "TIFF"), None, GREY)[..., 0], np.rint(part * 255), 0)
    holed = part.copy()
    holed[0, 0] = np.nan
    for values in (part * 200, part - 0.5, holed):
        with pytest.raises(Unreadable, match="holds fractions beyond 0 to 1"):
            decode(data(Image.fromarray(values), "TIFF"), None, GREY)
    for whole in (np.linspace(0, 2**30, 64), np.linspace(-5, 5, 64)):
        with pytest.raises(Unreadable, match="holds numbers beyond 0 to 65535"):
            decode(data(Image.fromarray(whole.astype(np.int32).reshape(8, 8)), "TIFF"), None, GREY)


def test_only_the_formats_that_are_documented_are_opened():
    for kind in ("EPS", "ICO", "TGA", "JPEG2000"):
        with pytest.raises(Unreadable, match="is no image"):
            decode(data(SEEN, kind), None, COLOUR)


def test_odd_metadata_is_no_warning():
    odd = data(SEEN, "JPEG", quality=98, subsampling=0, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert size_of(odd) == (HEIGHT, WIDTH)
        near(decode(odd, None, COLOUR), SCENE, 8)


def test_what_is_transparent_is_seen_over_white():
    alpha = np.where(ACROSS < 10, 255, 0).astype(np.uint8)
    shown = np.where(ACROSS[..., None] < 10, SCENE, 255)
    near(decode(data(Image.fromarray(np.dstack([SCENE, alpha]))), None, COLOUR), shown, 0)
    grey = np.dstack([SCENE[..., 0], alpha])
    near(decode(data(Image.fromarray(grey, "LA")), None, GREY)[..., 0], np.where(ACROSS < 10, SCENE[..., 0], 255), 0)
    palette = SEEN.quantize(16)
    first = np.asarray(palette) == palette.getpixel((0, 0))
    assert (decode(data(palette, transparency=palette.getpixel((0, 0))), None, COLOUR)[first] == 255).all()


def test_one_bit_and_grey():
    bits = (DOWN + ACROSS) % 2 == 0
    near(decode(data(Image.fromarray(bits)), None, GREY)[..., 0], bits * np.uint8(255), 0)
    luma = SCENE @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as Pillow's documentation has it
    near(decode(data(SEEN), None, GREY)[..., 0], luma, 1)


def test_area_is_the_mean_of_the_pixels_that_become_one():
    means = SCENE.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    near(decode(data(SEEN), (6, 10), COLOUR), means, 1)


def test_stretch_crop_and_pad():
    size = (6, 6)
    assert decode(data(SEEN), size, COLOUR).shape == (6, 6, 3)
    cropped = decode(data(SEEN), size, ImageColumn(colour="colour", fit="crop"))
    near(cropped, SCENE[:, 4:16].reshape(6, 2, 6, 2, 3).mean(axis=(1, 3)), 1)
    padded = decode(data(SEEN), (20, 20), ImageColumn(colour="colour", fit="pad"))
    near(padded[4:16], SCENE, 0)
    assert not padded[:4].any() and not padded[16:].any()


def bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels in some bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"", "is empty"),
        (b"no image", "is no image"),
        (data(SEEN, "JPEG")[:300], "is damaged"),
        (data(SEEN)[:-40], "is damaged"),
        (bomb(), "claims more than|claims 60000 x 60000 pixels"),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "bomb"],
)
def test_what_is_no_whole_image_is_told(broken, why):
    with pytest.raises(Unreadable, match=why):
        decode(broken, (8, 8), GREY)


def test_a_size_is_that_of_the_turned_image_and_of_a_broken_one_none():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert size_of(data(SEEN)) == (HEIGHT, WIDTH) and size_of(data(SEEN, "JPEG", exif=exif)) == (WIDTH, HEIGHT)
    for broken in (b"", b"no image", data(SEEN)[:-40], bomb()):
        with pytest.raises(Unreadable):
            size_of(broken)
