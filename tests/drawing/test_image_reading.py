"""Given images of every mode, depth and kind: files, images of Pillow, arrays and tensors."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from photism import InputError
from photism.drawing.image_reading import read_image, read_mask
from photism.errors import ImageWarning

SIDE = 32
RAMP8 = np.arange(0, 256, 8, dtype=np.uint8)[None].repeat(SIDE, 0)
RAMP16 = RAMP8.astype(np.uint16) * 257  # 0 to 65,535 in steps of a level of 8 bits
COLOURS = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
GREY = np.repeat(RAMP8[..., None], 3, 2)


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png_of_16_bits(samples, colour_type):
    """Return a PNG of 16-bit samples (H, W, C), which Pillow does not write for C above 1."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_alpha(levels, alpha):
    return np.dstack([levels, np.broadcast_to(np.asarray(alpha, np.uint8), levels.shape[:2])])


GREY_SOURCES = {
    "L": Image.fromarray(RAMP8),
    "PNG, I;16": saved(Image.fromarray(RAMP16), "PNG"),
    "TIFF, I;16": saved(Image.fromarray(RAMP16), "TIFF"),
    "TIFF, I;16B": saved(Image.frombytes("I;16B", (SIDE, SIDE), RAMP16.astype(">u2").tobytes()), "TIFF"),
    "PGM of 16 bits, I": b"P5 32 32 65535\n" + RAMP16.astype(">u2").tobytes(),
    "I": Image.fromarray(RAMP16.astype(np.int32)),
    "PNG, RGB of 16 bits": png_of_16_bits(np.repeat(RAMP16[..., None], 3, 2), 2),
    "PNG, grey and alpha of 16 bits": png_of_16_bits(np.dstack([RAMP16, np.full_like(RAMP16, 65_535)]), 4),
    "TIFF, F": saved(Image.fromarray((RAMP8 / 255).astype(np.float32)), "TIFF"),
    "F from -1": Image.fromarray((RAMP8 / 127.5 - 1).astype(np.float32)),
    "LA": Image.fromarray(with_alpha(RAMP8, 255), "LA"),
    "PA": Image.fromarray(with_alpha(RAMP8, 255), "LA").convert("PA"),
    "CMYK": Image.fromarray(GREY).convert("CMYK"),
    "uint8": RAMP8,
    "uint16": RAMP16,
    "big-endian uint16": RAMP16.astype(">u2"),
    "float64": RAMP8 / 255,
    "float32 from -1": (RAMP8 / 127.5 - 1).astype(np.float32),
    "(H, W, 1)": RAMP8[..., None],
    "(1, H, W)": RAMP8[None],
    "tensor of grey": torch.from_numpy(RAMP8)[None] / 255,
    "tensor of a batch": (torch.from_numpy(GREY).permute(2, 0, 1)[None] / 127.5 - 1).requires_grad_(),
}


@pytest.mark.parametrize("name", GREY_SOURCES)
def test_grey_of_any_depth_has_the_levels_of_8_bits(name):
    image = read_image("image", GREY_SOURCES[name])
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), GREY)


@pytest.mark.parametrize(
    "source",
    [
        Image.fromarray(COLOURS),
        saved(Image.fromarray(COLOURS), "PNG"),
        COLOURS,
        COLOURS / 255,
        COLOURS[None],
        np.moveaxis(COLOURS, -1, 0),
        torch.from_numpy(COLOURS).permute(2, 0, 1),
        (torch.from_numpy(COLOURS).permute(2, 0, 1) / 127.5 - 1).double(),
        torch.from_numpy(COLOURS),
        with_alpha(COLOURS, 255),
    ],
)
def test_colours_in_either_order_of_the_axes(source):
    np.testing.assert_array_equal(np.asarray(read_image("image", source)), COLOURS)


def test_a_tensor_of_bfloat16():
    image = read_image("image", (torch.from_numpy(COLOURS).permute(2, 0, 1) / 255).bfloat16())
    assert np.abs(np.asarray(image, int) - COLOURS).max() <= 1


