"""Writes files with torch: every dtype it has, views, modules, optimizers. Usage: write_torch.py FOLDER"""

import sys
import warnings

import torch
from expected import EQUAL, Expected, same_bytes, tensor

warnings.simplefilter("ignore")
NAMES = {
    "float64": "f64",
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "f8e4m3",
    "float8_e5m2": "f8e5m2",
    "float8_e4m3fnuz": "opaque",
    "float8_e8m0fnu": "opaque",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint64": "u64",
    "uint32": "u32",
    "uint16": "u16",
    "uint8": "u8",
    "bool": "bool",
    "complex64": "c64",
    "complex128": "c128",
    "complex32": "opaque",
}
WIDTHS = {1: "u8", 2: "i16", 4: "i32", 8: "i64"}


def raw(value):
    flat = value.detach().contiguous().flatten()
    if flat.is_complex():
        flat = torch.view_as_real(flat).flatten()
    if flat.is_quantized:
        flat = flat.int_repr()
    if flat.dtype not in (torch.float32, torch.float64, torch.int64, torch.bool, torch.uint8, torch.int8):
        integer = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.element_size()]
        flat = flat.view(integer)
    return flat.numpy().tobytes()


def describe(name, value):
    dtype = NAMES[str(value.dtype).removeprefix("torch.")]
    return tensor(name, dtype, value.shape, raw(value))


def of_dtype(dtype, shape):
    count = 1
    for dimension in shape:
        count *= dimension
    width = torch.empty(0, dtype=dtype).element_size()
    if dtype == torch.bool:
        data = bytes(byte & 1 for byte in same_bytes(str(dtype), count))
    else:
        data = same_bytes(str(dtype), count * width)
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).clone().view(dtype).reshape(shape)


def write_dtypes(expected):
    state = {}
    for name in NAMES:
        dtype = getattr(torch, name, None)
        # torch 1 has complex32 and cannot save it.
        if dtype is None or (name == "complex32" and torch.__version__.startswith("1.")):
            continue
        state[f"{name}.matrix"] = of_dtype(dtype, (3, 5))
        state[f"{name}.scalar"] = of_dtype(dtype, ())
        state[f"{name}.empty"] = of_dtype(dtype, (0, 4))
    quantized = torch.quantize_per_tensor(torch.arange(6.0), 0.1, 3, torch.quint8)
    tensors = [describe(name, value) for name, value in state.items()]
    tensors.append(tensor("quantized", "u8", quantized.shape, raw(quantized)))
    torch.save({**state, "quantized": quantized}, expected.path("dtypes.pt"))
    expected.add("dtypes.pt", "PyTorch", tensors, risk="data-only")


def write_views(expected):
    base = torch.arange(24.0)
    grid = torch.arange(12.0).reshape(3, 4)
    tied = torch.nn.Parameter(torch.arange(5.0))
    state = {
        "head": base[:6],
        "tail": base[10:].reshape(2, 7),
        "over": base[4:9],
        "turned": grid.t(),
        "tied": [tied, tied],
        "deep": {"a": {"b": (torch.ones(2), {"c": torch.zeros(1)})}},
        "step": 3,
        "name": "x",
    }
    torch.save(state, expected.path("views.bin"))
    found = [describe(name, state[name]) for name in ("head", "tail")]
    found += [
        describe("tied.0", tied),
        describe("deep.a.b.0", torch.ones(2)),
        describe("deep.a.b.1.c", torch.zeros(1)),
    ]
    found.append(tensor("turned#storage", "f32", [12], raw(grid)))
    expected.add("views.bin", "PyTorch", found, ["over", "turned", "tied.1"], risk="data-only")


def write_models(expected):
    model = torch.nn.Sequential(
        torch.nn.Linear(7, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2, bias=False)
    )
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(3, 7)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    found = [describe(name, value) for name, value in state.items()]
    torch.save(state, expected.path("state.pth"))
    expected.add("state.pth", "PyTorch", found, risk="data-only")
    torch.save(model, expected.path("module.pt"))
    expected.add("module.pt", "PyTorch", found, risk="executable")
    torch.jit.script(model).save(expected.path("script.pt"))
    expected.add("script.pt", "PyTorch", found, risk="executable")
    steps = [
        describe(f"optimizer.state.{index}.{key}", value)
        for index, slots in optimizer.state_dict()["state"].items()
        for key, value in slots.items()
    ]
    whole = [describe(f"model.{name}", value) for name, value in state.items()] + steps
    torch.save(
        {"model": state, "optimizer": optimizer.state_dict(), "epoch": 1}, expected.path("training.ckpt")
    )
    expected.add("training.ckpt", "PyTorch", whole, risk="data-only")
    torch.save(state, expected.path("legacy.pt"), _use_new_zipfile_serialization=False)
    expected.add("legacy.pt", "pickle", [], risk="data-only")


def write_equal(expected):
    state = {}
    for name, shape in EQUAL.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        state[name] = torch.frombuffer(bytearray(same_bytes(name, count * 4)), dtype=torch.float32).reshape(
            shape
        )
    torch.save(state, expected.path("equal.pt"))
    found = [tensor(name, "f32", value.shape, raw(value)) for name, value in state.items()]
    expected.add("equal.pt", "PyTorch", found, risk="data-only")


if __name__ == "__main__":
    expected = Expected(sys.argv[1])
    for write in (write_dtypes, write_views, write_models, write_equal):
        write(expected)
    expected.write("torch.json")
    print("torch", torch.__version__)
