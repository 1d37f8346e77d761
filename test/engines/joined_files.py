"""Models that smc joins, and a look at what came of it. Usage: joined_files.py write|check FOLDER"""

import os
import sys

import gguf
import h5py
import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

SIDES = {"base": 1, "ours": 2, "theirs": 3}
METADATA = {"format": "np", "note": "made by the reference writer"}


def arrays(side):
    # Numbers of one binary exponent: their mean is exact in every type but the last bit.
    random = np.random.default_rng(SIDES[side])
    values = {name: random.uniform(0.5, 1, (40, 64)) for name in ("f8", "f4", "f2", "bf", "same")}
    same = np.random.default_rng(0).uniform(0.5, 1, (100, 100))
    return {
        "w.f64": values["f8"],
        "w.f32": values["f4"].astype("f4"),
        "w.f16": values["f2"].astype("f2"),
        "w.bf16": values["bf"].astype(ml_dtypes.bfloat16),
        "head.same": same.astype("f4"),
        "ids": np.arange(7, dtype="i8"),
    }


def mean():
    ours, theirs = arrays("ours"), arrays("theirs")
    mixed = {}
    for name, value in ours.items():
        middle = (value.astype("f8") + theirs[name].astype("f8")) / 2
        mixed[name] = value if name == "ids" else middle.astype(value.dtype)
    return mixed


def plain(values):
    return {name: value for name, value in values.items() if name != "w.bf16"}


def write(folder):
    for side in SIDES:
        path = lambda name: os.path.join(folder, side, name)
        os.makedirs(os.path.join(folder, side))
        values = arrays(side)
        save_file(values, path("m.safetensors"), METADATA)
        np.savez(path("m.npz"), **plain(values))
        with h5py.File(path("m.h5"), "w") as out:
            for name, value in plain(values).items():
                out.create_dataset(name, data=value)
        tensors = [numpy_helper.from_array(value, name) for name, value in plain(values).items()]
        output = helper.make_tensor_value_info("ids", TensorProto.INT64, [7])
        onnx.save(helper.make_model(helper.make_graph([], "g", [], [output], tensors)), path("m.onnx"))
        writer = gguf.GGUFWriter(path("m.gguf"), "test")
        for name, value in plain(values).items():
            writer.add_tensor(name, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def same(found, expected, what):
    assert found.keys() == expected.keys(), (what, sorted(found), sorted(expected))
    for name, value in expected.items():
        other = np.asarray(found[name])
        assert other.dtype == value.dtype and other.tobytes() == value.tobytes(), (what, name)


def check(folder):
    path = lambda name: os.path.join(folder, "joined", name)
    expected = mean()
    same(load_file(path("m.safetensors")), expected, "safetensors")
    with np.load(path("m.npz")) as archive:
        same({name: archive[name] for name in archive.files}, plain(expected), "npz")
    with h5py.File(path("m.h5")) as file:
        same({name: file[name][()] for name in file}, plain(expected), "h5")
    model = onnx.load(path("m.onnx"))
    onnx.checker.check_model(model)
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    same(found, plain(expected), "onnx")
    read = gguf.GGUFReader(path("m.gguf")).tensors
    found = {tensor.name: tensor.data.reshape(expected[tensor.name].shape) for tensor in read}
    same(found, plain(expected), "gguf")
    check_subsets(folder, expected)


def check_subsets(folder, expected):
    """The file that smc wrote is the one that the reference writer writes, byte for byte."""
    path = lambda name: os.path.join(folder, "joined", name)
    wanted = {name: value for name, value in expected.items() if name.startswith("w.")}
    with safe_open(path("part.safetensors"), "np") as file:
        assert file.metadata() == METADATA
        assert sorted(file.keys()) == sorted(wanted)
    for name, metadata in (("part.safetensors", METADATA), ("from-npz.safetensors", None)):
        values = wanted if metadata else plain(wanted)
        same(load_file(path(name)), values, name)
        save_file(values, path("reference"), metadata)
        with open(path("reference"), "rb") as one, open(path(name), "rb") as other:
            one, other = one.read(), other.read()
            assert len(one) == len(other), (name, len(one), len(other))
            # The reference writer puts the keys of the metadata in any order.
            assert metadata or one == other, name


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
