# Trains small models and saves them in every form that a library has, into the folder of the first argument.
import pickle
import sys

import joblib
import lightgbm
import numpy
import pandas
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.kernel_approximation import SkewedChi2Sampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = sys.argv[1]
random = numpy.random.default_rng(1)
table = random.normal(size=(300, 5)) * [1, 10, 100, 1, 3] + [0, 5, 1000, 1, 2]
two = (table[:, 0] + table[:, 1] / 10 > 0.5).astype(int)
three = (table[:, 2] // 70 % 3).astype(int)
amount = table[:, 0] * 3 + table[:, 1]
frame = pandas.DataFrame({"age": table[:, 1], "income": table[:, 2], "city": random.choice(["rome", "oslo"], 300)})


def path(name):
    return folder + "/" + name


def dump(model, name):
    with open(path(name), "wb") as file:
        pickle.dump(model, file)


joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(table, two), path("pipeline.joblib"), compress=3)
words = numpy.array(["low", "middle", "high"])[three]
dump(make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=1)).fit(table, words), "forest.pkl")
dump(GradientBoostingRegressor(random_state=1).fit(table, amount), "boosting.pkl")
columns = ColumnTransformer(
    [("numbers", StandardScaler(), ["age", "income"]), ("words", OneHotEncoder(handle_unknown="ignore"), ["city"])]
)
dump(make_pipeline(columns, LogisticRegression()).fit(frame, two), "frame.pkl")
dump(SkewedChi2Sampler().fit(numpy.abs(table)), "unsupported.pkl")

classifier = xgboost.XGBClassifier(n_estimators=20).fit(table, three)
classifier.save_model(path("xgboost.json"))
classifier.save_model(path("xgboost.ubj"))
dump(classifier, "xgboost.pkl")
raw = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(table, two), 10)
raw.save_model(path("raw.json"))
xgboost.XGBRegressor(n_estimators=20).fit(table, amount).save_model(path("regressor.json"))
dump(make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=10)).fit(table, two), "steps.pkl")

boosted = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(table, two)
boosted.booster_.save_model(path("lightgbm.txt"))
dump(boosted, "lightgbm.pkl")
lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(table, amount).booster_.save_model(path("lightgbm-amount.txt"))
