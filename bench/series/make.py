"""Makes a series of real checkpoints: a byte-level transformer, trained on mail, then fine-tuned on a book.

Python and NumPy only. The gradients are written out by hand and checked against differences (--check). Weights are kept
in f32 and trained with AdamW; each checkpoint is their rounding to bf16 (to nearest, ties to even) in a safetensors
file. The fine-tunes start from the rounded base, as everyone does who loads a released model.

    python make.py --mail FOLDER --book FOLDER --out FOLDER

writes base.safetensors (and base-f32, before it is rounded), tune-1 to tune-5 (all weights, one after the other), head-1
and head-2 (only the last matrix and the last norm), and series.json with the losses. About 11.4 million parameters; 5 to 10 minutes on two processors.
"""

import argparse
import json
import pathlib
import time

import numpy as np

VOCABULARY = 256
EPSILON = 1e-6


class Text:
    """Bytes of all files of a folder, one after the other; the last tenth is held out."""

    def __init__(self, folder, suffix, seed):
        files = sorted(path for path in pathlib.Path(folder).rglob("*" + suffix) if path.is_file())
        data = np.frombuffer(b"\n".join(path.read_bytes() for path in files), np.uint8)
        if len(data) < 100_000:
            raise SystemExit(f"make.py: too little text in {folder}: {len(data)} bytes")
        cut = len(data) * 9 // 10
        self.train, self.held_out = data[:cut], data[cut:]
        self.random = np.random.default_rng(seed)

    def batch(self, rows, length, source=None, random=None):
        source = self.train if source is None else source
        starts = (random or self.random).integers(0, len(source) - length - 1, rows)
        window = starts[:, None] + np.arange(length + 1)[None, :]
        tokens = source[window].astype(np.int64)
        return tokens[:, :-1], tokens[:, 1:]


def new_weights(shape, seed):
    """Normal with deviation 0.02; matrices that add to the stream are smaller, as in GPT-2."""
    random = np.random.default_rng(seed)
    width, layers, length = shape["width"], shape["layers"], shape["length"]

    def matrix(rows, columns, deviation=0.02):
        return random.standard_normal((rows, columns), np.float32) * np.float32(deviation)

    weights = {"embed.weight": matrix(VOCABULARY, width), "position.weight": matrix(length, width)}
    for layer in range(layers):
        name = f"layers.{layer}."
        small = 0.02 / (2 * layers) ** 0.5
        weights[name + "norm_1.weight"] = np.ones(width, np.float32)
        for part in "qkv":
            weights[f"{name}attention.{part}.weight"] = matrix(width, width)
        weights[name + "attention.out.weight"] = matrix(width, width, small)
        weights[name + "norm_2.weight"] = np.ones(width, np.float32)
        weights[name + "mlp.up.weight"] = matrix(width, 4 * width)
        weights[name + "mlp.down.weight"] = matrix(4 * width, width, small)
    weights["norm.weight"] = np.ones(width, np.float32)
    weights["head.weight"] = matrix(width, VOCABULARY)
    return weights


def norm(x, gain):
    """Divides by the root of the mean square; the second value is what `norm_back` needs."""
    scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
    unit = x * scale
    return unit * gain, (unit, scale, gain)


def norm_back(gradient, kept):
    unit, scale, gain = kept
    of_unit = gradient * gain
    of_x = (of_unit - unit * np.mean(of_unit * unit, axis=-1, keepdims=True)) * scale
    return of_x, np.sum(gradient * unit, axis=tuple(range(gradient.ndim - 1)))


