"""fovea.Detector: what it takes, and what it gives."""

import base64
import copy
import gc
import io
import pickle
import re
import signal
import struct
import threading

import numpy
import pytest

import fovea
from conftest import rows


def test_a_path_bytes_and_the_program_find_the_same(model, photo):
    found = model(photo)
    assert len(found) > 0
    assert rows(model(str(photo))) == rows(found)
    assert rows(model(photo.read_bytes())) == rows(found)
    assert rows(model(bytearray(photo.read_bytes()))) == rows(found)
    assert (found.width, found.height) == (640, 480)


def test_a_detection_is_what_the_columns_say(model, photo):
    found = model(photo)
    assert found.xyxy.shape == (len(found), 4) and found.xyxy.dtype == numpy.float32
    assert found.scores.dtype == numpy.float32 and found.labels.dtype == numpy.int32
    assert (numpy.diff(found.scores) <= 0).all()
    for i, d in enumerate(found):
        assert d.xyxy == tuple(found.xyxy[i].tolist())
        assert (d.score, d.label) == (found.scores[i], found.labels[i])
        assert (d.name, d.class_id) == (found.names[i], found.class_ids[i])
        assert d.name == model.names[d.label] and d.class_id == model.class_ids[d.label]
        x1, y1, x2, y2 = d.xyxy
        assert d.xywh == (x1, y1, x2 - x1, y2 - y1)
    assert found[-1] == found[len(found) - 1] and found[:2] == [found[0], found[1]]
    with pytest.raises(IndexError):
        found[len(found)]


def test_columns_outlive_the_model_and_the_result(run, photo):
    model = fovea.Detector(run.last, device="cpu", score_threshold=0.001)
    found = model(photo)
    boxes, copy = found.xyxy, found.xyxy.copy()
    with pytest.raises(ValueError):
        boxes[0, 0] = 1
    del model, found
    gc.collect()
    assert (boxes == copy).all()


def forms(pixels):
    """The same image in all forms, as (name, form, bgr)."""
    wide = numpy.zeros((200, 300, 3), numpy.uint8)
    wide[10:130, 20:180] = pixels
    read_only = pixels.copy()
    read_only.flags.writeable = False
    yield "contiguous", pixels, False
    yield "a part of a larger one", wide[10:130, 20:180], False
    yield "read only", read_only, False
    yield "BGR", numpy.ascontiguousarray(pixels[..., ::-1]), True
    yield "reversed channels", numpy.ascontiguousarray(pixels[..., ::-1])[..., ::-1], False
    yield "reversed channels, BGR", pixels[..., ::-1], True
    yield "planes", numpy.ascontiguousarray(pixels.transpose(2, 0, 1)), False
    yield "columns first", numpy.asfortranarray(pixels), False
    yield "mirrored twice", numpy.ascontiguousarray(pixels[::-1, ::-1])[::-1, ::-1], False
    yield "with alpha", numpy.dstack([pixels, numpy.full(pixels.shape[:2], 9, numpy.uint8)]), False
    yield "every second of each", numpy.repeat(numpy.repeat(pixels, 2, 0), 2, 1)[::2, ::2], False


def test_pixels_in_every_form_are_the_same_image(model, pixels):
    expected = rows(model(pixels))
    assert expected
    for name, form, bgr in forms(pixels):
        assert rows(model(form, bgr=bgr)) == expected, name
    assert rows(model(pixels[..., ::-1].copy())) != expected


def test_gray(model, pixels):
    gray = pixels[..., 0].copy()
    expected = rows(model(numpy.dstack([gray] * 3)))
    assert rows(model(gray)) == rows(model(gray[..., None])) == rows(model(gray[None])) == expected


def test_batches(model, photo, pixels):
    singly = [rows(model(photo)), rows(model(pixels)), rows(model(pixels[:50]))]
    found = model([photo, pixels, pixels[:50]])
    assert [rows(one) for one in found] == singly
    assert [rows(one) for one in model((photo.read_bytes(), photo, pixels))] == [singly[0], singly[0], singly[1]]
    assert [rows(one) for one in model(numpy.stack([pixels, pixels]))] == [singly[1]] * 2
    assert [rows(one) for one in model(image for image in [pixels])] == [singly[1]]
    assert model([]) == []


