"""Trains the credit model and writes everything in this project that comes from it.

    pip install -r requirements.txt
    python train.py

Seeded and single-threaded: run again on the same kind of processor it writes the same bytes.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL"):  # before numpy: the order of a sum changes its last digits
    os.environ[f"{library}_NUM_THREADS"] = "1"

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
SEED = 0
HELD_OUT_ROWS = 200
CALIBRATION_ROWS = 160
HIDDEN_UNITS = 16
WEIGHT_DECAY = 15.0  # chosen by cross-validation on the training part, like the number of units

# Categories have codes that mean nothing as numbers; the other columns are quantities.
CODES = {
    "checking_account": range(1, 5),
    "credit_history": range(0, 5),
    "purpose": range(0, 11),
    "savings": range(1, 6),
    "employment": range(1, 6),
    "personal_status": range(1, 6),
    "other_debtors": range(1, 4),
    "property": range(1, 5),
    "installment_plans": range(1, 4),
    "housing": range(1, 4),
    "job": range(1, 5),
    "telephone": range(1, 3),
    "foreign_worker": range(1, 3),
}


def read_data():
    """The names of the 20 features, their values [1000, 20], and whether the credit turned out bad [1000]."""
    path = HERE / "german-credit.csv"
    *features, _ = path.read_text().splitlines()[0].split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return features, table[:, :-1], (table[:, -1] == 2).astype(np.int64)


def preprocessing(features):
    """Quantities scaled to mean 0 and deviation 1, categories as one column a code."""
    quantities = [i for i, name in enumerate(features) if name not in CODES]
    categories = [i for i, name in enumerate(features) if name in CODES]
    one_hot = OneHotEncoder(
        categories=[[float(code) for code in CODES[features[i]]] for i in categories],
        handle_unknown="ignore",
        sparse_output=False,
    )
    return ColumnTransformer([("scale", StandardScaler(), quantities), ("one_hot", one_hot, categories)])


def to_onnx(pipeline, features):
    """The fitted pipeline, preprocessing included, in plain ai.onnx operators."""
    prepare, network = pipeline[0], pipeline[-1]
    scale, one_hot = prepare.named_transformers_["scale"], prepare.named_transformers_["one_hot"]
    quantities, categories = prepare.transformers_[0][2], prepare.transformers_[1][2]
    # One entry per one-hot column: which feature it looks at, and the code it looks for.
    looked_at = [i for i, codes in zip(categories, one_hot.categories_) for _ in codes]
    looked_for = np.concatenate(one_hot.categories_)

    constants = {
        "quantity_columns": np.array(quantities, np.int64),
        "mean": scale.mean_.astype(np.float32),
        "deviation": scale.scale_.astype(np.float32),
        "code_columns": np.array(looked_at, np.int64),
        "codes": looked_for.astype(np.float32),
        "hidden_weight": network.coefs_[0].astype(np.float32),
        "hidden_bias": network.intercepts_[0].astype(np.float32),
        "output_weight": network.coefs_[1].astype(np.float32),
        "output_bias": network.intercepts_[1].astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["features", "quantity_columns"], ["quantities"], axis=1),
        helper.make_node("Sub", ["quantities", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["scaled"]),
        helper.make_node("Gather", ["features", "code_columns"], ["repeated"], axis=1),
        helper.make_node("Equal", ["repeated", "codes"], ["is_code"]),
        helper.make_node("Cast", ["is_code"], ["one_hot"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["scaled", "one_hot"], ["prepared"], axis=1),
        helper.make_node("MatMul", ["prepared", "hidden_weight"], ["hidden_product"]),
        helper.make_node("Add", ["hidden_product", "hidden_bias"], ["hidden_sum"]),
        helper.make_node("Relu", ["hidden_sum"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "output_weight"], ["output_product"]),
        helper.make_node("Add", ["output_product", "output_bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "credit",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(features)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "train.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def run_onnx(path, rows):
    """What ONNX Runtime makes of some rows: the probability of a bad credit, one a row."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probability"], {"features": rows.astype(np.float32)})[0][:, 0]


def request(row):
    return json.dumps({"features": [int(value) for value in row]})


def sha256(path):
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    features, rows, bad = read_data()
    train, held_out, train_bad, held_out_bad = train_test_split(
        rows, bad, test_size=HELD_OUT_ROWS, stratify=bad, random_state=SEED
    )
    network = MLPClassifier(
        (HIDDEN_UNITS,), solver="lbfgs", alpha=WEIGHT_DECAY, tol=1e-7, max_iter=20_000, random_state=SEED
    )
    pipeline = make_pipeline(preprocessing(features), network).fit(train, train_bad)
    baseline = make_pipeline(preprocessing(features), LogisticRegression(C=0.3, max_iter=5000)).fit(train, train_bad)

    path = PROJECT / "model" / "model.onnx"
    path.write_bytes(to_onnx(pipeline, features).SerializeToString(deterministic=True))
    (PROJECT / "model" / "calibration.jsonl").write_text(
        "".join(request(row) + "\n" for row in train[:CALIBRATION_ROWS]), newline="\n"
    )
    (PROJECT / "samples" / "request.json").write_text(request(held_out[0]) + "\n", newline="\n")

    # Everything below is said of the file that is served, not of the pipeline that it came from.
    probability = run_onnx(path, held_out)
    difference = np.abs(run_onnx(path, rows) - pipeline.predict_proba(rows)[:, 1]).max()
    assert difference < 1e-5, f"the ONNX file is {difference} off scikit-learn's answer"

    def score(p):
        return {
            "accuracy": round(float(accuracy_score(held_out_bad, p >= 0.5)), 4),
            "rocAuc": round(float(roc_auc_score(held_out_bad, p)), 4),
        }

    metrics = {
        "rows": {"train": len(train), "heldOut": len(held_out)},
        "heldOut": score(probability),
        "logisticRegression": score(baseline.predict_proba(held_out)[:, 1]),
        "baseRate": round(float(1 - held_out_bad.mean()), 4),
        "sample": {"prediction": round(float(probability[0]), 6), "bad": bool(held_out_bad[0])},
        "data": sha256(HERE / "german-credit.csv"),
        "model": sha256(path),
    }
    text = json.dumps(metrics, indent=2)
    (HERE / "metrics.json").write_text(text + "\n", newline="\n")
    print(text)
    print(f"largest difference between ONNX Runtime and scikit-learn over all rows: {difference:.1e}")


if __name__ == "__main__":
    main()
