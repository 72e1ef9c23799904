"""Image augmentations against torchvision, image by image."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from bench.keys import Streams
from bench.stages.augmentation import Augment
from bench.stages.automatic_augmentation import LEVELS, RandAugment, TrivialAugment
from bench.stages.context import Context
from bench.stages.image_augmentation import Crop, Cutout, Flip
from bench.stages.image_operations import BLENDS, Choice, Distorter, Reach, choices

CPU = torch.device("cpu")
EVERY = [Crop(), Flip(), Cutout(), RandAugment(), TrivialAugment()]
NAMES = {
    "Identity": "identity",
    "ShearX": "shear-x",
    "ShearY": "shear-y",
    "TranslateX": "translate-x",
    "TranslateY": "translate-y",
    "Rotate": "rotate",
    "Brightness": "brightness",
    "Color": "color",
    "Contrast": "contrast",
    "Sharpness": "sharpness",
    "Posterize": "posterize",
    "Solarize": "solarize",
    "AutoContrast": "autocontrast",
    "Equalize": "equalize",
}


def context(shape: tuple[int, ...], trials: tuple[int, ...] = (0,), mirrors: bool = True) -> Context:
    """A stack of the given trials on images [channels, H, W] with means 100, 110, 120."""
    pixels = np.tile([[100.2, 110.4, 119.6], [60, 60, 60]], (len(trials), 1, 1)).astype(np.float32)
    return Context(
        inputs=[np.zeros((1, *shape), dtype=np.uint8) for _ in trials],
        targets=[np.zeros(1, dtype=np.int64) for _ in trials],
        seen=None,
        outputs=2,
        regression=False,
        streams=[Streams(1, "images", trial, 0) for trial in trials],
        device=CPU,
        pixels=pixels[:, :, : shape[0]],
        mirrors=mirrors,
    )


def batch(shape: tuple[int, ...], count: int, trials: int = 1, seed: int = 0) -> torch.Tensor:
    """Noise in shades 30 to 200 on a slope, uint8 [T, B, channels, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(30, 120, (trials, count, *shape), generator=generator)
    return (noise + torch.linspace(0, 80, shape[2]).long()).to(torch.uint8)


def augmented(stage: Augment, x: torch.Tensor, mirrors: bool = True) -> torch.Tensor:
    made = context(tuple(x.shape[2:]), tuple(range(len(x))), mirrors)
    return stage.begin(made)(x, torch.zeros(x.shape[:2], dtype=torch.int64))


# ---- laws of all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", EVERY, ids=lambda stage: stage.kind)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 12, 20)], ids=str)
def test_results_are_bytes_of_the_same_shape_and_the_batch_is_left_alone(stage: Augment, shape) -> None:
    x = batch(shape, 40, trials=2)
    before = x.clone()
    made = augmented(stage, x)
    assert made.dtype == torch.uint8
    assert made.shape == x.shape
    assert torch.equal(x, before)
    assert not torch.equal(made, x)


@pytest.mark.parametrize("stage", EVERY, ids=lambda stage: stage.kind)
def test_an_image_meets_the_same_in_a_stack_as_alone(stage: Augment) -> None:
    shape = (3, 10, 14)
    stack = stage.begin(context(shape, (0, 1, 2)))
    alone = [stage.begin(context(shape, (trial,))) for trial in (0, 1, 2)]
    for step in range(3):
        x = batch(shape, 33, trials=3, seed=step)
        labels = torch.zeros(3, 33, dtype=torch.int64)
        together = stack(x, labels)
        for trial, one in enumerate(alone):
            assert torch.equal(together[trial], one(x[trial, None], labels[trial, None])[0])
        assert not torch.equal(together[0].float() - x[0], together[1].float() - x[1])


@pytest.mark.parametrize("stage", [Crop(0), Flip(0), Cutout(0), RandAugment(0, 9)], ids=lambda stage: stage.kind)
def test_at_no_strength_it_is_the_identity(stage: Augment) -> None:
    x = batch((3, 8, 8), 20)
    assert torch.equal(augmented(stage, x), x)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Crop(0.6), "padding must be a fraction between 0 and 0.5, got 0.6"),
        (lambda: Flip(1.5), "share must be a probability between 0 and 1, got 1.5"),
        (lambda: Cutout(-0.1), "share must be a fraction between 0 and 1, got -0.1"),
        (lambda: RandAugment(-1), "operations must be at least 0, got -1"),
        (lambda: RandAugment(2, 31), "magnitude must be a level from 0 to 30, got 31"),
    ],
)
def test_parameters_out_of_range_are_refused(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


# ---- crop, flip, cutout -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "paddings"), [((3, 32, 32), (4, 4)), ((1, 8, 8), (1, 1)), ((3, 8, 24), (1, 3))])
def test_a_crop_is_one_of_torchvisions_and_each_as_likely(shape, paddings) -> None:
    down, across = paddings
    x = batch(shape, 1).expand(1, 1500, *shape).contiguous()
    padded = functional.pad(x[0, 0], [across, down], padding_mode="reflect")
    places = [(top, left) for top in range(2 * down + 1) for left in range(2 * across + 1)]
    possible = {functional.crop(padded, *place, *shape[1:]).numpy().tobytes(): place for place in places}
    assert len(possible) == len(places)
    drawn = Counter(possible[one.numpy().tobytes()] for one in augmented(Crop(), x)[0])
    assert stats.chisquare([drawn[place] for place in places]).pvalue > 1e-3


def test_a_flip_mirrors_about_half_of_the_images_and_no_digit() -> None:
    x = batch((3, 8, 8), 2000)
    made = augmented(Flip(), x)[0]
    mirrored = (made == functional.horizontal_flip(x[0])).flatten(1).all(1)
    assert ((made == x[0]).flatten(1).all(1) ^ mirrored).all()
    assert stats.binomtest(int(mirrored.sum()), 2000).pvalue > 1e-3
    assert torch.equal(augmented(Flip(), x, mirrors=False), x)


def test_to_mirror_all_twice_is_the_identity() -> None:
    x = batch((3, 8, 8), 30)
    once = augmented(Flip(1.0), x)
    assert torch.equal(once[0], functional.horizontal_flip(x[0]))
    assert torch.equal(augmented(Flip(1.0), once), x)


@pytest.mark.parametrize(("shape", "share", "size"), [((3, 8, 8), 0.5, 4), ((1, 8, 8), 0.4, 3), ((3, 6, 9), 1.0, 6)])
def test_a_hole_is_one_of_the_papers_and_each_as_likely(shape, share: float, size: int) -> None:
    """By the loop over centres of DeVries and Taylor's code, with the mean instead of the normalised zero."""
    x = batch(shape, 1).expand(1, 2000, *shape).contiguous()
    mean = torch.tensor([100, 110, 120], dtype=torch.uint8)[: shape[0], None, None]
    possible: Counter[bytes] = Counter()
    for y in range(shape[1]):
        for left in range(shape[2]):
            hole = x[0, 0].clone()
            top, begin = y - size // 2, left - size // 2
            hole[:, max(0, top) : top + size, max(0, begin) : begin + size] = mean
            possible[hole.numpy().tobytes()] += 1
    drawn = Counter(one.numpy().tobytes() for one in augmented(Cutout(share), x)[0])
    assert set(drawn) <= set(possible)
    expected = np.array(list(possible.values())) * 2000 / (shape[1] * shape[2])
    assert stats.chisquare([drawn[hole] for hole in possible], expected).pvalue > 1e-3


def test_the_network_sees_a_hole_as_about_zero() -> None:
    x = batch((3, 8, 8), 50)
    made = augmented(Cutout(1.0), x)
    covered = (made != x).flatten(3).any(2)
    pixels = context((3, 8, 8)).pixels
    assert pixels is not None
    seen = (made.flatten(3).float() - torch.from_numpy(pixels[:, None, 0, :, None])) / 60
    assert covered.any()
    assert seen.movedim(2, 3)[covered].abs().max() <= 0.5 / 60 + 1e-6


# ---- automatic augmentation -------------------------------------------------------------------------------------


def oracle(image: torch.Tensor, name: str, magnitude: float) -> torch.Tensor:
    """What torchvision's own class makes of one image, restricted to one operation at one signed magnitude."""

    space = {name: (lambda *_: torch.tensor([magnitude]), False)}
    restricted = type("Restricted", (v2.RandAugment,), {"_AUGMENTATION_SPACE": space})
    return restricted(num_ops=1, magnitude=0, num_magnitude_bins=1)(image)


def space(kind: type, levels: range | list[int], height: int, width: int) -> list[tuple[str, float]]:
    """All equally likely (operation, signed magnitude) of one of torchvision's classes."""
    listed = []
    for name, (magnitudes, signed) in kind._AUGMENTATION_SPACE.items():
        table = magnitudes(LEVELS, height, width)
        for level in levels:
            size = 0.0 if table is None else float(table[level])
            listed += [(name, size), (name, -size if signed else size)]
    return listed


def rand_choices(height: int, width: int, level: int) -> list[Choice]:
    return choices(Reach(0.3, 150 / 331 * width, 150 / 331 * height, 30.0, 0.9, 4), LEVELS, [level])


WIDE = choices(Reach(0.99, 32.0, 32.0, 135.0, 0.99, 6), LEVELS, range(LEVELS))


@pytest.mark.parametrize("level", [0, 9, 17, 30])
def test_what_randaugment_draws_from_is_torchvisions_space(level: int) -> None:
    expected = Counter((NAMES[name], size) for name, size in space(v2.RandAugment, [level], 20, 32))
    assert Counter((one.operation, one.magnitude) for one in rand_choices(20, 32, level)) == expected


def test_what_trivialaugment_draws_from_is_torchvisions_space() -> None:
    expected = Counter((NAMES[name], size) for name, size in space(v2.TrivialAugmentWide, range(LEVELS), 20, 32))
    assert Counter((one.operation, one.magnitude) for one in WIDE) == expected


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 12, 20)], ids=str)
def test_every_choice_gives_torchvisions_bytes_and_blends_one_shade_of_it(shape) -> None:
    names = {ours: theirs for theirs, ours in NAMES.items()}
    _, height, width = shape
    for among in (rand_choices(height, width, 9), rand_choices(height, width, 30), WIDE):
        images = batch(shape, len(among))[0]
        made = Distorter(among, shape, CPU)(images, torch.arange(len(among)))
        for image, one, result in zip(images, among, made, strict=True):
            expected = oracle(image, names[one.operation], one.magnitude)
            away = (result.int() - expected.int()).abs().max()
            assert away <= (one.operation in BLENDS), one


