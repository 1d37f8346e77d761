"""Checks the ONNX files of a folder and runs them: cases.json says with what, and what must come out."""

import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

folder = Path(sys.argv[1])
for case in json.loads((folder / "cases.json").read_text()):
    path = folder / case["file"]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    assert classes == case["classes"], classes
    inputs = numpy.array(case["inputs"], numpy.float32).reshape(case["shape"])
    wanted = numpy.array(case["logits"], numpy.float32)
    probabilities, logits = session.run(["probabilities", "logits"], {"input": inputs})
    largest = max(1, float(abs(wanted).max()))
    difference = float(abs(logits.reshape(-1) - wanted).max())
    assert difference <= case["difference_max"] * largest, (case["file"], difference)
    assert numpy.allclose(probabilities.sum(axis=1), 1, atol=1e-5), case["file"]