def split_heads(x, rows, heads):
    return x.reshape(rows, -1, heads, x.shape[-1] // heads).transpose(0, 2, 1, 3)


def join_heads(x):
    rows, heads, length, size = x.shape
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(rows * length, heads * size)


def attention(x, weights, name, shape, rows):
    """Causal attention of several heads over the rows of a batch."""
    q, k, v = (split_heads(x @ weights[f"{name}attention.{part}.weight"], rows, shape["heads"]) for part in "qkv")
    length, size = q.shape[2], q.shape[3]
    scores = q @ k.transpose(0, 1, 3, 2) / np.float32(size**0.5)
    scores += np.triu(np.full((length, length), -1e9, np.float32), 1)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed = join_heads(scores @ v)
    return mixed @ weights[name + "attention.out.weight"], (x, q, k, v, scores, mixed)


def attention_back(gradient, kept, weights, name, gradients):
    x, q, k, v, scores, mixed = kept
    rows, heads, _, size = q.shape
    gradients[name + "attention.out.weight"] = mixed.T @ gradient
    of_mixed = split_heads(gradient @ weights[name + "attention.out.weight"].T, rows, heads)
    of_scores = of_mixed @ v.transpose(0, 1, 3, 2)
    of_scores = scores * (of_scores - np.sum(of_scores * scores, axis=-1, keepdims=True)) / np.float32(size**0.5)
    of_parts = {"q": of_scores @ k, "k": of_scores.transpose(0, 1, 3, 2) @ q, "v": scores.transpose(0, 1, 3, 2) @ of_mixed}
    of_x = np.zeros_like(x)
    for part, of_heads in of_parts.items():
        of_part = join_heads(of_heads)
        gradients[f"{name}attention.{part}.weight"] = x.T @ of_part
        of_x += of_part @ weights[f"{name}attention.{part}.weight"].T
    return of_x


def forward(weights, shape, tokens):
    """Logits of every position, and what `backward` needs."""
    rows, length = tokens.shape
    x = (weights["embed.weight"][tokens] + weights["position.weight"][:length]).reshape(rows * length, -1)
    kept = []
    for layer in range(shape["layers"]):
        name = f"layers.{layer}."
        normal, norm_1 = norm(x, weights[name + "norm_1.weight"])
        added, attended = attention(normal, weights, name, shape, rows)
        x = x + added
        normal, norm_2 = norm(x, weights[name + "norm_2.weight"])
        up = normal @ weights[name + "mlp.up.weight"]
        gate = 1 / (1 + np.exp(-up))
        active = up * gate
        x = x + active @ weights[name + "mlp.down.weight"]
        kept.append((norm_1, attended, norm_2, normal, up, gate, active))
    last, norm_last = norm(x, weights["norm.weight"])
    return last @ weights["head.weight"], (kept, last, norm_last)


def cross_entropy(logits, targets):
    """Mean loss in nats a byte, and its gradient."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    odds = np.exp(logits)
    odds /= odds.sum(axis=-1, keepdims=True)
    flat = targets.reshape(-1)
    index = np.arange(len(flat))
    loss = -np.mean(np.log(odds[index, flat] + 1e-30))
    odds[index, flat] -= 1
    return float(loss), odds / np.float32(len(flat))


def backward(weights, shape, tokens, kept, gradient, head_only):
    """Gradients of all weights; of the last matrix and norm alone when `head_only`."""
    layers, last, norm_last = kept
    gradients = {"head.weight": last.T @ gradient}
    of_x, gradients["norm.weight"] = norm_back(gradient @ weights["head.weight"].T, norm_last)
    if head_only:
        return gradients
    for layer in reversed(range(shape["layers"])):
        name = f"layers.{layer}."
        norm_1, attended, norm_2, normal, up, gate, active = layers[layer]
        gradients[name + "mlp.down.weight"] = active.T @ of_x
        of_active = of_x @ weights[name + "mlp.down.weight"].T
        of_up = of_active * gate * (1 + up * (1 - gate))
        gradients[name + "mlp.up.weight"] = normal.T @ of_up
        of_normal, gradients[name + "norm_2.weight"] = norm_back(of_up @ weights[name + "mlp.up.weight"].T, norm_2)
        of_x = of_x + of_normal
        of_normal = attention_back(of_x, attended, weights, name, gradients)
        of_normal, gradients[name + "norm_1.weight"] = norm_back(of_normal, norm_1)
        of_x = of_x + of_normal
    of_input = of_x.reshape(*tokens.shape, -1)
    gradients["position.weight"] = np.zeros_like(weights["position.weight"])
    gradients["position.weight"][: tokens.shape[1]] = of_input.sum(axis=0)
    gradients["embed.weight"] = np.zeros_like(weights["embed.weight"])
    np.add.at(gradients["embed.weight"], tokens.reshape(-1), of_x)
    return gradients


class AdamW:
    """As published (Loshchilov and Hutter), with a limit on the length of the whole gradient."""

    def __init__(self, weights, names, decay, betas=(0.9, 0.95)):
        self.names, self.decay, self.betas, self.count = names, decay, betas, 0
        self.mean = {name: np.zeros_like(weights[name]) for name in names}
        self.square = {name: np.zeros_like(weights[name]) for name in names}

    def step(self, weights, gradients, rate):
        self.count += 1
        first, second = self.betas
        length = np.sqrt(sum(float(np.vdot(gradients[name], gradients[name])) for name in self.names))
        clip = min(1.0, 1.0 / (length + 1e-12))
        for name in self.names:
            gradient = gradients[name] * np.float32(clip)
            mean, square = self.mean[name], self.square[name]
            mean *= first
            mean += (1 - first) * gradient
            square *= second
            square += (1 - second) * gradient * gradient
            update = mean / (1 - first**self.count)
            update /= np.sqrt(square / (1 - second**self.count)) + 1e-8
            if weights[name].ndim > 1:
                weights[name] *= np.float32(1 - rate * self.decay)
            weights[name] -= np.float32(rate) * update.astype(np.float32)


def train(weights, shape, text, plan, log):
    """Runs `plan['steps']` steps; `plan['rate']` tells the learning rate of each."""
    head_only = plan.get("head_only", False)
    names = ["head.weight", "norm.weight"] if head_only else list(weights)
    optimiser = plan.setdefault("optimiser", AdamW(weights, names, plan["decay"]))
    for _ in range(plan["steps"]):
        tokens, targets = text.batch(shape["rows"], shape["length"])
        logits, kept = forward(weights, shape, tokens)
        loss, gradient = cross_entropy(logits, targets)
        gradients = backward(weights, shape, tokens, kept, gradient, head_only)
        optimiser.step(weights, gradients, plan["rate"](optimiser.count))
        if optimiser.count % 10 == 0:
            log(f"{plan['name']} step {optimiser.count}: loss {loss:.3f}")


def held_out_loss(weights, shape, text):
    random = np.random.default_rng(7)
    losses = []
    for _ in range(4):
        tokens, targets = text.batch(shape["rows"], shape["length"], text.held_out, random)
        losses.append(cross_entropy(forward(weights, shape, tokens)[0], targets)[0])
    return round(float(np.mean(losses)), 4)


def round_bf16(values):
    """The upper halves of f32 numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype("<u2")


def widen(values):
    return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)


