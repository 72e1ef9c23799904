"""Optimizers and schedules. Each optimizer is at its library's default rate until a grid says otherwise."""

import dataclasses

from bench.recipe import Change, Technique
from bench.stages.coupled import Lbfgs, Muon
from bench.stages.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    NAdam,
    Optimizer,
    RAdam,
    RmsProp,
    Sgd,
)
from bench.stages.schedule_free import ScheduleFreeAdamW, ScheduleFreeSgd
from bench.stages.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau, StepDecay

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)  # half-decades
_WHY_NOT = "it is another optimizer than the baseline's, or the baseline's at another rate, at any setting"


def _optimizer(name: str, optimizer: Optimizer, claim: str, source: str, schedule: Change | None = None) -> Technique:
    """Return an optimizer as a technique, at its own rate, under the baseline's schedule unless one is given."""
    return Technique(
        name=name,
        family="optimizer",
        claim=claim,
        source=source,
        change={"optimizer": optimizer, **(schedule or {})},
        grid={"optimizer.lr": RATES},
        why_not=_WHY_NOT,
    )


def _averaging(name: str, optimizer: Optimizer, claim: str) -> Technique:
    """Return a schedule-free optimizer as a technique, with a warm-up as its authors advise and no other schedule."""
    return _optimizer(name, optimizer, claim, "Defazio et al. 2024; schedulefree", {"schedule": Constant(warmup=0.05)})


OPTIMIZERS: tuple[Technique, ...] = (
    _optimizer("sgd", Sgd(), "steps along the gradient of the batch", "Robbins and Monro 1951; torch.optim.SGD"),
    _optimizer(
        "momentum",
        Sgd(momentum=0.9),
        "sums up gradients that point the same way, so that it goes on through flat stretches",
        "Polyak 1964; torch.optim.SGD",
    ),
    _optimizer(
        "nesterov",
        Sgd(momentum=0.9, nesterov=True),
        "looks ahead along the momentum before it takes the gradient, so that it overshoots less",
        "Nesterov 1983; Sutskever et al. 2013, section 2; torch.optim.SGD",
    ),
    _optimizer(
        "adagrad",
        Adagrad(),
        "lets each weight's rate fall with the gradients that it has seen",
        "Duchi et al. 2011; torch.optim.Adagrad",
    ),
    _optimizer(
        "rmsprop",
        RmsProp(),
        "divides each weight's gradient by its recent size",
        "Tieleman and Hinton 2012, lecture 6.5; torch.optim.RMSprop",
    ),
    _optimizer(
        "adadelta",
        Adadelta(),
        "measures each weight's step by its earlier steps, so that there is hardly a rate to tune",
        "Zeiler 2012; torch.optim.Adadelta",
    ),
    _optimizer(
        "adam",
        Adam(),
        "momentum over the gradient's recent size, both corrected for their start at zero",
        "Kingma and Ba 2015, algorithm 1; torch.optim.Adam",
    ),
    _optimizer(
        "adamw",
        AdamW(),
        "Adam with weight decay apart from the gradient, so that it is not divided by the gradient's size",
        "Loshchilov and Hutter 2019, algorithm 2; torch.optim.AdamW",
    ),
    _optimizer("nadam", NAdam(), "Adam with Nesterov's momentum", "Dozat 2016; torch.optim.NAdam"),
    _optimizer(
        "radam",
        RAdam(),
        "Adam that trusts its second moment only once that has seen enough, which takes the place of a warm-up",
        "Liu et al. 2020, algorithm 2; torch.optim.RAdam",
    ),
    _optimizer(
        "adamax",
        Adamax(),
        "Adam with the largest recent gradient in place of the mean square, for rare large gradients",
        "Kingma and Ba 2015, algorithm 2; torch.optim.Adamax",
    ),
    _optimizer(
        "lion",
        Lion(),
        "moves every weight by the same amount, in the direction of the sign of its momentum",
        "Chen et al. 2023, algorithm 2; lion-pytorch",
    ),
    _optimizer(
        "muon",
        Muon(),
        "makes each weight matrix's momentum orthogonal, so that all directions move alike; AdamW for biases and norms",
        "Jordan et al. 2024; Liu et al. 2025, section 2.2 (scale of the steps); torch.optim.Muon",
    ),
    _averaging(
        "schedule-free-sgd", ScheduleFreeSgd(), "SGD that averages its weights as it goes, with no schedule to set"
    ),
    _averaging(
        "schedule-free-adamw",
        ScheduleFreeAdamW(),
        "AdamW that averages its weights as it goes, with no schedule to set",
    ),
    dataclasses.replace(
        _optimizer(
            "lbfgs",
            Lbfgs(line_search="strong-wolfe"),
            "learns the curvature from differences of gradients; a step is up to 20 iterations, and costs as many",
            "Liu and Nocedal 1989; torch.optim.LBFGS",
        ),
        tasks=("regression",),
        kinds=("series",),
    ),
)


def _schedule(name: str, claim: str, source: str, change: Change, neutral: Change | None = None) -> Technique:
    """Return a schedule of the learning rate as a technique."""
    why_not = "" if neutral else "its rates are others than those of the baseline's schedule at any setting"
    return Technique(
        name=name, family="schedule", claim=claim, source=source, change=change, neutral=neutral, why_not=why_not
    )


SCHEDULES: tuple[Technique, ...] = (
    _schedule("constant", "keeps one rate to the end", "Robbins and Monro 1951", {"schedule": Constant()}),
    _schedule(
        "cosine",
        "lowers the rate along half a cosine, as the baselines do",
        "Loshchilov and Hutter 2017, eq. 5; torch.optim.lr_scheduler.CosineAnnealingLR",
        {"schedule": Cosine()},
        neutral={"schedule.final": 0.0},
    ),
    _schedule(
        "one-cycle",
        "raises the rate from a 25th, then lowers it to next to nothing, so that a high rate is reached safely",
        "Smith 2018; torch.optim.lr_scheduler.OneCycleLR",
        {"schedule": OneCycle()},
    ),
    _schedule(
        "step-decay",
        "divides the rate by ten after each 30 % of the steps",
        "He et al. 2016, section 3.4; torch.optim.lr_scheduler.StepLR",
        {"schedule": StepDecay()},
    ),
    _schedule(
        "warm-up",
        "raises the rate from near zero over the first tenth of the steps, then goes on as the baseline does",
        "Goyal et al. 2017, section 2.2; torch.optim.lr_scheduler.LinearLR",
        {"schedule.warmup": 0.1},
        neutral={"schedule.warmup": 0.0},
    ),
    _schedule(
        "reduce-on-plateau",
        "divides the rate by ten when the validation loss no longer falls",
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
        {"schedule": ReduceOnPlateau()},
    ),
)
