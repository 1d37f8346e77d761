"""Writes files with safetensors, NumPy, h5py, ONNX, GGUF and Keras. Usage: write_files.py FOLDER"""

import io
import json
import os
import sys
import zipfile

os.environ["KERAS_BACKEND"] = "jax"

import gguf
import h5py
import keras
import ml_dtypes
import numpy as np
import onnx
import safetensors
from expected import EQUAL, Expected, same_bytes, tensor
from onnx import TensorProto, helper
from safetensors.numpy import save_file

PLAIN = {
    "f8": "f64",
    "f4": "f32",
    "f2": "f16",
    "i8": "i64",
    "i4": "i32",
    "i2": "i16",
    "i1": "i8",
    "u8": "u64",
    "u4": "u32",
    "u2": "u16",
    "u1": "u8",
    "?": "bool",
    "c8": "c64",
    "c16": "c128",
}
SHAPES = {"matrix": (3, 5), "scalar": (), "empty": (0, 4)}


def array(name, dtype, shape):
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    data = same_bytes(name, count * dtype.itemsize)
    if dtype == bool:
        data = bytes(byte & 1 for byte in data)
    return np.frombuffer(data, dtype).reshape(shape)


def plain_arrays():
    return {
        f"{ours}.{kind}": (ours, array(f"{ours}.{kind}", dtype, shape))
        for dtype, ours in PLAIN.items()
        for kind, shape in SHAPES.items()
    }


def describe(name, dtype, value):
    return tensor(name, dtype, value.shape, value.tobytes())


def write_safetensors(expected):
    extra = {"bfloat16": "bf16", "float8_e4m3fn": "f8e4m3", "float8_e5m2": "f8e5m2"}
    arrays = {name: pair for name, pair in plain_arrays().items() if not name.startswith("c128")}
    for theirs, ours in extra.items():
        arrays[f"{ours}.matrix"] = (ours, array(ours, getattr(ml_dtypes, theirs), (4, 3)))
    flat = {name: value for name, (_, value) in arrays.items()}
    save_file(flat, expected.path("dtypes.safetensors"), {"format": "pt"})
    found = [describe(name, ours, value) for name, (ours, value) in arrays.items()]
    expected.add("dtypes.safetensors", "safetensors", found)
    files = {}
    for part, names in enumerate((["f32.matrix", "f16.matrix"], ["i64.scalar", "bf16.matrix"]), 1):
        file = f"model-{part:05}-of-00002.safetensors"
        save_file({name: flat[name] for name in names}, expected.path(file))
        expected.add(file, "safetensors", [describe(name, *arrays[name]) for name in names])
        files.update(dict.fromkeys(names, file))
    with open(expected.path("model.safetensors.index.json"), "w") as out:
        json.dump({"metadata": {"total_size": 1}, "weight_map": files}, out)
    external = [{"name": name, "file": file} for name, file in files.items()]
    expected.add("model.safetensors.index.json", None, [], external=external)


def write_equal(expected):
    arrays = {
        name: np.frombuffer(same_bytes(name, int(np.prod(shape)) * 4), "f4").reshape(shape)
        for name, shape in EQUAL.items()
    }
    save_file(arrays, expected.path("equal.safetensors"))
    np.savez(expected.path("equal.npz"), **arrays)
    found = [describe(name, "f32", value) for name, value in arrays.items()]
    expected.add("equal.safetensors", "safetensors", found)
    expected.add("equal.npz", "NPZ", found)


