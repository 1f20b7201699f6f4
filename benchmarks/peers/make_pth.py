#!/usr/bin/env python3
"""Makes the small files of PyTorch in tests/data/pth and what is in them (made.json): the forms in which torch.save()
writes weights, and what stands beside them in the checkpoints of trainings. Random numbers of a fixed seed.

    python3 benchmarks/peers/make_pth.py tests/data/pth          (needs torch and numpy)
"""
import argparse
import collections
import datetime
import enum
import hashlib
import json
import pathlib
import pickle
import struct
import sys
import zipfile

import numpy
import torch
from torch import nn


class Colour(enum.Enum):
    RED = 1


class AttributeDict(dict):  # as Lightning keeps its hyper-parameters
    def __getattr__(self, key):
        return self[key]


class Callback:
    def __init__(self):
        self.best = torch.tensor(0.5)
        self.monitor = "val_loss"


class OsSystem:
    def __reduce__(self):
        import os
        return os.system, ("touch /tmp/fovea_was_executed",)


class Partial:
    def __reduce__(self):
        return print, ("called",)


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def plain():
    g = seeded()
    return collections.OrderedDict([
        ("conv.weight", torch.randn(4, 3, 3, 3, generator=g)),
        ("conv.bias", torch.randn(4, generator=g)),
        ("bn.num_batches_tracked", torch.tensor(17)),
    ])


def dtypes(new=True):
    g = seeded(4)
    state = collections.OrderedDict()
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        state[str(dtype)] = (torch.randn(2, 3, generator=g) * 100).to(dtype)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        state[str(dtype)] = torch.randint(0, 120, (5,), generator=g).to(dtype)
    state["negative"] = torch.tensor([-1, -128, 127], dtype=torch.int8)
    state["torch.bool"] = torch.tensor([True, False, True])
    state["half extremes"] = torch.tensor([6e-8, 6.1e-5, 65504.0, -0.0, 1 / 3], dtype=torch.float16)
    if new:
        state["torch.uint16"] = torch.tensor([1, 65535, 300], dtype=torch.uint16)
        state["torch.uint32"] = torch.tensor([1, 4294967295], dtype=torch.uint32)
    return state


def views():
    base = torch.arange(120, dtype=torch.float32).reshape(2, 3, 4, 5)
    line = torch.arange(40, dtype=torch.float16)
    return {
        "whole": base,
        "permuted": base.permute(3, 1, 0, 2),
        "every other": base[:, ::2, 1::2, ::3],
        "row": base[1, 2, 3],
        "element": base[1, 2, 3, 4],
        "one wide": base[:, 1:2, :, 3:4],
        "expanded": line[:4].expand(3, 2, 4),
        "expanded scalar": torch.tensor(2.5).expand(2, 2),
        "step": line[3::7],
        "overlapping": line.as_strided((5, 4), (3, 2), 1),
        "channels last": torch.arange(48, dtype=torch.float64).reshape(2, 3, 2, 4).contiguous(memory_format=torch.channels_last),
        "transposed": base[0, 0].t(),
        "empty": torch.zeros(0, 3),
        "empty view": base[:, 3:],
        "scalar": torch.tensor(7.0),
    }


def odd_names():
    return {"": torch.tensor([1.0]), "größe.重量": torch.tensor([2.0]), "a b\n\x1b[31m": torch.tensor([3.0]),
            "x" * 300: torch.tensor([4.0]), "dots..end.": torch.tensor([5.0])}


def beside():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    for p in model.parameters():
        p.data.copy_(torch.randn(p.shape, generator=seeded(6)))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(1, 1, 5, 5, generator=seeded())).sum().backward()
    optimizer.step()
    state = {"model." + k: v for k, v in model.state_dict().items()}
    state["criterion.weight"] = torch.ones(2)
    return {
        "epoch": 3, "global_step": 12 ** 30, "pytorch-lightning_version": "2.1.0", "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.25), "dirpath": pathlib.PurePosixPath("/runs")}},
        "callback": Callback(), "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"base_lrs": [0.1], "_last_lr": [numpy.float64(0.1)]}],
        "hparams_name": "kwargs", "hyper_parameters": AttributeDict(lr=0.1, betas=(0.9, 0.99)),
        "args": argparse.Namespace(data="/data", size=(800, 1333)), "date": datetime.datetime(2024, 5, 6, 7, 8),
        "colour": Colour.RED, "numpy": numpy.arange(5.0), "numpy scalar": numpy.float32(1.5), "set": {1, 2}, "frozen": frozenset({3}),
        "complex": 1 + 2j, "bytes": b"abc", "bytearray": bytearray(b"xyz"), "none": None, "default": collections.defaultdict(list, a=[1]),
        "counter": collections.Counter("aab"), "size": torch.Size([1, 2]), "dtype": torch.float16, "device": torch.device("cpu"),
        "deque": collections.deque([1, 2]), "slice": slice(1, 2), "type": nn.Conv2d, "function": torch.relu, "call": Partial(),
        "rng": torch.get_rng_state()[:8].clone(), "big": 10 ** 400, "negative": -5, "float": 0.1, "inf": float("inf"),
    }


