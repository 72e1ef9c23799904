"""Tuning levers: what one turns on a network that works already. Each changes one thing of a dataset's baseline.

A lever that changes sizes, steps or the batch is a multiple of the baseline's, so that one value fits every dataset.
Dropout, L2, augmentation, sampling and optimizers are levers too, and stand under the names that they have elsewhere.
"""

from bench.catalogue.networks import TRAINED
from bench.recipe import Technique
from bench.stages.class_losses import Hinge, SquaredError
from bench.stages.initial import InitialWeights, Pretrained
from bench.stages.value_losses import Huber, MeanAbsoluteError

RECURRENT = ("rnn", "gru", "lstm")
_OWN = "its neutral setting is the baseline's own, which differs per network"
_OTHER_LOSS = "it is another loss than the baseline's at any setting"

ARCHITECTURE: tuple[Technique, ...] = (
    Technique(
        name="depth",
        family="tuning",
        claim="stacks more hidden layers, or more residual blocks in each group",
        source="He et al. 2016, section 4.2; Goodfellow et al. 2016, section 6.4.1",
        change={"network.depth": 4},
        grid={"network.depth": (1, 3, 4)},
        why_not=_OWN,
        networks=("mlp", "residual-cnn"),
    ),
    Technique(
        name="layers",
        family="tuning",
        claim="stacks recurrent layers, each reading the states of the one below it",
        source="Graves et al. 2013, section 2",
        change={"network.layers": 2},
        grid={"network.layers": (2, 3)},
        neutral={"network.layers": 1},
        networks=RECURRENT,
    ),
    Technique(
        name="width",
        family="tuning",
        claim="gives every hidden layer more units or fewer, as a multiple of the baseline's",
        source="Neyshabur et al. 2015, section 2",
        change={"network.scale": 2.0},
        grid={"network.scale": (0.25, 0.5, 2.0, 4.0)},
        neutral={"network.scale": 1.0},
        networks=("mlp", *RECURRENT),
    ),
    Technique(
        name="filters",
        family="tuning",
        claim="gives every convolution more filters or fewer, as a multiple of the baseline's",
        source="Zagoruyko and Komodakis 2016",
        change={"network.scale": 2.0},
        grid={"network.scale": (0.5, 2.0)},
        neutral={"network.scale": 1.0},
        networks=("residual-cnn",),
    ),
    Technique(
        name="filter-size",
        family="tuning",
        claim="lets every convolution see a larger or smaller square; weights and work grow with its area",
        source="Simonyan and Zisserman 2015, section 2.3",
        change={"network.filter": 5},
        grid={"network.filter": (1, 5)},
        neutral={"network.filter": 3},
        networks=("residual-cnn",),
    ),
    Technique(
        name="pooling",
        family="tuning",
        claim="halves images by the largest of four pixels, or by leaving every other one out, instead of their mean",
        source="Scherer et al. 2010; Springenberg et al. 2015",
        change={"network.pooling": "max"},
        grid={"network.pooling": ("max", "stride")},
        neutral={"network.pooling": "average"},
        networks=("residual-cnn",),
    ),
    Technique(
        name="time-pooling",
        family="tuning",
        claim="shows the head the mean or the largest of a recurrent network's states over time, not the last one",
        source="Boureau et al. 2010 (mean and maximum)",
        change={"network.pool": "mean"},
        grid={"network.pool": ("max", "mean")},
        neutral={"network.pool": "last"},
        networks=RECURRENT,
    ),
    Technique(
        name="activation",
        family="tuning",
        claim="bends what each hidden unit gives in another way",
        source="Glorot et al. 2011; Maas et al. 2013; Clevert et al. 2016; Hendrycks and Gimpel 2016",
        change={"network.activation": "gelu"},
        grid={"network.activation": ("leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid")},
        neutral={"network.activation": "relu"},
        networks=("mlp", "residual-cnn"),
    ),
    Technique(
        name="initialisation",
        family="tuning",
        claim="starts from weights drawn by another rule; all at zero is the warning, as units then stay alike",
        source="Glorot and Bengio 2010, eq. 16; He et al. 2015, eq. 10; Saxe et al. 2014",
        change={"initial": InitialWeights("xavier")},
        grid={"initial.method": ("zero", "small-normal", "xavier", "he", "orthogonal")},
        neutral={"initial.method": "default"},
        networks=TRAINED,
    ),
    Technique(
        name="pretrained",
        family="tuning",
        claim="starts from the encoder of a denoising autoencoder of the same training rows, without their labels",
        source="Vincent et al. 2008; Erhan et al. 2010",
        change={"initial": Pretrained(share=0.5)},
        grid={"initial.share": (0.25, 1.0)},
        neutral={"initial.share": 0.0},
        networks=TRAINED,
    ),
)

