import os

THRESHOLD = float(os.environ.get("THRESHOLD", "0.5"))


def predict(input, context):
    features = input.get("features", []) if isinstance(input, dict) else []
    probability = float(context.model.run({"features": [features]})["output"][0, 0])
    return {"prediction": probability, "risk": "good" if probability < THRESHOLD else "bad"}
