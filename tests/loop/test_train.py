"""The training loop against closed forms, a reference Adam written out here, and itself after a kill at every step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from trainwright.errors import CheckFailed, LearnerError, MachineError, RequestError
from trainwright.loop import LoopSettings, fit
from trainwright.loop.optimisers import clipped, length, no_moments, rate_at, update
from trainwright.loop.train import epoch_order
from trainwright.record import files
from trainwright.record.seeds import rng_for

N, WIDTH = 120, 3


@dataclass
class Logistic:
    """Logistic regression with a ridge; `noise` drops inputs at random, `poison` makes the loss no number at chosen steps."""

    X: np.ndarray
    y: np.ndarray
    ridge: float = 0.1
    noise: float = 0.0
    kill_at: int | None = None  # calls until it raises
    poison: dict[int, int] = field(default_factory=dict)  # call -> how often the loss is still to be nan
    better = "lower"
    calls: int = 0

    def start(self, rng):
        return {"w": rng.normal(size=WIDTH), "b": np.zeros(1)}

    def loss_and_gradients(self, weights, rows, rng):
        if self.calls == self.kill_at:
            raise KeyboardInterrupt
        self.calls += 1
        X = self.X[rows] * (rng.random((len(rows), WIDTH)) >= self.noise)
        z = X @ weights["w"] + weights["b"]
        p = 1 / (1 + np.exp(-z))
        loss = np.mean(np.logaddexp(0, z) - self.y[rows] * z) + self.ridge / 2 * weights["w"] @ weights["w"]
        if self.poison.get(self.calls, 0):
            loss = np.nan
        return float(loss), {"w": X.T @ (p - self.y[rows]) / len(rows) + self.ridge * weights["w"], "b": np.array([np.mean(p - self.y[rows])])}

    def judge(self, weights, rows):
        z = self.X[rows] @ weights["w"] + weights["b"]
        return float(np.mean(np.logaddexp(0, z) - self.y[rows] * z))


@pytest.fixture
def made(rng):
    X = rng.normal(size=(N, WIDTH))
    y = (rng.random(N) < 1 / (1 + np.exp(-(X @ [1.5, -2.0, 0.5] + 0.3)))).astype(np.float64)

    def objective(**more):
        return Logistic(X, y, **more)

    return objective


ROWS = np.arange(N, dtype=np.int64)


def same(one, other):
    return all(one[key].tobytes() == other[key].tobytes() for key in one) and list(one) == list(other)


# --- right answers --------------------------------------------------------------------------------------------------------


def test_the_gradient_is_that_of_the_loss(made, rng):
    objective = made()
    flat = rng.normal(size=WIDTH + 1)

    def loss(v):
        return objective.loss_and_gradients({"w": v[:WIDTH], "b": v[WIDTH:]}, ROWS, rng)[0]

    gradients = objective.loss_and_gradients({"w": flat[:WIDTH], "b": flat[WIDTH:]}, ROWS, rng)[1]
    np.testing.assert_allclose(np.append(gradients["w"], gradients["b"]), approx_fprime(flat, loss, 1e-7), atol=1e-6)


@pytest.mark.parametrize(("optimiser", "rate"), [("adam", 0.05), ("sgd", 0.1)])
def test_full_batches_reach_the_optimum_that_scipy_finds(made, rng, optimiser, rate):
    objective = made()

    def both(v):
        loss, gradients = objective.loss_and_gradients({"w": v[:WIDTH], "b": v[WIDTH:]}, ROWS, rng)
        return loss, np.append(gradients["w"], gradients["b"])

    truth = minimize(both, np.zeros(WIDTH + 1), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    trained = fit(objective, ROWS, LoopSettings(epochs=800, batch=N, rate=rate, optimiser=optimiser), seed=0)
    np.testing.assert_allclose(np.append(trained.weights["w"], trained.weights["b"]), truth, atol=1e-5)
    assert trained.losses[-1] == pytest.approx(both(truth)[0], abs=1e-9)


def test_adam_takes_the_steps_of_the_reference(rng):
    """Algorithm 1 of Kingma & Ba, line by line, on one number at a time."""
    settings = LoopSettings(optimiser="adam", momentum=0.8, second=0.95, epsilon=1e-6)
    weights = {"a": rng.normal(size=(2, 3))}
    moments = no_moments(weights, settings)
    theta, m, v = weights["a"].ravel().tolist(), [0.0] * 6, [0.0] * 6
    for t in range(1, 51):
        g = rng.normal(size=6)
        weights, moments = update(weights, {"a": g.reshape(2, 3)}, moments, t - 1, 0.01 / t, settings)
        for i in range(6):
            m[i] = 0.8 * m[i] + 0.2 * g[i]
            v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i]
            theta[i] -= 0.01 / t * (m[i] / (1 - 0.8**t)) / ((v[i] / (1 - 0.95**t)) ** 0.5 + 1e-6)
        np.testing.assert_allclose(weights["a"].ravel(), theta, rtol=1e-12)


def test_momentum_takes_the_steps_of_the_reference(rng):
    settings = LoopSettings(optimiser="sgd", momentum=0.7)
    weights, moments = {"a": np.array([1.0])}, no_moments({"a": np.array([1.0])}, settings)
    theta, velocity = 1.0, 0.0
    for step in range(30):
        g = float(rng.normal())
        weights, moments = update(weights, {"a": np.array([g])}, moments, step, 0.1, settings)
        velocity = 0.7 * velocity + g
        theta -= 0.1 * velocity
        assert weights["a"][0] == pytest.approx(theta, rel=1e-13)


def test_float32_weights_stay_float32(rng):
    for optimiser in ("adam", "sgd"):
        settings = LoopSettings(optimiser=optimiser)
        weights = {"a": rng.normal(size=4).astype(np.float32)}
        after, moments = update(weights, weights, no_moments(weights, settings), 0, 0.1, settings)
        assert after["a"].dtype == np.float32
        assert all(moment["a"].dtype == np.float32 for moment in moments.values())


def test_the_rate_warms_up_and_falls_along_a_cosine():
    settings = LoopSettings(rate=2.0, warm_up=4, schedule="cosine")
    rates = [rate_at(step, 14, settings) for step in range(14)]
    assert rates[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert rates[4:] == pytest.approx([1 + np.cos(np.pi * k / 10) for k in range(10)])
    assert rate_at(9, 14, LoopSettings(rate=2.0, warm_up=4, schedule="constant")) == 2.0


def test_the_gradient_is_clipped_over_all_weights_together():
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    assert length(gradients) == 5
    short = clipped(gradients, 5.0, 1.0)
    assert short["a"].tolist() == [pytest.approx(0.6), 0]
    assert short["b"].tolist() == [[pytest.approx(0.8)]]
    assert clipped(gradients, 5.0, 5.0) is gradients


def test_clipping_takes_effect_in_the_loop(made):
    loose = fit(made(), ROWS, LoopSettings(epochs=1, optimiser="sgd", batch=N, rate=1.0, schedule="constant"), seed=0)
    tight = fit(made(), ROWS, LoopSettings(epochs=1, optimiser="sgd", batch=N, rate=1.0, schedule="constant", clip=1e-3), seed=0)
    start = made().start(rng_for(0, "start"))
    assert length({key: tight.weights[key] - start[key] for key in start}) == pytest.approx(1e-3)
    assert length({key: loose.weights[key] - start[key] for key in start}) > 1e-2


# --- order and early stopping ---------------------------------------------------------------------------------------------


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    rows = np.arange(50, 1050, dtype=np.int64)
    orders = [epoch_order(rows, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert len({order.tobytes() for order in orders}) == 4
    places = np.array([np.argsort(epoch_order(rows, 3, epoch)) for epoch in range(200)])  # where each item stands
    assert abs(places.mean(axis=0) - 499.5).max() < 5 * 289 / np.sqrt(200)  # no item prefers a place: within 5 standard errors


def test_an_item_keeps_its_place_among_the_others_whoever_sorts_them():
    """The order of a part is the order of the whole, restricted: so any worker may find its own items' turn."""
    whole = epoch_order(np.arange(100, dtype=np.int64), 5, 2)
    part = np.arange(0, 100, 7, dtype=np.int64)
    np.testing.assert_array_equal(epoch_order(part, 5, 2), whole[np.isin(whole, part)])