def write_numpy(expected):
    arrays = plain_arrays()
    turned = np.asfortranarray(array("turned", "f4", (3, 4)))
    odd = {
        "big": np.arange(4, dtype=">f4"),
        "record": np.zeros(3, [("a", "<f4"), ("b", "<i2", (2,))]),
        "text": np.array(["a", "bcd"]),
        "time": np.array(["2026-01-01"], "M8[s]"),
        "half": np.ones(3, ml_dtypes.bfloat16),
    }
    found = [describe(name, ours, value) for name, (ours, value) in arrays.items()]
    found += [describe(name, "opaque", value) for name, value in odd.items()]
    found.append(tensor("turned#storage", "f32", [12], turned.tobytes("F")))
    every = {**{name: value for name, (_, value) in arrays.items()}, **odd, "turned": turned}
    np.savez(expected.path("dtypes.npz"), **every)
    expected.add("dtypes.npz", "NPZ", found, ["turned"], risk="data-only")
    np.savez_compressed(expected.path("packed.npz"), **every)
    expected.add("packed.npz", "NPZ", [], every.keys(), risk="data-only")
    for name, value in (("matrix", every["f32.matrix"]), ("scalar", every["f64.scalar"])):
        np.save(expected.path(f"{name}.npy"), value)
        expected.add(
            f"{name}.npy",
            "NPY",
            [describe(name, arrays[f"{'f32' if name == 'matrix' else 'f64'}.{name}"][0], value)],
        )
    np.save(expected.path("objects.npy"), np.array([{}, 1], dtype=object), allow_pickle=True)
    expected.add("objects.npy", "NPY", [], ["objects"], risk="executable")


def write_hdf5(expected):
    for version in ("earliest", "v108", "latest"):
        file = f"dtypes-{version}.h5"
        found = []
        with h5py.File(
            expected.path(file),
            "w",
            libver=(version, "latest"),
            userblock_size=1024 if version == "v108" else 0,
        ) as out:

            def keep(name, dtype, value, **options):
                out.create_dataset(name, data=value, **options)
                found.append(describe(name, dtype, value))

            for name, (ours, value) in plain_arrays().items():
                keep(f"plain/{name}", ours, value)
            for index in range(200):
                keep(f"layers/layer_{index}/kernel", "f32", array(f"layer {index}", "f4", (2, 3)))
            keep("big", "opaque", np.arange(4, dtype=">f4"))
            keep("one chunk", "f32", array("one", "f4", (4, 6)), chunks=(4, 6))
            grid = array("grid", "i2", (4, 6))
            out.create_dataset("grid", data=grid, chunks=(2, 3))
            for row in range(2):
                for column in range(2):
                    part = np.ascontiguousarray(grid[row * 2 : row * 2 + 2, column * 3 : column * 3 + 3])
                    found.append(describe(f"grid#{row * 2 + column}", "i16", part))
            out.create_dataset("packed", data=grid, chunks=(2, 3), compression="gzip")
            out.create_dataset("later", shape=(5,), dtype="f4")
            out["z link"] = out["big"]
            out["z soft"] = h5py.SoftLink("/big")
        expected.add(file, "HDF5", found, ["grid", "later", "packed"], risk="unknown")