def test_thresholds(model, photo):
    everything = model(photo)
    threshold = float(everything.scores[len(everything) // 2])
    assert rows(model(photo, score_threshold=threshold)) == [r for r in rows(everything) if r[1] >= numpy.float32(threshold)]
    assert rows(model(photo, max_detections=3)) == rows(everything)[:3]
    name = everything[0].name
    only = model(photo, score_threshold={n: 0 if n == name else 1.0 for n in model.names})
    assert rows(only) == [rows(everything)[i] for i, d in enumerate(everything) if d.name == name]
    with pytest.raises(fovea.ConfigError, match="no class 'dragon'"):
        model(photo, score_threshold={"dragon": 0.5})
    assert rows(model(photo, score_threshold=model.info["score_threshold"])) == rows(everything)
    with pytest.raises(fovea.ConfigError, match="score_threshold is 0.0005, but .* from 0.001 on: load it with"):
        model(photo, score_threshold=0.0005)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (numpy.zeros((4, 4, 3)), r"images\[0\] has values of type float64: expected uint8, 0 to 255; multiply"),
        (numpy.zeros((5, 4, 5), numpy.uint8), r"images\[0\] has the shape \(5, 4, 5\)"),
        (numpy.zeros((0, 4, 3), numpy.uint8), "it has no pixels"),
        (numpy.zeros(4, numpy.uint8), r"images\[0\] has the shape \(4,\)"),
        (7, "images is a int"),
        ([7], r"images\[0\] is a int"),
        ("a\0b", "zero byte"),
        (io.BytesIO(b"x"), "images is an open file: give its name, or its bytes"),
        ({"a.jpg": 1}, "images is a dict: expected a path"),
    ],
)
def test_what_is_no_image_is_said(model, image, message):
    with pytest.raises(fovea.ConfigError, match=message):
        model(image)


def test_an_image_s_number_is_that_among_all(model, photo, pixels):
    with pytest.raises(fovea.DataError, match=r"^images\[2\]: "):
        model([pixels, photo, b"junk"])
    errors = [str(found.error or "") for found in model([pixels, b"junk", photo, b"no"], skip_bad_images=True)]
    assert [error[:9] for error in errors] == ["", "images[1]", "", "images[3]"]


def test_files_that_cannot_be_used(model, photo, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    for image in (bad, b"no image", tmp_path / "none.jpg"):
        with pytest.raises(fovea.DataError):
            model([photo, image])
        good, skipped = model([photo, image], skip_bad_images=True)
        assert len(good) > 0 and good.error is None
        assert len(skipped) == 0 and isinstance(skipped.error, fovea.DataError)
    with pytest.raises(fovea.DataError, match="none.safetensors"):
        fovea.Detector(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"device": "cuda:x"}, "device is 'cuda:x'"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"threads": -1}, "threads is -1"),
        ({"threads": 2**40}, "threads is 1099511627776"),
        ({"threads": "2"}, "threads is '2': expected a whole number"),
        ({"batch": 1.5}, "batch is 1.5: expected a whole number"),
        ({"max_detections": [3]}, "max_detections is .*: expected a whole number"),
        ({"nms_threshold": "0.5"}, "nms_threshold is '0.5': expected a number"),
        ({"state_dict": 3}, "state_dict is 3: expected a str"),
        ({"device": ["cpu"]}, "device is "),
        ({"precision": []}, "precision is "),
        ({"device": "cuda:99999999999"}, "device is 'cuda:99999999999'"),
        ({"settings": 5}, "settings is 5"),
        ({"settings": ["seed=1\0"]}, r"settings\[0\] has a zero byte"),
        ({"state_dict": "\ud800"}, "state_dict is .*UTF-8"),
        ({"score_threshold": 2.0}, "score_threshold is 2"),
        ({"settings": {"input.shrot_side": [64]}}, "short_side"),
    ],
)
def test_options_that_make_no_sense(run, options, message):
    with pytest.raises(fovea.ConfigError, match=message) as error:
        fovea.Detector(run.last, **options)
    assert isinstance(error.value, ValueError) and error.value.status == 2


def test_numbers_of_numpy_are_numbers(run, photo):
    settings = {"input.short_side": numpy.array([64]), "input.long_side": numpy.int64(100)}
    small = fovea.Detector(run.last, device="cpu", threads=numpy.int32(1), max_detections=numpy.int64(3), settings=settings)
    assert (small.info["short_side"], small.info["long_side"], small.info["threads"]) == (64, 100, 1)
    assert len(small(photo, max_detections=numpy.uint8(2), score_threshold=numpy.float32(0.05))) <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_detections": "3"}, "max_detections is '3'"),
        ({"score_threshold": "0.5"}, "score_threshold is '0.5'"),
        ({"score_threshold": {"RBC": "high"}}, r"score_threshold\['RBC'\] is 'high'"),
    ],
)
def test_options_of_a_call_that_make_no_sense(model, photo, options, message):
    with pytest.raises(fovea.ConfigError, match=message):
        model(photo, **options)


def test_settings(run, photo):
    small = fovea.Detector(run.last, device="cpu", settings={"input.short_side": [64], "input.long_side": 100})
    assert small.info["short_side"] == 64 and small.info["long_side"] == 100
    assert fovea.Detector(run.last, device="cpu", settings=["input.short_side=[64]"]).info["short_side"] == 64


def test_it_can_be_pickled(model, photo):
    assert rows(pickle.loads(pickle.dumps(model))(photo)) == rows(model(photo))


