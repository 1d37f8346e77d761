"""What a reader of the files must find, written beside them as expected.json."""

import hashlib
import json
import os
import random


class Expected:
    """Collects one entry for each file."""

    def __init__(self, folder):
        self.folder = folder
        self.files = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def add(self, file, format, tensors, scattered=(), external=(), risk=None):
        entry = {"file": file, "format": format, "tensors": tensors, "scattered": list(scattered)}
        self.files.append({**entry, "external": list(external), "risk": risk})

    def write(self, name):
        with open(self.path(name), "w") as out:
            json.dump(self.files, out)


def tensor(name, dtype, shape, data):
    """`data` is the tensor's bytes in row-major order."""
    return {"name": name, "dtype": dtype, "shape": list(shape), "sha256": hashlib.sha256(data).hexdigest()}


def same_bytes(name, length):
    """The same bytes in every program and every version."""
    return random.Random(name).randbytes(length)


# Tensors that are written in every format, to see that they are stored once.
EQUAL = {
    "model.embed": (2048, 512),
    "model.layer.0": (1024, 600),
    "model.layer.1": (600, 1024),
    "model.bias": (1024,),
}
