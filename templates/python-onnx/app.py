"""Answers with the probability that credits turn out bad."""

import os

import numpy as np

THRESHOLD = float(os.environ.get("THRESHOLD", "0.5"))


def predict(input, context):
    """
    One credit, {"features": [20 numbers]}, or many, {"rows": [[20 numbers], ...]}. context.model holds them to the
    model's shape, so that anything but 20 numbers is answered with what was expected.
    """
    request = input if isinstance(input, dict) else {}
    rows = request.get("rows", [request.get("features", [])])
    probability = context.model.run({"features": rows})["probability"][:, 0]
    risk = np.where(probability < THRESHOLD, "good", "bad")
    if "rows" in request:
        return {"predictions": probability, "risks": risk}
    return {"prediction": probability[0], "risk": risk[0]}