def test_what_was_found_can_be_pickled_and_copied(model, photo, pixels, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8")
    for found in model([photo, pixels, broken], skip_bad_images=True):
        assert copy.copy(found) is found and copy.deepcopy([found])[0] is found
        sent = pickle.loads(pickle.dumps(found))
        assert rows(sent) == rows(found) and repr(sent) == repr(found)
        assert (sent.names, sent.width, sent.height, str(sent.error)) == (
            found.names, found.width, found.height, str(found.error))
        assert sent.xyxy.dtype == numpy.float32 and not sent.xyxy.flags.writeable
        assert rows(pickle.loads(pickle.dumps(sent))) == rows(found)
    assert pickle.loads(pickle.dumps(model(photo)))._repr_html_() == model(photo)._repr_html_()
    assert "<svg" in pickle.loads(pickle.dumps(model(pixels)))._repr_html_()


def test_signals_are_heard_in_a_long_call(model, photo):
    """Each of a call's images lasts milliseconds: handlers run between them, and what one raises ends the call."""
    heard = 0

    def hear(number, frame):
        nonlocal heard
        heard += 1
        if heard == 20:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyError("mine")

    before = signal.signal(signal.SIGALRM, hear)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        with pytest.raises(KeyError, match="mine"):
            model([photo] * 300)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard in (20, 21)  # one more may have been on its way


def test_threads_share_a_model(model, photo, pixels):
    expected = [rows(model(photo)), rows(model(pixels))]
    faults = []

    def work(image, wanted):
        try:
            for _ in range(5):
                assert rows(model(image)) == wanted
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(image, wanted)) for image, wanted in zip([photo, pixels] * 4, expected * 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_what_a_notebook_shows(model, photo, pixels):
    for image in (photo, photo.read_bytes(), pixels):
        found = model(image)
        page = found._repr_html_()
        assert "data:image/" in page and page.count("<rect") == min(len(found), 300)
        assert found[0].name in page
    assert "Detections" in repr(model(photo)) and str(photo) not in repr(model)


def test_a_png_of_a_notebook_has_the_pixels(model, pixels):
    from fovea._notebook import png

    assert rows(model(png(pixels))) == rows(model(pixels))


@pytest.mark.parametrize("size", [(48, 64), (120, 160), (480, 640), (2000, 1500)])
def test_labels_in_a_notebook_can_be_read(model, size):
    found = model(numpy.random.default_rng(3).integers(0, 256, (*size, 3), dtype=numpy.uint8))
    page = found._repr_html_()
    width = int(re.search(r"max-width:(\d+)px", page)[1])
    assert 480 <= max(width, width * size[0] / size[1]) <= 901
    assert float(re.search(r'font-size="([\d.]+)"', page)[1]) * width / size[1] == pytest.approx(12, rel=0.01)
    assert page.rindex("<rect") < page.index("<text")  # no box over a label
    for x, label in re.findall(r'<text x="([-\d.]+)"[^>]*>([^<]*)<', page):
        assert float(x) * width / size[1] + 0.55 * 12 * len(label) <= width


def test_an_array_in_a_notebook_is_no_larger_than_is_shown(model, pixels):
    from fovea._notebook import _reduced

    large = numpy.repeat(numpy.repeat(pixels, 16, axis=0), 16, axis=1)  # 2560 wide
    page = model(large)._repr_html_()
    content = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", page)[1])
    assert struct.unpack(">II", content[16:24]) == (1280, 960)
    assert (_reduced(large)[::8, ::8] == pixels).all() and _reduced(pixels) is pixels
    odd = numpy.full((3, 1801, 3), 7, numpy.uint8)
    assert _reduced(odd).shape == (1, 900, 3) and (_reduced(odd) == 7).all()


def test_coco_entries(model, photo):
    found = model(photo)
    entries = found.to_coco(7)
    assert [entry["category_id"] for entry in entries] == found.class_ids
    assert entries[0]["image_id"] == 7 and entries[0]["bbox"] == list(found[0].xywh)


def test_pil_images(model, pixels):
    image = pytest.importorskip("PIL.Image")
    expected = rows(model(pixels))
    assert rows(model(image.fromarray(pixels))) == expected
    assert rows(model([image.fromarray(pixels).convert("RGBA")])[0]) == expected
    palette = image.fromarray(pixels).quantize(16)
    assert rows(model(palette)) == rows(model(numpy.asarray(palette.convert("RGB"))))
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "PNG")
    assert rows(model(file.getvalue())) == expected
    with pytest.raises(fovea.ConfigError, match="it has no pixels"):
        model(image.new("RGB", (0, 5)))
    for mode in ("I", "F", "I;16"):
        with pytest.raises(fovea.ConfigError, match=f"images.0. is a PIL image of mode {mode}: expected 8 bits"):
            model(image.new(mode, (8, 8)))


def test_torch_tensors(model, pixels):
    torch = pytest.importorskip("torch")
    expected = rows(model(pixels))
    tensor = torch.from_numpy(pixels)
    assert rows(model(tensor)) == expected
    planes = tensor.permute(2, 0, 1)
    assert rows(model(planes)) == rows(model(planes.contiguous())) == expected
    assert [rows(one) for one in model(torch.stack([planes, planes]))] == [expected] * 2
    with pytest.raises(fovea.ConfigError, match="float32"):
        model(tensor.float() / 255)


def test_supervision(model, photo):
    pytest.importorskip("supervision")
    found = model(photo)
    converted = found.to_supervision()
    assert (converted.xyxy == found.xyxy).all() and list(converted.data["class_name"]) == found.names