def test_early_stopping_restores_the_best_weights(made):
    objective = made(ridge=0.0)
    learn, watch = ROWS[:20], ROWS[20:]  # few rows: it soon learns them by heart
    settings = LoopSettings(epochs=300, batch=5, rate=0.2, optimiser="adam", schedule="constant", patience=4)
    trained = fit(objective, learn, settings, seed=1, watch=watch)
    assert len(trained.watched) == trained.epochs + 4 < 300
    assert trained.epochs == int(np.argmin(trained.watched)) + 1
    assert objective.judge(trained.weights, watch) == min(trained.watched)
    short = LoopSettings(epochs=trained.epochs, batch=5, rate=0.2, optimiser="adam", schedule="constant")
    assert same(fit(objective, learn, short, seed=1).weights, trained.weights)  # the epochs are what a refit takes


def test_higher_may_be_better(made):
    class Upwards(Logistic):
        better = "higher"

        def judge(self, weights, rows):
            return -super().judge(weights, rows)

    down = made(ridge=0.0)
    up = Upwards(down.X, down.y, ridge=0.0)
    settings = LoopSettings(epochs=40, batch=5, rate=0.2, schedule="constant", patience=4)
    one, other = (fit(objective, ROWS[:20], settings, seed=1, watch=ROWS[20:]) for objective in (down, up))
    assert one.epochs == other.epochs
    assert same(one.weights, other.weights)


