"""The two baselines that read the gait features; what they fill in and scale by comes from training only."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NUM_TREES = 300
# Few videos and features that go together (speed, cadence, step length) ask for a firm hand.
INVERSE_PENALTY = 0.3
# Newton's method needs a handful of steps for so few weights. The default, L-BFGS-B in SciPy from 1.15 on,
# was seen to spin without end on a busy machine, and is much slower where BLAS threads compete.
SOLVER = "newton-cholesky"


def make_gait_forest(seed: int) -> Pipeline:
    """Return a random forest for `gait_features`; a missing value is filled with the training median."""
    return make_pipeline(_imputer(), RandomForestClassifier(NUM_TREES, random_state=seed))


def make_gait_logistic() -> Pipeline:
    """Return a logistic regression for `gait_features`, filled and scaled by the training videos."""
    model = LogisticRegression(C=INVERSE_PENALTY, solver=SOLVER)
    return make_pipeline(_imputer(), StandardScaler(), model)


def _imputer() -> SimpleImputer:
    # A feature that no training video shows stays in place, so that columns keep their meaning.
    return SimpleImputer(strategy="median", keep_empty_features=True)
