"""Makes src/fixtures/families/ARCHITECTURE[.VARIANT].json: a small model of each family, with the logits that PyTorch `transformers`
computes for it in double precision, and gradients by its autograd (family_gradients.py). The weights are not stored: each tensor is
`offset + scale * noise(name)`, which src/test-support/family-model.ts generates again; only those that a converter computes are.

Run (all families, or those named):
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0
    venv/bin/python make-family-models.py [NAME ...]
"""

import json
import math
import pathlib
import sys

import numpy
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from family_gradients import gradients  # noqa: E402
from family_models import FAMILIES, ROPE_FACTORS, noise  # noqa: E402

ROWS = 24
VOCABULARY = 50
FOLDER = pathlib.Path(__file__).parent.parent / "src" / "fixtures" / "families"


def tensor(name, shape, scales):
    """Scale, offset and numbers (as stored, float32) of a tensor: norms and factors around 1, biases, and matrices."""
    is_norm = name.endswith(("norm.weight", "output_scale.weight"))
    is_matrix = len(shape) > 1 and name.endswith("weight")
    scale = 0.2 if is_norm else 1.5 / math.sqrt(shape[-1]) if is_matrix else 0.5
    if name == "token_embd.weight":
        scale = 1.0
    offset = 1.0 if is_norm else 0.0
    given = scales.get(name.split(".", 2)[-1], scale)
    scale, offset = given if isinstance(given, tuple) else (given, offset)
    if name.startswith("rope_factors"):
        scale, offset = ROPE_FACTORS
    numbers = (offset + scale * noise(name, math.prod(shape))).astype(numpy.float32)
    return scale, offset, torch.from_numpy(numbers.reshape(shape).astype(numpy.float64))


def make(family):
    torch.set_default_dtype(torch.float64)
    model = family.model().eval()
    specs, tensors = {}, {}
    for name, shape in family.shapes.items():
        scale, offset, tensors[name] = tensor(name, shape, family.scales)
        specs[name] = {"dims": list(reversed(shape)), "scale": scale, "offset": offset}
    for name, values in family.values.items():
        specs[name] = {"dims": [len(values)], "values": values}
    state = family.state(tensors)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= set(family.missing), (missing, unexpected)
    model.tie_weights()
    ids = [(index * 17 + 3) % VOCABULARY for index in range(ROWS)]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    slopes = gradients(model, ids, family.convert)
    rows = [[float(f"{number:.7g}") for number in row] for row in logits.tolist()]
    options = {"contextLength": ROWS} if family.is_long else {}
    return {"metadata": family.metadata, "tensors": specs, "options": options, "ids": ids, "logits": rows, "gradients": slopes}


def main():
    for name in sys.argv[1:] or FAMILIES:
        text = json.dumps(make(FAMILIES[name]))
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(name, len(text), "bytes")


main()