# --- resume ---------------------------------------------------------------------------------------------------------------

SETTINGS = LoopSettings(epochs=5, batch=32, rate=0.05, checkpoint_every=3, warm_up=3, clip=0.5, patience=3)  # 4 steps an epoch: 20 in all


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_kill_at_any_step_changes_nothing(made, tmp_path, optimiser):
    settings = LoopSettings(**{name: getattr(SETTINGS, name) for name in SETTINGS.__slots__} | {"optimiser": optimiser})
    learn, watch = ROWS[:100], ROWS[100:]
    whole = fit(made(noise=0.3), learn, settings, seed=9, watch=watch)
    assert whole.steps == 20
    for kill_at in range(20):
        folder = tmp_path / str(kill_at)
        with pytest.raises(KeyboardInterrupt):
            fit(made(noise=0.3, kill_at=kill_at), learn, settings, seed=9, watch=watch, checkpoint=folder)
        again = made(noise=0.3)
        trained = fit(again, learn, settings, seed=9, watch=watch, checkpoint=folder)
        assert same(trained.weights, whole.weights)
        assert (trained.losses, trained.watched, trained.epochs, trained.steps) == (whole.losses, whole.watched, whole.epochs, whole.steps)
        assert again.calls == 20 - kill_at // 3 * 3  # it went on from the last checkpoint
        assert len(list(folder.iterdir())) == 2


