"""The bytes of an image file -> pixels, as a person would see them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from pipeline.core.sections import ImageColumn

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MOST_PIXELS = 100_000_000
"""Of one image; what claims more is taken for a decompression bomb."""


class Unreadable(Exception):
    """An image that cannot be read, and why."""


def opened(data: bytes) -> Image.Image:
    """The first frame of an image, its pixels not decoded yet. Raises Unreadable."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Unreadable("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
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
        turned = image.getexif().get(0x0112, 1) >= 5  # a PNG is decoded for it
    except Exception as error:
        raise Unreadable(f"is damaged ({_told(error)})") from None
    return (image.width, image.height) if turned else (image.height, image.width)


def decode(data: bytes, size: tuple[int, int] | None, how: ImageColumn) -> np.ndarray:
    """uint8 [height, width, channels]: turned as the camera was, 16 bits made 8, transparent over white, the first
    of several frames, grey or colour, and of this size.

    size: height and width; None: as it is. Raises Unreadable.
    """
    import numpy as np
    from PIL import Image

    image = opened(data)
    try:
        if size is not None and image.format == "JPEG":
            image.draft(None, (2 * max(size), 2 * max(size)))  # decodes large ones at a fraction of their size
        seen = _seen(image, how.colour == "grey")
        if size is not None and seen.size != (size[1], size[0]):
            seen = _resized(seen, (size[1], size[0]), how)
    except Image.DecompressionBombError:
        raise Unreadable(f"claims more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:
        raise Unreadable(f"is damaged ({_told(error)})") from None
    pixels = np.asarray(seen, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels  # [height, width] -> [height, width, 1]


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def _seen(image: Image.Image, grey: bool) -> Image.Image:
    """In mode L or RGB."""
    import numpy as np
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(image)
    if turned.mode in ("I", "F") or turned.mode.startswith("I;16"):
        values = np.asarray(turned, dtype=np.float64)
        if values.size and values.max() > 255:
            values = values / 257  # 65535 is 255
        turned = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned).convert("RGB")
    elif turned.mode not in ("L", "RGB", "1"):
        turned = turned.convert("RGB")
    return turned.convert("L" if grey else "RGB")


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
