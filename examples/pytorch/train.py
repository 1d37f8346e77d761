"""A training in PyTorch as a job of smc: told epoch by epoch, stopped when asked to, resumed where it was.

    smc train --name moons --checkpoints "ckpt/*" -- python3 train.py --epochs 20 --lr 0.05

Without smc it runs as well: it then writes into ./output.
"""

import argparse
import json
import math
import os
import signal

import torch
from torch import nn

OUTPUT = os.environ.get("SMC_OUTPUT", "output")
CHECKPOINT = os.path.join(OUTPUT, "ckpt", "last.pt")


def moons(count, generator):
    """Two half circles that reach into each other."""
    angle = torch.rand(count, generator=generator) * math.pi
    label = torch.arange(count) % 2
    side = label * 2 - 1
    x = torch.cos(angle) * -side + label
    y = torch.sin(angle) * -side + label * 0.5
    noise = torch.randn(count, 2, generator=generator) * 0.1
    return torch.stack([x, y], dim=1) + noise, label


def replace(path, write):
    """Whole or not at all, also when this program is killed."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path + ".new")
    os.replace(path + ".new", path)


def say(epoch, epochs, predictions):
    """For the bar of `smc jobs watch`, and `smc jobs show`."""
    path = os.environ.get("SMC_PROGRESS_FILE")
    if path is None:
        return

    def write(name):
        with open(name, "w", encoding="utf-8") as file:
            json.dump({"epoch": epoch, "epochs": epochs, "predictions": predictions}, file)

    replace(path, write)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    points, labels = moons(400, torch.Generator().manual_seed(options.seed))
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    done = 0
    if os.environ.get("SMC_RESUME") == "1" and os.path.exists(CHECKPOINT):
        # This program wrote the file. The optimizer's numbers are more than what older PyTorch takes for weights.
        saved = torch.load(CHECKPOINT, weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["epoch"]

    for epoch in range(done + 1, options.epochs + 1):
        # The order of an epoch depends on the epoch alone, so that a resumed run learns what the other would have.
        order = torch.randperm(320, generator=torch.Generator().manual_seed(1000 * options.seed + epoch))
        total = 0.0
        for batch in order.split(32):
            loss = nn.functional.cross_entropy(model(points[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            sure, predicted = model(points[320:]).softmax(dim=1).max(dim=1)
        right = (predicted == labels[320:]).float().mean().item()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        replace(CHECKPOINT, lambda name: torch.save(state, name))
        # After the checkpoint: what was told is never learned again.
        print(json.dumps({"epoch": epoch, "metrics": {"loss": total / 320, "val_acc": right}}), flush=True)
        samples = [
            {"sample": 320 + at, "expected": int(labels[320 + at]), "predicted": int(predicted[at]), "probability": sure[at].item()}
            for at in range(4)
        ]
        say(epoch, options.epochs, samples)
        if stopping:
            break

    replace(os.path.join(OUTPUT, "model.pt"), lambda name: torch.save(model.state_dict(), name))


main()
