"""The tables in which faults are planted: ten that the checks' thresholds were set on, two harder ones, and fresh ones.

Fresh: none of their rows was looked at while a check was written or a threshold set. They are the first ten of CANDIDATES whose classes can be
told apart: balanced accuracy of LightGBM as it comes of 0.9 or more, out of five folds, on the at most 2,500 rows that are used, before anything is
planted. Pictures, recordings and texts become tables of plain measures (mean grey of a grid of cells, loudness of bands, counts of signs and words).
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets

from common import DATA

MOST = 2_500
APART = 0.9  # balanced accuracy, from which classes count as told apart
FRESH = 10
HARD = ("adult", "telco_churn")
Tables = dict[str, tuple[pl.DataFrame, str]]


def _csv(name: str) -> pl.DataFrame:
    path = next(p for p in sorted((DATA / name).iterdir()) if ".csv" in p.name and "test" not in p.name)
    return pl.read_csv(path, infer_schema_length=None)


def tuned_tables() -> Tables:
    """Ten tables whose classes can be told apart, and two (HARD) where they overlap: only labels are planted there."""
    files = {
        "mushrooms": "type",
        "penguins": "species",
        "spambase": "is_spam",
        "cardio": "is_anomaly",
        "thyroid": "is_anomaly",
        "letter": "letter",
        "shuttle": "is_anomaly",
        "adult": "income",
        "telco_churn": "Churn",
    }
    result = {}
    for name, target in files.items():
        frame = _csv(name)
        result[name] = frame.drop([c for c in ("fnlwgt", "customerID", "education_num") if c in frame.columns]), target
    for name, load in (("breast_cancer", datasets.load_breast_cancer), ("digits", datasets.load_digits), ("wine", datasets.load_wine)):
        result[name] = _bunch(load)
    return result


def _bunch(load: Callable[[], object]) -> tuple[pl.DataFrame, str]:
    bunch = load()
    columns = {str(n): bunch.data[:, i] for i, n in enumerate(bunch.feature_names)}  # type: ignore[attr-defined]
    return pl.DataFrame(columns | {"kind": [f"k{t}" for t in bunch.target]}), "kind"  # type: ignore[attr-defined]


def _grid(path: Path) -> list[float]:
    """The mean grey of 7 x 7 cells."""
    from PIL import Image

    grey = np.asarray(Image.open(path).convert("L").resize((28, 28)), dtype=np.float64)
    return [round(float(cell), 2) for cell in grey.reshape(7, 4, 7, 4).mean(axis=(1, 3)).ravel()]


def _colours(path: Path) -> list[float]:
    """Mean and spread of red, green and blue, and the mean of the middle."""
    from PIL import Image

    rgb = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)
    middle = rgb[rgb.shape[0] // 4 : -rgb.shape[0] // 4, rgb.shape[1] // 4 : -rgb.shape[1] // 4]
    return [round(float(x), 2) for part in (rgb.mean(axis=(0, 1)), rgb.std(axis=(0, 1)), middle.mean(axis=(0, 1))) for x in part]


def _bands(path: Path) -> list[float]:
    """How loud 20 equal bands up to 4 kHz are in the mean, in decibels, and the seconds."""
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)
        seconds = file.getnframes() / file.getframerate()
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    return [round(10 * float(np.log10(band.mean() + 1)), 2) for band in np.array_split(power, 20)] + [round(seconds, 3)]


def _measured(paths: list[Path], labels: list[str], measure: Callable[[Path], list[float]]) -> tuple[pl.DataFrame, str]:
    values = np.array([measure(path) for path in paths])
    return pl.DataFrame({f"m{i}": values[:, i] for i in range(values.shape[1])} | {"kind": [f"k{label}" for label in labels]}), "kind"


def _folders(root: Path, measure: Callable[[Path], list[float]]) -> tuple[pl.DataFrame, str]:
    paths = sorted(path for path in root.glob("*/*") if path.suffix in (".png", ".jpg"))
    return _measured(paths, [path.parent.name for path in paths], measure)


def _speakers() -> tuple[pl.DataFrame, str]:
    listed = _csv("spoken_digits")
    return _measured([DATA / "spoken_digits" / name for name in listed["file"]], listed["speaker"].to_list(), _bands)


def _counts(name: str) -> tuple[pl.DataFrame, str]:
    """Of each text its length, the counts of kinds of signs, and of the 30 words of three letters or more that stand in most texts."""
    frame = _csv(name)
    columns = [c for c in frame.columns if c != "label"]
    text = frame.select(pl.concat_str([pl.col(c).fill_null("") for c in columns], separator=" ")).to_series()
    words = text.str.to_lowercase().str.extract_all(r"[a-z]{3,}")
    common = words.list.unique().explode().drop_nulls().value_counts(sort=True, name="n").sort(["n", words.name], descending=[True, False])
    made = {"length": text.str.len_chars(), "digits": text.str.count_matches(r"\d"), "capitals": text.str.count_matches(r"[A-Z]")}
    made |= {f"sign {n}": text.str.count_matches(sign) for n, sign in enumerate((r"!", r"\?", r"\$|£", r"<", r"/", r"\."))}
    made |= {f"word {word}": words.list.count_matches(word) for word in common[words.name][:30].to_list()}
    return pl.DataFrame({key: value.cast(pl.Int64) for key, value in made.items()} | {"label": frame["label"]}), "label"


CANDIDATES: dict[str, Callable[[], tuple[pl.DataFrame, str]]] = {
    "wine colour": lambda: (_csv("wine_quality").drop("quality"), "colour"),
    "card fraud": lambda: (_csv("creditcard_fraud_sample"), "Class"),
    "ocean proximity": lambda: (_csv("california_housing").filter(pl.col("ocean_proximity") != "ISLAND"), "ocean_proximity"),  # of 5 rows
    "smokers": lambda: (_csv("insurance"), "smoker"),
    "electricity": lambda: (_csv("elec2"), "class"),
    "working days": lambda: (_csv("bike_sharing_hour").drop("instant", "dteday", "weekday", "holiday", strict=False), "workingday"),
    "iris": lambda: _bunch(datasets.load_iris),
    "blood cells": lambda: _folders(DATA / "blood_cells", _colours),
    "chest pictures": lambda: _folders(DATA / "pneumonia_xray" / "train", _grid),
    "written digits": lambda: _folders(DATA / "mnist", _grid),
    "speakers": _speakers,
    "short messages": lambda: _counts("sms_spam"),
    "mails": lambda: _counts("spamassassin_mail"),
}


def told_apart(frame: pl.DataFrame, target: str) -> float:
    """Balanced accuracy of LightGBM as it comes, out of five folds, on MOST rows drawn with the seed 0."""
    from lightgbm import LGBMClassifier
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    frame = frame.filter(pl.col(target).is_not_null())
    frame = frame[np.random.default_rng(0).permutation(len(frame))[:MOST]]
    words = [c for c in frame.columns if c != target and not frame[c].dtype.is_numeric()]
    matrix = frame.drop(target).with_columns(pl.col(words).cast(pl.Categorical).to_physical()).cast(pl.Float64).to_numpy()
    truth = frame[target].cast(pl.String).to_numpy()
    model = LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)
    said = cross_val_predict(model, matrix, truth, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    return float(balanced_accuracy_score(truth, said))