def test_a_tensor_with_channels_at_both_ends_has_them_first_and_an_array_last():
    assert read_image("image", torch.zeros(3, 8, 4)).size == (4, 8)
    assert read_image("image", np.zeros((3, 8, 4), np.uint8)).size == (8, 3)


def transparent_pictures():
    """Return pictures whose left half is transparent over black, and whose right half is red."""
    levels = np.zeros((8, 8, 4), np.uint8)
    levels[:, 4:] = 255, 0, 0, 255
    image = Image.fromarray(levels)
    palette = image.convert("RGB").quantize(2)
    return {
        "RGBA": image,
        "RGBa": image.convert("RGBa"),
        "PNG": saved(image, "PNG"),
        "palette": saved(palette, "PNG", transparency=int(np.asarray(palette)[0, 0])),
        "palette of GIF": saved(image, "GIF"),
        "colour key": saved(image.convert("RGB"), "PNG", transparency=(0, 0, 0)),
        "array": levels,
        "floats": levels / 255,
        "tensor": torch.from_numpy(levels).permute(2, 0, 1),
    }


@pytest.mark.parametrize("name", transparent_pictures())
def test_transparent_areas_show_the_background(name):
    source = transparent_pictures()[name]
    for background, expected in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
        image = read_image("image", source, background=background)
        assert image.getpixel((0, 0)) == expected
        assert image.getpixel((7, 0)) == (255, 0, 0)


def test_grey_with_a_transparent_level():
    levels = np.zeros((4, 4), np.uint16)
    levels[:, 2:] = 32_768
    for image in (Image.fromarray(levels), Image.fromarray((levels >> 8).astype(np.uint8))):
        image = read_image("image", saved(image, "PNG", transparency=0))
        assert (image.getpixel((0, 0)), image.getpixel((3, 0))) == ((255,) * 3, (128,) * 3)


def test_half_transparent_pixels_are_mixed_with_the_background():
    assert read_image("image", np.full((2, 2, 4), (200, 100, 0, 128), np.uint8)).getpixel((0, 0)) == (227, 177, 127)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_files_and_images_are_rotated_by_their_exif_orientation(file_format):
    upright = Image.fromarray(GREY[:16])
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    data = saved(upright.rotate(90, expand=True), file_format, exif=exif)
    for source in (data, Image.open(io.BytesIO(data))):
        image = read_image("image", source)
        assert image.size == upright.size
        np.testing.assert_allclose(np.asarray(image, int), np.asarray(upright), atol=6)


def test_a_tiff_of_16_bits_is_rotated_too():
    data = saved(Image.fromarray(RAMP16[:16].T.copy()), "TIFF", tiffinfo={274: 8})  # rotate by 90° counterclockwise
    np.testing.assert_array_equal(np.asarray(read_image("image", data)), GREY[:16, ::-1][:, ::-1])


def test_the_callers_image_is_not_changed():
    image = Image.fromarray(with_alpha(COLOURS, 100))
    read_image("image", image)
    assert image.mode == "RGBA"
    image.getpixel((0, 0))  # it is still open


SQUARE = np.zeros((SIDE, SIDE), bool)
SQUARE[8:16, 8:24] = True


def strokes(colour, opacity=SQUARE):
    levels = np.zeros((SIDE, SIDE, 4), np.uint8)
    levels[..., :3], levels[..., 3] = colour, opacity * np.uint8(255)
    return levels