def parameters():
    module = nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0).reshape(2, 3))
        module.bias.copy_(torch.tensor([0.5, -0.5]))
    tagged = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    tagged.note = "an attribute"
    subclass = torch.nn.Buffer(torch.tensor([3.0])) if hasattr(nn, "Buffer") else torch.tensor([3.0])
    return {"weight": module.weight, "bias": module.bias, "tagged": tagged, "buffer": subclass}


def unreadable():
    return {
        "w": torch.tensor([1.0, 2.0]),
        "sparse": torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,)),
        "csr": torch.eye(2).to_sparse_csr(),
        "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "meta": torch.empty(3, device="meta"),
        "complex": torch.tensor([1 + 2j]),
        "complex double": torch.tensor([1 + 2j], dtype=torch.complex128),
        "float8": torch.tensor([1.0]).to(torch.float8_e4m3fn),
        "float8 of another kind": torch.tensor([1.0]).to(torch.float8_e5m2fnuz),
        "_extra_state": {"a": 1}, "count": 3,
    }


def expected_of(tensors):
    out = {}
    for name, t in tensors.items():
        t = t.detach()
        out[name] = {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch."),
                     "sha256_of_float32": hashlib.sha256(t.contiguous().to(torch.float32).numpy().astype("<f4").tobytes()).hexdigest()}
    return out


def repacked(path, change=lambda name, data: data, method=zipfile.ZIP_STORED, drop=()):
    """The archive again, by another program."""
    source = zipfile.ZipFile(path)
    entries = [(i.filename, change(i.filename, source.read(i))) for i in source.infolist() if not any(d in i.filename for d in drop)]
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in entries:
            out.writestr(zipfile.ZipInfo(name), data, compress_type=method)


