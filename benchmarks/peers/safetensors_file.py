"""Reads and writes safetensors files of fp32 tensors: an 8-byte length, a JSON header, raw little-endian values."""
import json
import struct

import numpy as np


def write(path, tensors):
    """tensors: name -> fp32 numpy array."""
    header, offset = {}, 0
    for name, values in tensors.items():
        assert values.dtype == np.float32, name
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values).tobytes())


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        payload = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{path}: {name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(payload[begin:end], np.float32).reshape(entry["shape"])
    return tensors