def write_onnx(expected):
    kinds = {
        "f32": TensorProto.FLOAT,
        "f16": TensorProto.FLOAT16,
        "f64": TensorProto.DOUBLE,
        "i64": TensorProto.INT64,
        "i32": TensorProto.INT32,
        "i8": TensorProto.INT8,
        "u8": TensorProto.UINT8,
        "bool": TensorProto.BOOL,
        "u64": TensorProto.UINT64,
        "c64": TensorProto.COMPLEX64,
        "i16": TensorProto.INT16,
        "u16": TensorProto.UINT16,
        "u32": TensorProto.UINT32,
        "c128": TensorProto.COMPLEX128,
    }
    arrays = {f"{ours}.matrix": (ours, plain_arrays()[f"{ours}.matrix"][1]) for ours in kinds}
    weights = [
        helper.make_tensor(name, kinds[ours], value.shape, value.tobytes(), raw=True)
        for name, (ours, value) in arrays.items()
    ]
    half = array("half", ml_dtypes.bfloat16, (4,))
    weights.append(
        helper.make_tensor("bf16.matrix", TensorProto.BFLOAT16, half.shape, half.tobytes(), raw=True)
    )
    arrays["bf16.matrix"] = ("bf16", half)
    typed = array("typed", "f4", (5,))
    weights.append(helper.make_tensor("typed.f32", TensorProto.FLOAT, typed.shape, typed))
    arrays["typed.f32"] = ("f32", typed)
    # Whole numbers that are not raw are varints.
    weights.append(helper.make_tensor("typed.i64", TensorProto.INT64, (2,), [1, 2**40]))
    varints = tensor("typed.i64", "opaque", [2], bytes.fromhex("01808080808020"))
    constant = array("constant", "f4", (3,))
    named, unnamed = (
        helper.make_node(
            "Constant",
            [],
            ["constant"],
            value=helper.make_tensor(name, TensorProto.FLOAT, constant.shape, constant.tobytes(), raw=True),
        )
        for name in ("inside", "")
    )
    out = helper.make_tensor_value_info("constant", TensorProto.FLOAT, [3])
    graph = helper.make_graph([named], "g", [], [out], weights)
    onnx.save(helper.make_model(graph, producer_name="engines"), expected.path("model.onnx"))
    found = [describe(name, ours, value) for name, (ours, value) in arrays.items()]
    expected.add("model.onnx", "ONNX", [*found, varints, describe("inside", "f32", constant)])
    big = {f"w{index}": array(f"w{index}", "f4", (64, 40)) for index in range(3)}
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.tobytes(), raw=True)
        for name, value in big.items()
    ]
    model = helper.make_model(helper.make_graph([unnamed], "g", [], [out], weights))
    onnx.save(
        model,
        expected.path("apart.onnx"),
        save_as_external_data=True,
        location="apart.onnx.data",
        size_threshold=1024,
    )
    external = [{**describe(name, "f32", value), "file": "apart.onnx.data"} for name, value in big.items()]
    expected.add("apart.onnx", "ONNX", [describe("constant", "f32", constant)], external=external)


def write_gguf(expected):
    kinds = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(expected.path("model.gguf"), "llama")
    writer.add_string("general.name", "engines")
    writer.add_array("tokens", ["a", "b", "c"])
    found = []
    for kind in (
        kinds.F32,
        kinds.F16,
        kinds.BF16,
        kinds.Q8_0,
        kinds.Q4_0,
        kinds.Q4_1,
        kinds.Q5_0,
        kinds.Q5_1,
    ):
        value = np.random.default_rng(1).standard_normal((6, 256), "f4")
        stored = gguf.quants.quantize(value, kind)
        writer.add_tensor(f"{kind.name}.weight", stored, raw_dtype=kind)
        found.append(tensor(f"{kind.name}.weight", kind.name.lower(), value.shape, stored.tobytes()))
    writer.add_tensor("bias", np.arange(5, dtype="f4"))
    found.append(describe("bias", "f32", np.arange(5, dtype="f4")))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected.add("model.gguf", "GGUF", found)


def datasets(file):
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype == np.float32:
            found.append(describe(name, "f32", item[()]))

    h5py.File(file).visititems(visit)
    return found


def write_keras(expected):
    layers = keras.layers
    dense = [layers.Input((6,)), layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dense(2)]
    model = keras.Sequential(dense)
    model.save(expected.path("model.keras"))
    weights = zipfile.ZipFile(expected.path("model.keras")).read("model.weights.h5")
    expected.add("model.keras", "Keras", datasets(io.BytesIO(weights)), risk="data-only")
    model.save_weights(expected.path("only.weights.h5"))
    expected.add("only.weights.h5", "HDF5", datasets(expected.path("only.weights.h5")))
    model.save(expected.path("legacy.h5"))
    expected.add("legacy.h5", "HDF5", datasets(expected.path("legacy.h5")))
    keras.Sequential([layers.Input((3,)), layers.Lambda(lambda x: x)]).save(expected.path("lambda.keras"))
    expected.add("lambda.keras", "Keras", [], risk="executable")


if __name__ == "__main__":
    expected = Expected(sys.argv[1])
    for write in (
        write_safetensors,
        write_equal,
        write_numpy,
        write_hdf5,
        write_onnx,
        write_gguf,
        write_keras,
    ):
        write(expected)
    expected.write("files.json")
    for module in (safetensors, np, h5py, onnx, keras):
        print(module.__name__, module.__version__)
