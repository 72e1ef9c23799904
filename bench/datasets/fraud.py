"""fraud: a vectorised simulator of card transactions, in the spirit of the Fraud Detection Handbook's.

Customers and terminals lie on a 100 x 100 plane; a customer pays at terminals within reach. Three kinds of fraud:
amounts above 220; compromised terminals (28 days, every transaction); compromised customers (14 days, a third of
the transactions, amounts times 5). With 5,000 customers over 183 days this gives the reference's world.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.datasets.base import Column, Data, Dataset
from bench.keys import numpy_stream
from bench.stages.base import require
from bench.stages.bounds import MOST_VALUES, within

if TYPE_CHECKING:
    import numpy as np

REFERENCE_CUSTOMERS, REFERENCE_TERMINALS = 5_000, 10_000
REACH = 5.0  # on a plane with the reference's customers and terminals
SIDE = 100.0
LARGE_AMOUNT = 220.0
TERMINALS_A_DAY, TERMINAL_DAYS = 2.0, 28
CUSTOMERS_A_DAY, CUSTOMER_DAYS = 3.0, 14
MULTIPLIER, HIT_SHARE = 5.0, 1 / 3  # of a compromised customer's transactions
WINDOWS = (1, 7, 30)  # days
DELAY = 7.0  # days until a label is known
WARM_UP = 37.0  # days until every window is full: the longest plus the delay
TEST_DAYS = 30.0
MOST_CUSTOMERS = 200_000
LARGE_SHARE = 0.0006  # of transactions above LARGE_AMOUNT before any are multiplied: Normal(m, m/2), m ~ U(5, 100)


@dataclass(frozen=True)
class Fraud(Dataset):
    """Transactions [N, 16] with features as a fraud team has them, and whether each was fraudulent.

    rows, test_rows  drawn at random from the training period and, after a gap of 7 days, the test period (30 days)
    fraud_rate       scales how many terminals and customers are compromised
    label_noise      share of development labels that are flipped, after the features
    customers, days  size of the world; terminals are twice the customers, and the reach grows in a smaller world so
                     that a customer has as many terminals as in the reference
    Features per terminal count and judge transactions up to 7 days before: labels are not known at once. They use
    earlier labels, also in the test period; the leakage tests exempt exactly the columns in ``DELAYED_LABELS``.
    """

    name: ClassVar[str] = "fraud"
    summary: ClassVar[str] = "synthetic card transactions, under 1 % fraudulent, in time order"
    source: ClassVar[str] = "simulator of this project; facts of the Fraud Detection Handbook (Le Borgne et al. 2022)"
    kind = "table"
    repeats = "independent"
    gap: ClassVar[float] = 7.0
    smoke: ClassVar[dict[str, object]] = {"rows": 3000, "test_rows": 3000, "customers": 400}

    rows: int = 10_000
    test_rows: int = 20_000
    fraud_rate: float = 1.0
    label_noise: float = 0.0
    customers: int = 1_000
    days: int = 183

    def __post_init__(self) -> None:
        """Check sizes and rates."""
        for name in ("rows", "test_rows"):
            require(getattr(self, name) >= 10, f"{name} must be at least 10, got {getattr(self, name)}")
        within("customers", self.customers, 10, MOST_CUSTOMERS)
        least = int(WARM_UP + self.gap + TEST_DAYS + 10)
        require(self.days >= least, f"days must be at least {least} (warm-up, training, gap, test), got {self.days}")
        within("customers x days", self.customers * self.days, 1, MOST_VALUES)
        require(0 < self.fraud_rate <= 100, f"fraud_rate must be above 0 and at most 100, got {self.fraud_rate}")
        require(0 <= self.label_noise < 0.5, f"label_noise must be at least 0 and below 0.5, got {self.label_noise}")
        # 1.94 a day and customer are expected; four standard errors less, so that every world has enough.
        per_day = self.customers * (1.94 - 4.5 / self.customers**0.5)
        for name, span in (("rows", self.days - WARM_UP - self.gap - TEST_DAYS), ("test_rows", TEST_DAYS)):
            most = int(per_day * span)
            require(
                getattr(self, name) <= most,
                f"{name} must be at most {most} in a world of {self.customers} customers and {self.days} days, "
                f"got {getattr(self, name)}; raise customers",
            )

    @property
    def metric(self) -> str:
        """Return average precision: F1 at 1 % prevalence mostly measures where the threshold lies."""
        return "average_precision"

    @property
    def division(self) -> Literal["time"]:
        """Return 'time': folds are blocks of days, since shuffled ones would share compromised terminals."""
        return "time"

    def classes(self) -> tuple[str, ...]:
        """Return genuine and fraud."""
        return ("genuine", "fraud")

    def class_counts(self) -> tuple[int, ...]:
        """Return the expected rows of each class; the real numbers vary from world to world."""
        share = expected_share(self.fraud_rate)
        fraud = round(self.rows * (share + self.label_noise * (1 - 2 * share)))
        return (self.rows - fraud, fraud)

    def make(self, seed: int, repeat: int) -> Data:
        """Return a fresh world's development and test rows, each in time order."""
        import numpy as np

        rng = numpy_stream("world", seed, self.name, repeat)
        world = simulate(rng, self.customers, self.days, self.fraud_rate)
        features = world.features()
        test_start = self.days - TEST_DAYS
        training = np.flatnonzero((world.time >= WARM_UP) & (world.time < test_start - self.gap))
        testing = np.flatnonzero(world.time >= test_start)
        for name, rows in (("rows", training), ("test_rows", testing)):
            if len(rows) < getattr(self, name):
                raise ValueError(f"fraud: the world has {len(rows)} transactions for {name}; raise customers")
        rows = np.sort(rng.choice(training, self.rows, replace=False))
        tests = np.sort(rng.choice(testing, self.test_rows, replace=False))
        if not world.time[rows].max() + self.gap <= world.time[tests].min():
            raise ValueError("fraud: training rows reach into the gap before the test period")
        labels = world.fraud.astype(np.int64)
        flipped = rng.random(self.rows) < self.label_noise
        return Data(
            inputs=features[rows],
            targets=np.where(flipped, 1 - labels[rows], labels[rows]),
            test_inputs=features[tests],
            test_targets=labels[tests],
            time=world.time[rows],
            test_time=world.time[tests],
            columns=tuple(Column(name) for name in FEATURES),
        )