def zip64(path, twins=1):
    """The archive with all numbers in ZIP64's fields, as files above 4 GiB have them. `twins`: how many names each entry has."""
    source = zipfile.ZipFile(path)
    body, directory, count = b"", b"", 0
    for info in source.infolist():
        data, name, offset = source.read(info), info.filename.encode(), len(body)
        extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
        body += struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra))
        body += name + extra + data
        extra = struct.pack("<HHI", 0x5A5A, 4, 7) + struct.pack("<HHQQQ", 1, 24, len(data), len(data), offset)
        for twin in range(twins):
            called = name + str(twin).encode() * (twin > 0)
            directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF,
                                     len(called), len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + called + extra
            count += 1
    end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), len(body))
    end += struct.pack("<IIQI", 0x07064B50, 0, len(body) + len(directory), 1)
    end += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(body + directory + end)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    files = {}

    def save(name, value, tensors=None, note="", refused=None, **how):
        torch.save(value, folder / name, **how)
        files[name] = {"note": note} | ({"refused": refused} if refused else {"tensors": expected_of(tensors)})
        return folder / name

    old = {"_use_new_zipfile_serialization": False}
    for protocol in (2, 3, 4, 5):
        save(f"protocol_{protocol}.pth", plain(), plain(), "a protocol of pickle", pickle_protocol=protocol)
        save(f"protocol_{protocol}_legacy.pth", plain(), plain(), "in the form before 1.6", pickle_protocol=protocol, **old)
    save("dtypes.pth", dtypes(), dtypes(), "every dtype that is read")
    save("dtypes_legacy.pth", dtypes(False), dtypes(False), "in the form before 1.6", **old)
    save("many_views.pth", views(), views(), "views of storages")
    save("many_views_legacy.pth", views(), views(), "in the form before 1.6", **old)
    save("odd_names.pth", odd_names(), odd_names(), "names that are no identifiers")
    save("parameters.pth", parameters(), parameters(), "nn.Parameter, one with an attribute")
    save("unreadable_beside.pth", unreadable(), {"w": unreadable()["w"]}, "tensors that are not read, beside one that is")
    files["unreadable_beside.pth"]["unreadable"] = [k for k, v in unreadable().items() if isinstance(v, torch.Tensor) and k != "w"]
    value = beside()
    weights = {k.removeprefix("model."): v for k, v in value["state_dict"].items()}
    save("lightning.pth", value, weights, "as Lightning writes it, with all kinds of values beside the weights")
    path = save("lightning_legacy.pth", value, weights, "in the form before 1.6", **old)
    here = sys.prefix.encode()  # PyTorch writes where its sources are
    path.write_bytes(path.read_bytes().replace(here, b"/".ljust(len(here), b"x")))
    averaged = {"n_averaged": torch.tensor(5), **{"module." + k: v + 1 for k, v in plain().items()}}
    save("ema.pth", {"ema": averaged, "model": plain(), "best": torch.tensor(0.5)}, plain(), "the weights, and their average")
    files["ema.pth"]["under"] = {"ema": expected_of({"n_averaged": averaged["n_averaged"],
                                                    **{k.removeprefix("module."): v for k, v in averaged.items() if k != "n_averaged"}})}
    compiled = {f"module._orig_mod.conv._orig_mod.{k.removeprefix('conv.')}" if k.startswith("conv") else "module._orig_mod." + k: v
                for k, v in plain().items()}
    save("compiled.pth", {"network": compiled}, plain(), "torch.compile within DataParallel")
    save("nested.pth", {"model": {"state_dict": plain()}, "x": [1]}, plain(), "a key within a key")
    save("other_key.pth", {"detector": plain(), "epoch": 1}, plain(), "the only dictionary of tensors, under another key")
    save("two_keys.pth", {"generator": plain(), "discriminator": plain()}, note="two dictionaries of tensors", refused="'generator', 'discriminator'")
    zip64(save("zip64.pth", plain(), plain(), "sizes and offsets in ZIP64's fields"))
    path = save("overlapping.pth", {"w": torch.ones(500)}, note="entries of one content under many names", refused="its entries overlap")
    zip64(path, twins=8)
    with zipfile.ZipFile(save("twins.pth", plain(), note="two entries of one name", refused="it has two entries"), "a") as out:
        out.writestr("twins/data/0", b"")
    repacked(save("repacked.pth", plain(), plain(), "packed again without compression"))
    repacked(save("as_1_6.pth", plain(), plain(), "as PyTorch 1.6 to 2.0 wrote it"), drop=("byteorder", ".data/", ".format_version", ".storage_alignment"))
    save("one_tensor.pth", torch.ones(3), note="a tensor without a name", refused="one tensor without a name")
    save("list.pth", [1, 2, 3], note="a list", refused="no dictionary of tensors")
    save("empty.pth", {}, note="an empty dictionary", refused="holds no tensors")
    save("namespace.pth", argparse.Namespace(a=1), note="an object", refused="argparse.Namespace")
    save("os_system.pth", {"w": torch.ones(1), "x": OsSystem()}, note="would run a program", refused="system")
    save("os_system_legacy.pth", OsSystem(), note="would run a program", refused="system", **old)
    save("module_beside.pth", {"model": nn.Linear(1, 1), "epoch": 1}, note="a whole module under a key", refused="torch.nn.modules.linear.Linear")
    repacked(save("big_endian.pth", plain(), note="of a big-endian machine", refused="big-endian"),
             lambda name, data: b"big" if name.endswith("byteorder") else data)
    path = save("big_endian_legacy.pth", plain(), note="of a big-endian machine", refused="big-endian", **old)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"))
    repacked(save("pickle_changed.pth", plain(), note="one byte of the pickle changed, but not its checksum", refused="data.pkl' is damaged"))
    path = folder / "pickle_changed.pth"
    path.write_bytes(path.read_bytes().replace(b"conv.bias", b"conv.bIas", 1))
    repacked(save("no_storage.pth", plain(), note="without a storage", refused="data/1' is missing"), drop=("data/1",))
    repacked(save("short_storage.pth", plain(), note="a storage that is too short", refused="outside its storage"),
             lambda name, data: data[:-4] if name.endswith("data/0") else data)
    repacked(save("compressed.pth", plain(), note="compressed", refused="is compressed"), method=zipfile.ZIP_DEFLATED)
    path = save("cut_legacy.pth", plain(), note="cut off", refused="cut off", **old)
    path.write_bytes(path.read_bytes()[:-9])
    with open(folder / "plain_pickle.pth", "wb") as out:
        pickle.dump({"w": [1.0, 2.0]}, out)
    files["plain_pickle.pth"] = {"note": "not of torch.save()", "refused": "torch.save() did not write"}
    numpy.savez(folder / "arrays.npz", w=numpy.ones(2))
    (folder / "arrays.npz").rename(folder / "arrays.pth")
    files["arrays.pth"] = {"note": "NumPy's archive", "refused": "NumPy"}
    (folder / "made.json").write_text(json.dumps({"source": f"torch {torch.__version__.split('+')[0]}", "files": files}, indent=1) + "\n")


main()
