"""A fraud trial as it is done without this project: a plain torch loop over one trial, scored by scikit-learn."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn import metrics
from sklearn.preprocessing import StandardScaler
from torch import nn

from bench.datasets.base import Data
from bench.splits import Split

BATCH, WIDTH = 256, 64

Begin = Callable[[list[torch.Tensor]], torch.optim.Optimizer]


def network(inputs: int = 16) -> nn.Module:
    """The baseline's network in plain torch."""
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))


def trial(data: Data, parts: Split, steps: int, begin: Begin, schedule: Callable | None = None) -> float:
    """Train one trial, tensors indexed directly, and score training, validation and test rows.

    begin: makes the optimizer; schedule: makes a scheduler of it and the number of steps.
    """
    torch.set_num_threads(1)
    scaler = StandardScaler().fit(data.inputs[parts.train])
    inputs = torch.from_numpy(scaler.transform(data.inputs[parts.train]).astype(np.float32))
    targets = torch.from_numpy(data.targets[parts.train])
    model = network()
    optimizer = begin(list(model.parameters()))
    scheduler = schedule(optimizer, steps) if schedule else None
    getattr(optimizer, "train", lambda: None)()  # a schedule-free one trains and evaluates at different points
    order = torch.cat([torch.randperm(len(inputs)) for _ in range(steps * BATCH // len(inputs) + 1)])
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
    getattr(optimizer, "eval", lambda: None)()
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        return float("nan")
    assert data.test_inputs is not None
    assert data.test_targets is not None
    held = (
        (data.inputs[parts.train], data.targets[parts.train]),
        (data.inputs[parts.validation], data.targets[parts.validation]),
        (data.test_inputs, data.test_targets),
    )
    return sum(_scored(model, scaler.transform(rows).astype(np.float32), labels) for rows, labels in held)


def _scored(model: nn.Module, inputs: np.ndarray, labels: np.ndarray) -> float:
    """Score one part with scikit-learn, as one does: five metrics."""
    with torch.no_grad():
        p = model(torch.from_numpy(inputs)).softmax(1)[:, 1].double().numpy()
    return (
        metrics.average_precision_score(labels, p)
        + metrics.roc_auc_score(labels, p)
        + metrics.f1_score(labels, p > 0.5, average="macro", zero_division=0)
        + metrics.log_loss(labels, p, labels=[0, 1])
        + metrics.brier_score_loss(labels, p)
    )
