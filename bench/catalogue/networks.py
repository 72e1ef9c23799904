"""Networks as techniques: what a suite puts under ``with`` to say which network a dataset's baseline has."""

from bench.networks.specs import Gru, Lstm, Rnn
from bench.recipe import Technique

TRAINED = ("mlp", "rnn", "gru", "lstm", "residual-cnn")
_WHY_NOT = "it is another network than the baseline's, at any setting"

NETWORKS: tuple[Technique, ...] = (
    Technique(
        name="rnn",
        family="network",
        claim="reads a series point by point into one state, which fades within tens of points",
        source="Elman 1990; torch.nn.RNN",
        change={"network": Rnn(units=32)},
        grid={"network.units": (16, 32, 64)},
        why_not=_WHY_NOT,
        kinds=("series",),
    ),
    Technique(
        name="gru",
        family="network",
        claim="gates what its state keeps and forgets, with fewer weights than an LSTM",
        source="Cho et al. 2014; torch.nn.GRU",
        change={"network": Gru(units=32)},
        grid={"network.units": (16, 32, 64)},
        why_not=_WHY_NOT,
        kinds=("series",),
    ),
    Technique(
        name="lstm",
        family="network",
        claim="carries a memory cell past its gates, so that it learns over longer stretches",
        source="Hochreiter and Schmidhuber 1997; torch.nn.LSTM",
        change={"network": Lstm(units=32)},
        grid={"network.units": (16, 32, 64)},
        why_not=_WHY_NOT,
        kinds=("series",),
    ),
)