MASKS = {
    "L": Image.fromarray(SQUARE * np.uint8(255)),
    "1": Image.fromarray(SQUARE),
    "16 bits above 600": saved(Image.fromarray(np.where(SQUARE, 65_535, 600).astype(np.uint16)), "PNG"),
    "RGB": Image.fromarray(np.dstack([SQUARE * np.uint8(255)] * 3)),
    "white strokes": Image.fromarray(strokes(255)),
    "black strokes": saved(Image.fromarray(strokes(0)), "PNG"),
    "blue strokes": strokes((0, 0, 255)),
    "grey strokes": Image.fromarray(strokes(90)).convert("LA"),
    "opaque RGBA": Image.fromarray(with_alpha(np.dstack([SQUARE * np.uint8(255)] * 3), 255)),
    "veil": with_alpha(np.dstack([SQUARE * np.uint8(255)] * 3), 60),
    "palette": saved(Image.fromarray(strokes(0)), "GIF"),
    "truth values": SQUARE,
    "integers 0 and 1": SQUARE.astype(np.int64),
    "bytes 0 and 1": SQUARE.astype(np.uint8),
    "floats": SQUARE.astype(np.float32),
    "tensor": torch.from_numpy(SQUARE)[None],
    "tensor of floats": torch.from_numpy(SQUARE)[None, None].float(),
    "grey edge": np.where(SQUARE, 128, 127).astype(np.uint8),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_any_kind(name):
    mask = read_mask("mask_image", MASKS[name])
    assert mask.mode == "L"
    np.testing.assert_array_equal(np.asarray(mask), SQUARE * np.uint8(255))


def test_a_transparent_mask_keeps_everything():
    assert read_mask("mask_image", strokes(255, np.zeros_like(SQUARE))).getextrema() == (0, 0)


def test_of_an_animation_the_first_frame_is_used(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for file_format in ("GIF", "PNG", "TIFF", "WEBP"):
        path = tmp_path / f"frames.{file_format.lower()}"
        frames[0].save(path, file_format, save_all=True, append_images=frames[1:])
        with pytest.warns(ImageWarning, match=r"^image .*frames\.\w+ has several frames; the first is used$"):
            assert read_image("image", path).getpixel((0, 0))[0] > 200
    opened = Image.open(path)
    opened.seek(1)
    assert read_image("image", opened).getpixel((0, 0))[2] > 200  # the frame that the caller chose


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full((4, 4), 2.0), "image must have floats from 0 to 1, or from -1 to 1; its are from 2 to 2: scale them"),
        (np.full((4, 4), -1.5), "its are from -1.5 to -1.5"),
        (np.full((4, 4), np.nan), "its are from nan to nan"),
        (torch.randn(4, 8, 8) * 3, "image must have floats from 0 to 1"),
        (Image.new("F", (4, 4), 255), "its are from 255 to 255"),
        (Image.new("I", (4, 4), 70_000), "of 8 or 16 bits; its integers of 32 bits are from 70000 to 70000: convert"),
        (Image.new("I", (4, 4), 200), "its integers of 32 bits are from 200 to 200"),
        (np.zeros((4, 4), np.int32), "image must have levels of type uint8, uint16 or float; got int32"),
        (np.zeros((2, 4, 4, 3)), r"array \(H, W\) or .* with 1 to 4 channels; got the shape \(2, 4, 4, 3\)"),
        (np.zeros((0, 4)), r"got the shape \(0, 4\)"),
        (np.zeros((5, 6, 7)), r"got the shape \(5, 6, 7\)"),
        ([1, 2], "image must be an image or the file of one; got list"),
        (b"", "image must be an image or the file of one; it is empty"),
        (b"text", "image must be an image or the file of one; it is not an image"),
        (saved(Image.fromarray(COLOURS), "PNG")[:-900], "image cannot be read: .*truncated"),
        (saved(Image.fromarray(COLOURS), "JPEG")[:-300], "image cannot be read: .*truncated"),
    ],
)
def test_what_cannot_be_read_is_one_line(source, message):
    with pytest.raises(InputError, match=message) as error:
        read_image("image", source)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    huge = bytearray(saved(Image.new("1", (8, 8)), "PNG"))
    huge[16:24] = struct.pack(">II", 100_000, 100_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(huge[12:29]))
    (tmp_path / "huge.png").write_bytes(huge)
    for path, message in (
        (tmp_path, r"image \S+ cannot be read: Is a directory"),
        (tmp_path / "missing.png", r"image \S+missing\.png cannot be read: No such file or directory"),
        (tmp_path / "empty.png", r"image must be an image or the file of one; \S+empty\.png is empty"),
        (tmp_path / "huge.png", r"image \S+huge\.png cannot be read: Image size \(10000000000 pixels\) exceeds limit"),
    ):
        for source in (path, str(path)):
            with pytest.raises(InputError, match=f"^{message}"):
                read_image("image", source)