def write_safetensors(path, weights, dtype="BF16"):
    """Names in order, no gaps, the header padded to 8 bytes."""
    header, offset, parts = {"__metadata__": {"format": "pt"}}, 0, []
    for name in sorted(weights):
        values = round_bf16(weights[name]) if dtype == "BF16" else weights[name].astype("<f4")
        parts.append(values.tobytes())
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def check(seed=3):
    """Throws unless the gradients of a small model are those that differences say."""
    shape = {"width": 16, "heads": 2, "layers": 2, "rows": 2, "length": 8}
    weights = {name: value.astype(np.float64) for name, value in new_weights(shape, seed).items()}
    random = np.random.default_rng(seed)
    for value in weights.values():
        value += random.standard_normal(value.shape) * 0.1
    tokens = random.integers(0, VOCABULARY, (2, 8))
    targets = random.integers(0, VOCABULARY, (2, 8))
    logits, kept = forward(weights, shape, tokens)
    gradients = backward(weights, shape, tokens, kept, cross_entropy(logits, targets)[1], False)
    for name, value in weights.items():
        flat, step = value.reshape(-1), 1e-5
        index = int(np.argmax(np.abs(gradients[name])))
        losses = []
        for sign in (1, -1):
            flat[index] += sign * step
            losses.append(cross_entropy(forward(weights, shape, tokens)[0], targets)[0])
            flat[index] -= sign * step
        expected = (losses[0] - losses[1]) / (2 * step)
        found = gradients[name].reshape(-1)[index]
        assert abs(found - expected) <= 1e-4 * abs(expected) + 1e-7, f"{name}: {found} is not {expected}"
    print("make.py: the gradients are right")