def test_a_finished_training_is_read_back(made, tmp_path):
    first = fit(made(), ROWS, SETTINGS, seed=0, checkpoint=tmp_path)
    objective = made(kill_at=0)
    assert same(fit(objective, ROWS, SETTINGS, seed=0, checkpoint=tmp_path).weights, first.weights)


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "half"])
def test_a_torn_checkpoint_is_passed_over(made, tmp_path, harm):
    whole = fit(made(noise=0.3), ROWS, SETTINGS, seed=2)
    with pytest.raises(KeyboardInterrupt):
        fit(made(noise=0.3, kill_at=14), ROWS, SETTINGS, seed=2, checkpoint=tmp_path)
    newest = max(tmp_path.iterdir())
    assert newest.name == "step-000000012.ckpt"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 4
    newest.write_bytes({"cut": data[:-1], "flipped": bytes(data), "empty": b"", "half": data[: len(data) // 2]}[harm])
    again = made(noise=0.3)
    assert same(fit(again, ROWS, SETTINGS, seed=2, checkpoint=tmp_path).weights, whole.weights)
    assert again.calls == whole.steps - 9


def test_a_checkpoint_of_another_training_is_refused(made, tmp_path):
    fit(made(), ROWS, SETTINGS, seed=0, checkpoint=tmp_path)
    for rows, seed in ((ROWS, 1), (ROWS[:-1], 0)):
        with pytest.raises(CheckFailed, match="TW086"):
            fit(made(), rows, SETTINGS, seed=seed, checkpoint=tmp_path)


def test_a_full_disk_is_a_machine_error_and_the_old_checkpoint_stays(made, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(made(kill_at=7), ROWS, SETTINGS, seed=0, checkpoint=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(operation, path):
        if operation == "sync":
            raise OSError(28, "full")

    with pytest.raises(MachineError, match="TW090"), files.faults(full):
        fit(made(), ROWS, SETTINGS, seed=0, checkpoint=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- losses that are no number --------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_lowers_the_rate_once(made):
    """After the fault at step 8 (call 8) training goes back to step 6 and on at a tenth of the rate."""
    settings = LoopSettings(epochs=5, batch=30, rate=0.1, optimiser="sgd", schedule="constant", checkpoint_every=3)
    trained = fit(made(poison={8: 1}), ROWS, settings, seed=0)
    assert trained.lowered
    weights = made().start(rng_for(0, "start"))
    moments = no_moments(weights, settings)
    for step in range(20):
        batch = epoch_order(ROWS, 0, step // 4)[step % 4 * 30 : (step % 4 + 1) * 30]
        gradients = made().loss_and_gradients(weights, batch, rng_for(0, "step", step))[1]
        weights, moments = update(weights, gradients, moments, step, 0.1 if step < 6 else 0.1 * 0.1, settings)
    assert same(trained.weights, weights)


def test_a_second_such_loss_ends_it(made):
    with pytest.raises(LearnerError, match="TW011"):
        fit(made(poison={8: 1, 12: 1}), ROWS, SETTINGS, seed=0)


def test_weights_without_bounds_are_the_learner_s_failure_not_a_warning(made):
    """A rate at which the ridge itself overshoots: the weights grow by the same factor in each step until they overflow."""
    settings = LoopSettings(epochs=400, batch=N, rate=1e6, optimiser="sgd", schedule="constant")
    with pytest.raises(LearnerError, match="TW011"):
        fit(made(), ROWS, settings, seed=0)


def test_no_rows_are_refused(made):
    with pytest.raises(LearnerError, match="TW011"):
        fit(made(), ROWS[:0], SETTINGS, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"momentum": 1.0},
        {"clip": 0.0},
        {"optimiser": "adm"},
        {"schedule": "step"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(RequestError, match="TW010"):
        LoopSettings(**wrong)


@dataclass
class Told:
    """An objective whose gradient and judgement are told, and which notes what noise it is given."""

    gradient: float = 0.0
    score: float = 1.0
    better = "lower"
    noise: list[float] = field(default_factory=list)

    def start(self, rng):
        return {"w": np.zeros(1)}

    def loss_and_gradients(self, weights, rows, rng):
        self.noise.append(rng.random())
        return 1.0, {"w": np.full(1, self.gradient)}

    def judge(self, weights, rows):
        return self.score


def test_of_equal_epochs_the_first_is_best():
    assert fit(Told(), ROWS, LoopSettings(epochs=9, patience=3), seed=0, watch=ROWS[:5]).epochs == 1


def test_each_step_has_noise_of_its_own_that_follows_from_the_seed():
    one, same_seed, other = Told(), Told(), Told()
    for objective, seed in ((one, 0), (same_seed, 0), (other, 1)):
        fit(objective, ROWS, LoopSettings(epochs=3), seed=seed)
    assert len(set(one.noise + other.noise)) == 24
    assert one.noise == same_seed.noise


def test_weights_that_overflow_in_the_last_step_are_no_result():
    settings = LoopSettings(epochs=1, batch=N, optimiser="sgd", rate=1e200, schedule="constant")
    with pytest.raises(LearnerError, match="TW011"):
        fit(Told(gradient=1e150), ROWS, settings, seed=0)


def test_a_judgement_that_is_no_number_ends_it_too():
    with pytest.raises(LearnerError, match="TW011"):
        fit(Told(score=float("nan")), ROWS, LoopSettings(epochs=2), seed=0, watch=ROWS[:5])