def test_blends_are_torchvisions_bytes_almost_everywhere() -> None:
    among = [one for one in WIDE if one.operation in BLENDS]
    images = batch((3, 32, 32), len(among))[0]
    made = Distorter(WIDE, (3, 32, 32), CPU)(images, torch.tensor([WIDE.index(one) for one in among]))
    expected = [
        oracle(image, one.operation.capitalize(), one.magnitude) for image, one in zip(images, among, strict=True)
    ]
    assert (made != torch.stack(expected)).float().mean() < 0.01


@pytest.mark.parametrize("stage", [RandAugment(1, 9), TrivialAugment()], ids=lambda stage: stage.kind)
def test_each_image_draws_its_own_operation_and_all_are_drawn_alike(stage: Augment) -> None:
    shape = (3, 16, 16)
    x = batch(shape, 1).expand(1, 3000, *shape).contiguous()
    among = rand_choices(16, 16, 9) if isinstance(stage, RandAugment) else WIDE
    every = Distorter(among, shape, CPU)(x[0, : len(among)], torch.arange(len(among)))
    likely: Counter[bytes] = Counter(one.numpy().tobytes() for one in every)
    drawn = Counter(one.numpy().tobytes() for one in augmented(stage, x)[0])
    assert set(drawn) <= set(likely)
    expected = np.array(list(likely.values())) * 3000 / len(among)
    assert stats.chisquare([drawn[one] for one in likely], expected).pvalue > 1e-3


def test_randaugment_applies_its_operations_one_after_the_other() -> None:
    """By replaying the stage's draws through torchvision's class, image by image."""
    shape, count, level = (3, 16, 16), 60, 12
    names = {ours: theirs for theirs, ours in NAMES.items()}
    among = rand_choices(16, 16, level)
    x = batch(shape, count)
    made = augmented(RandAugment(3, level), x)[0]
    replay = context(shape)
    drawn = [replay.integers("randaugment", 0, len(among), (count,))[0].tolist() for _ in range(3)]
    exact = 0
    for image, result, *chosen in zip(x[0], made, *drawn, strict=True):
        operations = [among[number] for number in chosen]
        if any(one.operation in BLENDS for one in operations):
            continue
        for one in operations:
            image = oracle(image, names[one.operation], one.magnitude)
        assert torch.equal(result, image)
        exact += 1
    assert exact > 10