def expected_share(fraud_rate: float) -> float:
    """Return the expected share of fraud once compromised terminals and customers come and go in equal numbers."""
    terminal = 1 - (1 - TERMINALS_A_DAY * fraud_rate / REFERENCE_TERMINALS) ** TERMINAL_DAYS
    customer = (1 - (1 - CUSTOMERS_A_DAY * fraud_rate / REFERENCE_CUSTOMERS) ** CUSTOMER_DAYS) * HIT_SHARE
    return 1 - (1 - LARGE_SHARE) * (1 - terminal) * (1 - customer)


FEATURES = (
    "amount", "hour", "weekend", "night",
    *(f"customer {what} {days}d" for days in WINDOWS for what in ("count", "mean amount")),
    *(f"terminal {what} {days}d" for days in WINDOWS for what in ("count", "fraud rate")),
)  # fmt: skip
DELAYED_LABELS = tuple(f"terminal fraud rate {days}d" for days in WINDOWS)


@dataclass(frozen=True)
class World:
    """All transactions of a world in time order: time float64 in days, customer, terminal, amount, fraud, each [M]."""

    time: "np.ndarray"
    customer: "np.ndarray"
    terminal: "np.ndarray"
    amount: "np.ndarray"
    fraud: "np.ndarray"

    def features(self) -> "np.ndarray":
        """Return float32 [M, 16] in the order of FEATURES. Day 0 is a Monday; night is before 6 o'clock."""
        import numpy as np

        hour = (self.time % 1) * 24
        columns = [self.amount, hour, (np.floor(self.time) % 7 >= 5), hour <= 6]
        one = np.ones(len(self.time))
        for count, spent in _windows(self.customer, self.time, (one, self.amount), 0.0):
            columns += [count, spent / np.maximum(count, 1)]
        for count, frauds in _windows(self.terminal, self.time, (one, self.fraud.astype(float)), DELAY):
            columns += [count, frauds / np.maximum(count, 1)]
        return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)


