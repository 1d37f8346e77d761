"""Models that smc joins, and a look at what came of it. Usage: joined_torch.py write|check FOLDER"""

import os
import sys
import warnings

import torch

warnings.simplefilter("ignore")
SIDES = {"base": 1, "ours": 2, "theirs": 3}


def tensors(side):
    generator = torch.Generator().manual_seed(SIDES[side])
    values = lambda dtype: (torch.rand(40, 64, generator=generator, dtype=torch.float64) / 2 + 0.5).to(dtype)
    return {
        "w.f32": values(torch.float32),
        "w.f16": values(torch.float16),
        "w.bf16": values(torch.bfloat16),
        "same": torch.ones(100, 100),
        "ids": torch.arange(7),
    }


def write(folder):
    for side in SIDES:
        os.makedirs(os.path.join(folder, side), exist_ok=True)
        torch.save(tensors(side), os.path.join(folder, side, "m.pt"))


def check(folder):
    found = torch.load(os.path.join(folder, "joined", "m.pt"), weights_only=True)
    ours, theirs = tensors("ours"), tensors("theirs")
    assert found.keys() == ours.keys()
    for name, value in ours.items():
        expected = value
        if value.is_floating_point():
            expected = ((value.double() + theirs[name].double()) / 2).to(value.dtype)
        assert found[name].dtype == value.dtype and torch.equal(found[name], expected), name
    reader = torch._C.PyTorchFileReader(os.path.join(folder, "joined", "m.pt"))
    for record in reader.get_all_records():
        reader.get_record(record)


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
