"""The bytes of an image file -> pixels, as a person would see them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.core.errors import reason_of
from pipeline.core.sections import ImageColumn

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MOST_PIXELS = 100_000_000
"""Of one image; what claims more is taken for a decompression bomb."""


FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Of Pillow, which would hand others to other programs (EPS to Ghostscript)."""
DEEP = 65_535
"""White of 16 bits."""


class Unreadable(Exception):
    """An image that cannot be read, and why."""


def opened(data: bytes) -> Image.Image:
    """The first frame of an image, its pixels not decoded yet. Raises Unreadable."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Unreadable("is empty")
    try:
        with _quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable("is no image") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"claims more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # decoders raise what they like where a file is damaged
        raise Unreadable(f"is damaged ({_told(error)})") from None
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable(f"claims {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
    return image


def size_of(data: bytes) -> tuple[int, int]:
    """Height and width of an image turned as its camera was. Raises Unreadable."""
    image = opened(data)
    try:
        with _quiet():
            turned = image.getexif().get(0x0112, 1) >= 5  # a PNG is decoded for it
    except Exception as error:
        raise Unreadable(f"is damaged ({_told(error)})") from None
    return (image.width, image.height) if turned else (image.height, image.width)


def decode(data: bytes, size: tuple[int, int] | None, how: ImageColumn) -> np.ndarray:
    """uint8 [height, width, channels]: turned as the camera was, 16 bits and fractions made 8 bits, transparent over
    white, the first of several frames, grey or colour, and of this size.

    size: height and width; None: as it is. Raises Unreadable.
    """
    import numpy as np
    from PIL import Image

    image = opened(data)
    try:
        if size is not None and image.format == "JPEG":
            image.draft(None, (2 * max(size), 2 * max(size)))  # decodes large ones at a fraction of their size
        with _quiet():
            seen = _seen(image, how.colour == "grey")
        if size is not None and seen.size != (size[1], size[0]):
            seen = _resized(seen, (size[1], size[0]), how)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"claims more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:
        raise Unreadable(f"is damaged ({_told(error)})") from None
    pixels = np.asarray(seen, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels  # [height, width] -> [height, width, 1]


def _told(error: Exception) -> str:
    return reason_of(error, 80)


def _seen(image: Image.Image, grey: bool) -> Image.Image:
    """In mode L or RGB."""
    import numpy as np
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(image)
    if turned.mode in ("I", "F") or turned.mode.startswith("I;16"):
        turned = Image.fromarray(eight_bits(np.asarray(turned), 1 if turned.mode == "F" else DEEP))
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned).convert("RGB")
    elif turned.mode not in ("L", "RGB", "1"):
        turned = turned.convert("RGB")
    return turned.convert("L" if grey else "RGB")


def eight_bits(values: np.ndarray, white: int) -> np.ndarray:
    """uint8 of numbers from 0 to ``white``, which hangs on their type alone: what is dark in one image is as dark in
    another. Raises Unreadable for others."""
    import numpy as np

    if not ((values >= 0) & (values <= white)).all():  # NaN neither
        rule = "fractions beyond 0 to 1" if white == 1 else f"numbers beyond 0 to {DEEP}"
        raise Unreadable(f"holds {rule}, which have no known white; write it with 8 or 16 bits")
    return np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Pillow says of odd metadata, and of large images, is nothing to a person here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _resized(image: Image.Image, size: tuple[int, int], how: ImageColumn) -> Image.Image:
    """size: width and height."""
    from PIL import Image, ImageOps

    smaller = size[0] <= image.width and size[1] <= image.height
    area = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR  # of enlarged pixels there is no mean
    method = Image.Resampling.BICUBIC if how.resize == "bicubic" else area
    if how.fit == "crop":
        return ImageOps.fit(image, size, method)
    if how.fit == "pad":
        return ImageOps.pad(image, size, method, color="black")
    return image.resize(size, method)
