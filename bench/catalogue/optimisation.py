"""Remedies against overfitting in how weights are found: penalties, limits, noise, averages, when to stop."""

from bench.recipe import Technique
from bench.stages.averaging import Ema, Swa
from bench.stages.penalties import L1, L2, ElasticNet
from bench.stages.perturbations import Sam, WeightNoise
from bench.stages.stopping import EarlyStopping
from bench.stages.updates import GradientNoise, MaxNorm

OPTIMISATION: tuple[Technique, ...] = (
    Technique(
        name="early-stopping",
        family="overfitting",
        claim="stops when the validation loss no longer falls, and keeps the weights of its lowest point",
        source="Prechelt 1998",
        change={"stopping": EarlyStopping(patience=3)},
        grid={"stopping.patience": (2, 3, 5)},
        why_not="it keeps the best weights at any patience, which need not be the last",
    ),
    Technique(
        name="swa",
        family="overfitting",
        claim="keeps the mean of the weights of the last quarter of the steps",
        source="Izmailov et al. 2018",
        change={"stopping": Swa(0.75)},
        grid={"stopping.start": (0.5, 0.75)},
        why_not="running statistics are measured again even where only the last weights are averaged",
    ),
    Technique(
        name="ema",
        family="overfitting",
        claim="keeps a mean of the weights that forgets older ones exponentially",
        source="Polyak and Juditsky 1992; Tarvainen and Valpola 2017",
        change={"stopping": Ema(0.999)},
        grid={"stopping.decay": (0.5, 0.9, 0.999)},
        neutral={"stopping.decay": 0.0},
    ),
    Technique(
        name="l1",
        family="overfitting",
        claim="adds the absolute weights to the loss, so that many become zero",
        source="Tibshirani 1996",
        change={"penalties": (L1(1e-4),)},
        grid={"penalties.l1.strength": (1e-5, 1e-4, 1e-3)},
        neutral={"penalties.l1.strength": 0.0},
    ),
    Technique(
        name="l2",
        family="overfitting",
        claim="adds the squared weights to the loss, so that weights stay small",
        source="Krogh and Hertz 1991",
        change={"penalties": (L2(1e-3),)},
        grid={"penalties.l2.strength": (1e-4, 1e-3, 1e-2)},
        neutral={"penalties.l2.strength": 0.0},
    ),
    Technique(
        name="elastic-net",
        family="overfitting",
        claim="adds both the absolute and the squared weights to the loss",
        source="Zou and Hastie 2005",
        change={"penalties": (ElasticNet(1e-4, 1e-3),)},
        grid={"penalties.elastic-net.l1": (1e-5, 1e-4, 1e-3)},
        neutral={"penalties.elastic-net.l1": 0.0, "penalties.elastic-net.l2": 0.0},
    ),
    Technique(
        name="weight-decay",
        family="overfitting",
        claim="shrinks the weights a little in every step, apart from the gradient of the loss",
        source="Loshchilov and Hutter 2019",
        change={"optimizer.weight_decay": 0.1},
        grid={"optimizer.weight_decay": (0.01, 0.1, 1.0)},
        why_not="its neutral setting is the baseline's own decay, which was tuned per dataset",
    ),
    Technique(
        name="max-norm",
        family="overfitting",
        claim="limits the norm of the weights that enter a unit, so that no unit grows without bound",
        source="Srebro and Shraibman 2005; Srivastava et al. 2014, section 5.1",
        change={"updates": (MaxNorm(1.0),)},
        grid={"updates.max-norm.maximum": (0.5, 1.0, 2.0)},
        neutral={"updates.max-norm.maximum": 1e6},
    ),
    Technique(
        name="weight-noise",
        family="overfitting",
        claim="takes every gradient at weights with a little Gaussian noise, so that the minimum found is flat",
        source="Murray and Edwards 1994; Graves 2011",
        change={"updates": (WeightNoise(0.1),)},
        grid={"updates.weight-noise.sigma": (0.03, 0.1, 0.3)},
        neutral={"updates.weight-noise.sigma": 0.0},
    ),
    Technique(
        name="gradient-noise",
        family="overfitting",
        claim="adds Gaussian noise to the gradients, in standard deviations of their own",
        source="Neelakantan et al. 2015",
        change={"updates": (GradientNoise(0.1),)},
        grid={"updates.gradient-noise.sigma": (0.03, 0.1, 0.3)},
        neutral={"updates.gradient-noise.sigma": 0.0},
    ),
    Technique(
        name="sam",
        family="overfitting",
        claim="takes the gradient where the loss nearby is highest, so that the minimum found is flat; costs twice",
        source="Foret et al. 2021",
        change={"updates": (Sam(0.05),)},
        grid={"updates.sam.rho": (0.02, 0.05, 0.1)},
        neutral={"updates.sam.rho": 0.0},
    ),
)
