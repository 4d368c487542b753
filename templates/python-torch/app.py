import json
import os

import torch

from net import CreditNet

THRESHOLD = float(os.environ.get("THRESHOLD", "0.5"))

print("loading the model")
model = CreditNet()
model.load_state_dict(torch.load("model/model.pt", map_location="cpu", weights_only=True))
model.eval()


def lambda_handler(event, context):
    body = json.loads(event["body"])
    features = body.get("features")
    if not isinstance(features, list) or len(features) != 20:
        return respond(422, {"error": "features must be 20 numbers"})

    with torch.no_grad():
        probability = model(torch.tensor([features], dtype=torch.float32)).item()
    return respond(200, {"prediction": probability, "risk": "good" if probability < THRESHOLD else "bad"})


def respond(status, answer):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(answer),
    }
