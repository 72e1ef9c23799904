"""Remedies against class imbalance that act on the training rows."""

from bench.recipe import Technique
from bench.stages.cleaning import EditedNearestNeighbours, InstanceHardness, NearMiss, OneSidedSelection, TomekLinks
from bench.stages.generating import AutoencoderSamples, GanSamples
from bench.stages.phases import Phase
from bench.stages.resampling import OverSample, Smote, UnderOverSample, UnderSample
from bench.stages.smote_cleaned import SmoteEnn, SmoteTomek
from bench.stages.smote_variants import Adasyn, BorderlineSmote, KmeansSmote, SvmSmote
from bench.stages.smoting import Smotenc

_CLASSES = ("classification",)
_FRESH_ROWS = "on imbalanced rows every setting changes the training set"
_AS_DATA_ARE = "whether rows are dropped is up to the data"
_RATIOS = (0.1, 0.5, 1.0)

RANDOM: tuple[Technique, ...] = (
    Technique(
        name="under-sampling",
        family="imbalance: rows",
        claim="drops rows of larger classes until all are as small as the smallest",
        source="Japkowicz and Stephen 2002",
        change={"resample": UnderSample(1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="over-sampling",
        family="imbalance: rows",
        claim="repeats rows of smaller classes until all are as large as the largest",
        source="Japkowicz and Stephen 2002; Buda et al. 2018",
        change={"resample": OverSample(1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="under-over-sampling",
        family="imbalance: rows",
        claim="meets half-way: cuts the larger classes and repeats rows of the smaller ones",
        source="Buda et al. 2018, section 2.1",
        change={"resample": UnderOverSample(0.5)},
        grid={"resample.position": (0.25, 0.5, 0.75)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
)

SMOTES: tuple[Technique, ...] = (
    Technique(
        name="smote",
        family="imbalance: rows",
        claim="adds points between neighbouring rows of the smaller classes",
        source="Chawla et al. 2002",
        change={"resample": Smote(5, 1.0)},
        grid={"resample.neighbours": (3, 5), "resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="smotenc",
        family="imbalance: rows",
        claim="adds points between rows of tables, with the category that most neighbours have",
        source="Chawla et al. 2002, section 6.1",
        change={"resample": Smotenc(5, 1.0)},
        grid={"resample.neighbours": (3, 5), "resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
        kinds=("table",),
        offers=("categories",),
    ),
    Technique(
        name="borderline-smote",
        family="imbalance: rows",
        claim="adds points where a smaller class meets others, which is where it is mistaken for them",
        source="Han et al. 2005, borderline-SMOTE1",
        change={"resample": BorderlineSmote(5, 1.0)},
        grid={"resample.surroundings": (5, 10, 20), "resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="svm-smote",
        family="imbalance: rows",
        claim="adds points along the border that a support vector machine finds",
        source="Nguyen et al. 2011",
        change={"resample": SvmSmote(5, 1.0)},
        grid={"resample.surroundings": (5, 10, 20), "resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="kmeans-smote",
        family="imbalance: rows",
        claim="adds points within clusters where a smaller class is at home, more where it is sparse",
        source="Last, Douzas and Bacao 2017",
        change={"resample": KmeansSmote(5, 1.0)},
        grid={"resample.clusters": (4, 8, 16), "resample.enriched": (0.0, 1.0, 2.0)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="adasyn",
        family="imbalance: rows",
        claim="adds most points around the rows that have most rows of other classes near them",
        source="He et al. 2008",
        change={"resample": Adasyn(5, 1.0)},
        grid={"resample.neighbours": (3, 5), "resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="feature-smote",
        family="imbalance: rows",
        claim="adds points between what the trained network makes of rows, and tunes its last layer on them",
        source="Dablain et al. 2022 (Efficient Augmentation for Imbalanced Deep Learning), its framework with SMOTE",
        change={"phases": (Phase("feature-smote", 0.8, {"resample": Smote(5, 1.0)}, part="head"),)},
        grid={"phases.feature-smote.start": (0.5, 0.8)},
        why_not="the last layer trains alone from a share of the steps on, whatever it trains on",
        tasks=_CLASSES,
    ),
)

CLEANING: tuple[Technique, ...] = (
    Technique(
        name="tomek-links",
        family="imbalance: rows",
        claim="drops rows of the larger classes that face a row of another class, to clear the border",
        source="Tomek 1976",
        change={"resample": TomekLinks()},
        grid={"resample.treated": ("larger", "not-smallest")},
        why_not=_AS_DATA_ARE,
        tasks=_CLASSES,
    ),
    Technique(
        name="edited-nearest-neighbours",
        family="imbalance: rows",
        claim="drops rows of the larger classes that their neighbours would call something else",
        source="Wilson 1972",
        change={"resample": EditedNearestNeighbours()},
        grid={"resample.neighbours": (3, 5)},
        why_not=_AS_DATA_ARE,
        tasks=_CLASSES,
    ),
    Technique(
        name="one-sided-selection",
        family="imbalance: rows",
        claim="drops rows of the larger classes far inside them, and those that face a row of another class",
        source="Kubat and Matwin 1997",
        change={"resample": OneSidedSelection()},
        grid={"resample.seeds": (1, 10)},
        why_not=_AS_DATA_ARE,
        tasks=_CLASSES,
    ),
    *(
        Technique(
            name=f"near-miss-{version}",
            family="imbalance: rows",
            claim=f"cuts the larger classes to {kept}",
            source=f"Zhang and Mani 2003, NearMiss-{version}",
            change={"resample": NearMiss(version)},
            grid={"resample.ratio": _RATIOS},
            why_not=_FRESH_ROWS,
            tasks=_CLASSES,
        )
        for version, kept in enumerate(
            (
                "the rows nearest to some rows of the smallest class",
                "the rows nearest to the farthest rows of the smallest class",
                "rows around each row of the smallest class",
            ),
            start=1,
        )
    ),
    Technique(
        name="instance-hardness",
        family="imbalance: rows",
        claim="cuts the larger classes to the rows that are easiest to classify",
        source="Smith et al. 2014",
        change={"resample": InstanceHardness()},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="smote-tomek",
        family="imbalance: rows",
        claim="adds points between neighbours, and drops pairs that face each other across a border",
        source="Batista et al. 2004",
        change={"resample": SmoteTomek(5, 1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="smote-enn",
        family="imbalance: rows",
        claim="adds points between neighbours, and drops rows that their neighbours would call something else",
        source="Batista et al. 2004",
        change={"resample": SmoteEnn(5, 1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
        kinds=("table", "series"),  # among pixels new rows are the nearest to most others, and clean whole classes away
    ),
)

GENERATED: tuple[Technique, ...] = (
    Technique(
        name="autoencoder-samples",
        family="imbalance: rows",
        claim="adds rows of the smaller classes that an autoencoder decodes from codes like theirs",
        source="Dablain et al. 2022 (DeepSMOTE), with a normal distribution of codes in place of interpolation",
        change={"resample": AutoencoderSamples(1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="gan-samples",
        family="imbalance: rows",
        claim="adds rows of the smaller classes that a generator learned to make of noise",
        source="Goodfellow et al. 2014; Mirza and Osindero 2014; Mao et al. 2017",
        change={"resample": GanSamples(1.0)},
        grid={"resample.ratio": _RATIOS},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
)

RESAMPLING: tuple[Technique, ...] = (*RANDOM, *SMOTES, *CLEANING, *GENERATED)