def _windows(
    owner: "np.ndarray", time: "np.ndarray", values: "tuple[np.ndarray, np.ndarray]", delay: float
) -> "list[tuple[np.ndarray, np.ndarray]]":
    """Return, per window of WINDOWS days, the sums of two values over the owner's transactions in it, [M] each.

    The window of a transaction at t is (t - delay - days, t - delay]; without a delay it holds the transaction.
    """
    import numpy as np

    order = np.lexsort((time, owner))
    # One sorted axis for all owners: owners lie further apart than any window reaches.
    axis = owner[order] * (time.max() + delay + max(WINDOWS) + 1.0) + time[order]
    sums = [np.concatenate([[0.0], np.cumsum(value[order])]) for value in values]
    end = np.searchsorted(axis, axis - delay, side="right")
    found = []
    for days in WINDOWS:
        begin = np.searchsorted(axis, axis - delay - days, side="right")
        both = []
        for total in sums:
            out = np.empty(len(order))
            out[order] = total[end] - total[begin]
            both.append(out)
        found.append((both[0], both[1]))
    return found


def simulate(rng: "np.random.Generator", customers: int, days: int, fraud_rate: float) -> World:
    """Return a world of ``customers`` and twice as many terminals over ``days`` days."""
    import numpy as np

    terminals = customers * REFERENCE_TERMINALS // REFERENCE_CUSTOMERS
    reach = REACH * (REFERENCE_CUSTOMERS / customers) ** 0.5
    places, tills = rng.uniform(0, SIDE, (customers, 2)), rng.uniform(0, SIDE, (terminals, 2))
    near, first, count = _within_reach(places, tills, reach)

    mean = rng.uniform(5, 100, customers)
    per_day = rng.poisson(rng.uniform(0, 4, customers)[:, None], (customers, days))
    customer, day = (np.repeat(index.ravel(), per_day.ravel()) for index in np.indices(per_day.shape))
    second = rng.normal(43_200, 20_000, len(customer))
    keep = (second > 0) & (second < 86_400) & (count[customer] > 0)
    customer, day, second = customer[keep], day[keep], second[keep]
    amount = rng.normal(mean[customer], mean[customer] / 2)
    amount = np.where(amount < 0, rng.uniform(0, 2 * mean[customer]), amount)
    chosen = first[customer] + (rng.random(len(customer)) * count[customer]).astype(np.int64)
    terminal = near[chosen]

    fraud = amount > LARGE_AMOUNT
    scale = customers / REFERENCE_CUSTOMERS * fraud_rate
    fraud |= _compromised(rng, terminals, days, TERMINALS_A_DAY * scale, TERMINAL_DAYS)[terminal, day]
    victims = _compromised(rng, customers, days, CUSTOMERS_A_DAY * scale, CUSTOMER_DAYS)[customer, day]
    hit = victims & (rng.random(len(customer)) < HIT_SHARE)
    amount = np.where(hit, amount * MULTIPLIER, amount)
    fraud |= hit

    time = day + second / 86_400
    order = np.argsort(time, kind="stable")
    return World(time[order], customer[order], terminal[order], np.round(amount[order], 2), fraud[order])


def _within_reach(
    places: "np.ndarray", tills: "np.ndarray", reach: float
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return the terminals near each customer, end to end, with where each customer's begin and how many there are."""
    import numpy as np
    from scipy.spatial import KDTree

    found = KDTree(tills).query_ball_point(places, reach, return_sorted=True)
    count = np.array([len(one) for one in found])
    near = np.concatenate([np.asarray(one, dtype=np.int64) for one in found])
    return near, np.cumsum(count) - count, count


def _compromised(rng: "np.random.Generator", things: int, days: int, per_day: float, lasting: int) -> "np.ndarray":
    """Return bool [things, days]: compromised from a day on for ``lasting`` days; ``per_day`` is the expected number.

    A part of one that is left over is a chance of one more on that day.
    """
    import numpy as np

    state = np.zeros((things, days), dtype=bool)
    for day in range(days):
        number = int(per_day) + int(rng.random() < per_day % 1)
        state[rng.choice(things, min(number, things), replace=False), day : day + lasting] = True
    return state
