"""Trains the credit model and writes everything in this project that comes from it.

    pip install torch
    python train.py

Seeded and single-threaded: run again with the same torch on the same kind of processor it learns the same.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path.insert(0, str(PROJECT))

from net import QUANTITIES, CreditNet  # noqa: E402

SEED = 0
HELD_OUT_EVERY = 5
WEIGHT_DECAY = 15.0
STEPS = 500


def read_data():
    """The 20 features of each credit [1000, 20], and whether it turned out bad [1000]."""
    with open(HERE / "german-credit.csv", newline="") as file:
        rows = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
    table = torch.tensor(rows)
    return table[:, :-1], (table[:, -1] == 2).float()


def held_out_rows(bad):
    """Every fifth of the good credits, and of the bad ones."""
    seen = {0.0: 0, 1.0: 0}
    chosen = []
    for value in bad.tolist():
        chosen.append(seen[value] % HELD_OUT_EVERY == 0)
        seen[value] += 1
    return torch.tensor(chosen)


def train(rows, bad):
    model = CreditNet()
    quantities = rows[:, QUANTITIES]
    model.mean.copy_(quantities.mean(0))
    model.deviation.copy_(quantities.std(0, unbiased=False))
    weights = [layer.weight for layer in model.layers if hasattr(layer, "weight")]
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        penalty = sum((weight**2).sum() for weight in weights) * WEIGHT_DECAY / (2 * len(rows))
        value = torch.nn.functional.binary_cross_entropy(model(rows)[:, 0], bad) + penalty
        value.backward()
        return value

    optimizer.step(loss)
    return model.eval()


def roc_auc(probability, bad):
    """How often a bad credit is given a higher probability than a good one; half of it where they are equal."""
    differences = probability[bad == 1][:, None] - probability[bad == 0][None, :]
    return ((differences > 0).float() + (differences == 0).float() / 2).mean().item()


def sha256(path):
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rows, bad = read_data()
    held_out = held_out_rows(bad)
    model = train(rows[~held_out], bad[~held_out])

    path = PROJECT / "model" / "model.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save(model.state_dict(), path)
    sample = rows[held_out][0]
    request = json.dumps({"features": [int(value) for value in sample]}) + "\n"
    for folder in (PROJECT, PROJECT / "converted"):
        (folder / "samples" / "request.json").write_text(request)

    with torch.no_grad():
        probability = model(rows[held_out])[:, 0]
    outcome = bad[held_out]
    metrics = {
        "rows": {"train": int((~held_out).sum()), "heldOut": int(held_out.sum())},
        "heldOut": {
            "accuracy": round(((probability >= 0.5).float() == outcome).float().mean().item(), 4),
            "rocAuc": round(roc_auc(probability, outcome), 4),
        },
        "baseRate": round(1 - outcome.mean().item(), 4),
        "sample": {"prediction": round(probability[0].item(), 6), "bad": bool(outcome[0])},
        "data": sha256(HERE / "german-credit.csv"),
        "model": sha256(path),
        "torch": torch.__version__,
    }
    text = json.dumps(metrics, indent=2)
    (HERE / "metrics.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