class Series:
    """Trains the checkpoints into a folder, and keeps a record of their losses."""

    def __init__(self, options, log):
        self.shape = {"width": options.width, "heads": 8, "layers": 4, "rows": 12, "length": 128}
        self.mail, self.book = Text(options.mail, "", 1), Text(options.book, ".txt", 2)
        self.out, self.log = pathlib.Path(options.out), log
        self.out.mkdir(parents=True, exist_ok=True)
        self.checkpoints = []

    def note(self, name, weights, step):
        losses = {text: held_out_loss(weights, self.shape, getattr(self, text)) for text in ("mail", "book")}
        self.checkpoints.append({"name": name, "step": step, "held_out_loss": losses})
        self.log(f"{name}: {losses}")

    def pretrain(self, steps):
        """Warm-up, then a cosine down to a tenth."""
        weights = new_weights(self.shape, 0)
        self.note("start", weights, 0)

        def rate(step):
            return 1e-3 * min(1, (step + 1) / 20) * (0.55 + 0.45 * np.cos(np.pi * step / steps))

        train(weights, self.shape, self.mail, {"name": "pretraining", "steps": steps, "decay": 0.1, "rate": rate}, self.log)
        self.note("base", weights, steps)
        write_safetensors(self.out / "base-f32.safetensors", weights, "F32")
        write_safetensors(self.out / "base.safetensors", weights)
        return {name: widen(round_bf16(value)) for name, value in weights.items()}

    def tune(self, base, kind, plan):
        """Warm-up, then in a line down to nothing at the last step, as trainers do by default."""
        weights = {name: value.copy() for name, value in base.items()}
        total = plan["versions"] * plan["steps"]

        def rate(step):
            return plan["peak"] * min(1, (step + 1) / 5) * (1 - step / (total + 1))

        run = {"name": kind, "steps": plan["steps"], "decay": 0.01, "head_only": kind == "head", "rate": rate}
        for version in range(1, plan["versions"] + 1):
            train(weights, self.shape, self.book, run, self.log)
            self.note(f"{kind}-{version}", weights, version * plan["steps"])
            write_safetensors(self.out / f"{kind}-{version}.safetensors", weights)


def make(options, log):
    series = Series(options, log)
    base = series.pretrain(options.pretrain_steps)
    series.tune(base, "tune", {"versions": 5, "steps": options.tune_steps, "peak": 1e-5})
    series.tune(base, "head", {"versions": 2, "steps": options.tune_steps, "peak": 1e-4})
    parameters = sum(value.size for value in base.values())
    record = {"parameters": parameters, "shape": series.shape, "checkpoints": series.checkpoints}
    (series.out / "series.json").write_text(json.dumps(record, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mail", help="folder of mail, the text of the pretraining")
    parser.add_argument("--book", help="folder with the chapters of a book, the text of the fine-tunes")
    parser.add_argument("--out", help="where the checkpoints go")
    parser.add_argument("--pretrain-steps", type=int, default=220)
    parser.add_argument("--tune-steps", type=int, default=20)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--check", action="store_true", help="only check the gradients")
    options = parser.parse_args()
    started = time.time()
    if options.check:
        check()
    else:
        make(options, lambda line: print(f"{time.time() - started:6.0f} s  {line}", flush=True))


if __name__ == "__main__":
    main()