TRAINING: tuple[Technique, ...] = (
    Technique(
        name="image-side",
        family="tuning",
        claim="shows images larger or smaller, their sides as a multiple of the data's",
        source="Tan and Le 2019, section 3 (resolution)",
        change={"preprocess.image_scale": 0.5},
        grid={"preprocess.image_scale": (0.5, 2.0)},
        neutral={"preprocess.image_scale": 1.0},
        kinds=("image",),
    ),
    Technique(
        name="window-length",
        family="tuning",
        claim="shows only the newest share of a series' points",
        source="Hyndman and Athanasopoulos 2021, section 9.3 (the order of an autoregression)",
        change={"preprocess.window": 0.5},
        grid={"preprocess.window": (0.25, 0.5)},
        neutral={"preprocess.window": 1.0},
        kinds=("series",),
    ),
    Technique(
        name="epochs",
        family="tuning",
        claim="trains for more epochs or fewer: a multiple of the baseline's steps, which the schedule spans",
        source="Goodfellow et al. 2016, section 7.8; Hoffer et al. 2017",
        change={"steps_factor": 2.0},
        grid={"steps_factor": (0.25, 0.5, 2.0, 4.0)},
        neutral={"steps_factor": 1.0},
    ),
    Technique(
        name="batch-size",
        family="tuning",
        claim="takes larger batches or smaller ones, and fewer steps or more, so that as many examples are seen",
        source="Keskar et al. 2017; Shallue et al. 2019",
        change={"batch_factor": 2.0},
        grid={"batch_factor": (0.25, 0.5, 2.0, 4.0)},
        neutral={"batch_factor": 1.0},
    ),
    Technique(
        name="learning-rate",
        family="tuning",
        claim="takes longer steps or shorter ones",
        source="Bengio 2012, section 3.1.1; Smith 2017",
        change={"optimizer.lr": 1e-3},
        grid={"optimizer.lr": (1e-4, 1e-3, 1e-2, 1e-1)},
        why_not="its neutral setting is the baseline's own rate, which was tuned per dataset",
    ),
    Technique(
        name="hinge",
        family="tuning",
        claim="asks that the label's logit leads every other by a margin, and then for no more",
        source="Weston and Watkins 1999; torch.nn.MultiMarginLoss",
        change={"loss": Hinge(margin=1.0)},
        grid={"loss.margin": (0.5, 1.0, 2.0)},
        why_not=_OTHER_LOSS,
        tasks=("classification",),
    ),
    Technique(
        name="squared-error",
        family="tuning",
        claim="takes the squared error of the probabilities, the Brier score, in place of the cross-entropy",
        source="Golik et al. 2013, eq. 3; Brier 1950",
        change={"loss": SquaredError()},
        why_not=_OTHER_LOSS,
        tasks=("classification",),
    ),
    Technique(
        name="absolute-error",
        family="tuning",
        claim="takes the absolute error, whose best forecast is the median, so that outliers pull less",
        source="Koenker and Bassett 1978; torch.nn.L1Loss",
        change={"loss": MeanAbsoluteError()},
        why_not=_OTHER_LOSS,
        tasks=("regression",),
    ),
    Technique(
        name="huber",
        family="tuning",
        claim="takes the squared error of small errors and the absolute one of large errors",
        source="Huber 1964; torch.nn.HuberLoss",
        change={"loss": Huber(delta=1.0)},
        grid={"loss.delta": (0.5, 1.0, 2.0)},
        why_not=_OTHER_LOSS,
        tasks=("regression",),
    ),
)

TUNING = (*ARCHITECTURE, *TRAINING)
