"""Makes the images of this folder, and prints for each its size and the FNV-1a hash of its pixels as Pillow reads them: upright RGB,
alpha over white. Run with Pillow and NumPy; the photograph is ../hard_cases/baseline_rgb.jpg.
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
photo = Image.open(os.path.join(HERE, "../hard_cases/baseline_rgb.jpg")).resize((47, 63))  # odd sides: rows that need padding
ramp = Image.fromarray(np.linspace(0, 255, 63, dtype=np.uint8)[:, None].repeat(47, 1))
translucent = photo.copy()
translucent.putalpha(ramp)
deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
turned = Image.Exif()
turned[0x0112] = 6


def save(name, image, **options):
    image.save(os.path.join(HERE, name), **options)


save("lossy.webp", photo, quality=80)
save("lossless.webp", photo, lossless=True)
save("alpha.webp", translucent, quality=80)
save("alpha_lossless.webp", translucent, lossless=True, exact=True)
save("exif_orientation6.webp", photo, quality=80, exif=turned)
save("animated.webp", photo, save_all=True, append_images=[photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
save("rgb.bmp", photo)
save("grey.bmp", photo.convert("L"))
save("palette.bmp", photo.quantize(40))
save("bilevel.bmp", photo.convert("1"))
save("alpha.bmp", translucent)
save("rgb_lzw.tiff", photo, compression="tiff_lzw")
save("rgb_deflate.tiff", photo, compression="tiff_adobe_deflate")
save("rgb_raw.tiff", photo)
save("jpeg.tiff", photo, compression="jpeg", quality=90)
save("grey.tiff", photo.convert("L"))
save("grey_16bit.tiff", deep)
save("bilevel_group4.tiff", photo.convert("1"), compression="group4")
save("palette.tiff", photo.quantize(40), compression="tiff_lzw")
save("cmyk.tiff", photo.convert("CMYK"), compression="tiff_lzw")
save("alpha.tiff", translucent, compression="tiff_lzw")
save("exif_orientation6.tiff", photo, compression="tiff_lzw", tiffinfo={274: 6})
save("two_pages.tiff", photo, save_all=True, append_images=[photo.convert("L")], compression="tiff_lzw")


def write_png(name, array, color_type, *chunks):
    """The forms that Pillow does not write. array: [height, width, channels], 8 or 16 bits."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(array.dtype.newbyteorder(">")).tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 8 * array.dtype.itemsize, color_type, 0, 0, 0)
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks) +
                   chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def write_tiff_of_strips(name, rgb, rows):
    """Pixels in strips of so many rows, behind the directory: a cut file still has its first strips."""
    height, width, _ = rgb.shape
    strips = [rgb[y:y + rows].tobytes() for y in range(0, height, rows)]
    count, directory = len(strips), 8 + 2 + 9 * 12 + 4
    bits, offsets, sizes = directory, directory + 6, directory + 6 + 4 * count
    first = sizes + 4 * count
    entries = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2),
               (273, 4, count, offsets), (277, 3, 1, 3), (278, 4, 1, rows), (279, 4, count, sizes))
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(struct.pack("<2sHIH", b"II", 42, 8, len(entries)))
        file.write(b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4))
        file.write(struct.pack("<3H", 8, 8, 8))
        file.write(struct.pack(f"<{count}I", *(first + sum(map(len, strips[:i])) for i in range(count))))
        file.write(struct.pack(f"<{count}I", *map(len, strips)) + b"".join(strips))


write_tiff_of_strips("strips.tiff", np.asarray(photo), 8)
rgba = np.asarray(translucent)
GAMMA = (b"gAMA", struct.pack(">I", 100000))
made = {  # name: what it must be read as, RGBA
    "alpha_16bit.png": rgba, "alpha_gamma.png": rgba, "grey_alpha.png": np.asarray(translucent.convert("LA").convert("RGBA"))}
write_png("alpha_16bit.png", rgba.astype(np.uint16) * 257, 6)
write_png("alpha_gamma.png", rgba, 6, GAMMA)
write_png("grey_alpha.png", np.asarray(translucent.convert("LA")), 4)
see_through = photo.quantize(40)
save("palette_see_through.png", see_through, transparency=7)


def pixels(name):
    image = ImageOps.exif_transpose(Image.open(os.path.join(HERE, name)))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "I;16":
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, 2)
    if name not in made and image.mode != "RGBA":
        return np.asarray(image.convert("RGB"))
    rgba = (made[name] if name in made else np.asarray(image)).astype(int)
    alpha = rgba[..., 3:]
    if "16bit" in name:  # blended in 16 bits, of which the high byte is kept
        return ((rgba[..., :3] * 257 * alpha + 65535 * (255 - alpha) + 127) // 255 >> 8).astype(np.uint8)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


for name in sorted(os.listdir(HERE)):
    if name.endswith((".webp", ".bmp", ".tiff", ".png")):
        rgb = pixels(name)
        value = 0xCBF29CE484222325
        for byte in rgb.tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
        print(f'{{"{name}", {rgb.shape[1]}, {rgb.shape[0]}, {value:#x}}},')
