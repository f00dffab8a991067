"""Encoders and generators against plain computations with the same networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.testing import check_encoder, check_generator, example_stimuli
from neurodiffuse.types import Images, Latents, Stimuli
from neurodiffuse_takagi.encoders import LatentEncoder, TextEncoder
from neurodiffuse_takagi.generators import DiffusionGenerator, LatentGenerator
from neurodiffuse_torch import noise

IDS = ("a", "b", "c")


@pytest.fixture(scope="module")
def networks(weights):
    """Return the tiny networks, loaded by the libraries and not by the plugin."""
    return {
        "vae": AutoencoderKL.from_pretrained(weights, subfolder="vae").eval(),
        "unet": UNet2DConditionModel.from_pretrained(weights, subfolder="unet").eval(),
        "text": CLIPTextModel.from_pretrained(weights, subfolder="text_encoder").eval(),
        "tokenizer": CLIPTokenizer.from_pretrained(weights, subfolder="tokenizer"),
    }


def conditions(seed: int = 0) -> dict[str, Latents]:
    values = np.random.default_rng(seed).standard_normal((3, 9 * 12)).astype(np.float32)
    return {"c": Latents(IDS, values, ((9, 12),))}


def guess(size: int = 64) -> Images:
    values = np.random.default_rng(3).integers(0, 256, (3, size, size, 3), np.uint8)
    return Images(IDS, values)


def test_encoders_keep_the_contract(weights, stimuli):
    check_encoder(LatentEncoder(weights, size=64, device="cpu"))
    check_encoder(TextEncoder(weights, device="cpu"), stimuli)


def test_generators_keep_the_contract(weights):
    z = np.random.default_rng(0).standard_normal((3, 4 * 8 * 8)).astype(np.float32)
    check_generator(
        LatentGenerator(weights, size=0, device="cpu"), {"z": Latents(IDS, z, ((4, 8, 8),))}
    )
    painter = DiffusionGenerator(weights, steps=4, size=64, device="cpu")
    check_generator(painter, conditions(), init=guess(), optional=("c", "init"))


def test_z_is_the_scaled_posterior_of_the_squashed_image(weights, networks, stimuli):
    found = LatentEncoder(weights, size=64, posterior="mean", device="cpu").encode(stimuli)
    for k, image in enumerate(stimuli.images):
        small = Image.fromarray(image).resize((64, 64), Image.Resampling.LANCZOS)
        x = torch.from_numpy(2 * np.asarray(small, np.float32) / 255 - 1).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = 0.18215 * networks["vae"].encode(x).latent_dist.mean
        np.testing.assert_allclose(
            found.values[k], expected.flatten().numpy(), rtol=1e-4, atol=1e-5
        )


def test_a_sample_has_the_posterior_s_spread(weights, networks):
    """Sixty seeds around one picture: mean and spread are those of the posterior."""
    picture = example_stimuli(1, size=64)
    draws = [
        LatentEncoder(weights, size=64, seed=s, device="cpu").encode(picture).values[0]
        for s in range(60)
    ]
    x = torch.from_numpy(np.asarray(picture.images[0], np.float32) / 127.5 - 1).permute(2, 0, 1)
    with torch.no_grad():
        posterior = networks["vae"].encode(x[None]).latent_dist
    spread = 0.18215 * posterior.std.flatten().numpy()
    mean = 0.18215 * posterior.mean.flatten().numpy()
    z = (np.array(draws) - mean) / spread
    assert abs(z.mean()) < 0.05
    assert 0.9 < z.std() < 1.1


def test_c_is_the_mean_over_captions_of_the_last_hidden_states(weights, networks, stimuli):
    found = TextEncoder(weights, device="cpu").encode(stimuli)
    (tokens,) = found.blocks()
    for k, captions in enumerate(stimuli.captions):
        rows = []
        for text in captions:
            if text:
                ids = networks["tokenizer"](text).input_ids
                eos = networks["tokenizer"].eos_token_id
                ids = [*ids[:8], eos] if len(ids) > 9 else ids + [eos] * (9 - len(ids))
                with torch.no_grad():
                    rows.append(networks["text"](torch.tensor([ids])).last_hidden_state[0].numpy())
        np.testing.assert_allclose(tokens[k], np.mean(rows, 0), atol=1e-5)


def test_captions_are_mended_before_they_are_cut_into_tokens(weights):
    encoder = TextEncoder(weights, device="cpu")
    captions = (("a’b “c”",), ('a\'b "c"',))
    stimuli = Stimuli(("x", "y"), [np.zeros((4, 4, 3), np.uint8)] * 2, captions)
    one, two = encoder.encode(stimuli).values
    np.testing.assert_array_equal(one, two)


def published_sampler(networks, c, nothing, z, noise_, *, strength, steps, scale):
    """CompVis' DDIM img2img, transcribed: alphas by index, noise one level before the first."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = np.cumprod(1 - betas)
    times = np.arange(0, 1000, 1000 // steps) + 1
    ddim, before = alphas[times], np.append(alphas[0], alphas[times[:-1]])
    t_enc = int(strength * steps)
    x = ddim[t_enc] ** 0.5 * z + (1 - ddim[t_enc]) ** 0.5 * noise_
    for i in range(t_enc)[::-1]:
        with torch.no_grad():
            t = torch.tensor([int(times[i])])
            full = networks["unet"](x.float(), t, c).sample
            empty = networks["unet"](x.float(), t, nothing).sample
        e = empty + scale * (full - empty)
        x0 = (x - (1 - ddim[i]) ** 0.5 * e) / ddim[i] ** 0.5
        x = before[i] ** 0.5 * x0 + (1 - before[i]) ** 0.5 * e
    return x


@pytest.mark.parametrize(("steps", "strength"), [(10, 0.8), (10, 0.75), (50, 0.58)])
def test_the_loop_is_the_published_one(weights, networks, steps, strength):
    scale, seeds = 5.0, (5, 6, 7)
    painter = DiffusionGenerator(
        weights, strength=strength, steps=steps, guidance=scale, size=64, device="cpu"
    )
    made = painter.generate(conditions(), init=guess(), seeds=seeds)
    ids = networks["tokenizer"]("").input_ids
    ids = ids + [networks["tokenizer"].eos_token_id] * (9 - len(ids))
    with torch.no_grad():
        nothing = networks["text"](torch.tensor([ids])).last_hidden_state
    (c,) = conditions()["c"].blocks()
    shape = (4, 8, 8)
    both = [_two(shape, seed) for seed in seeds]
    for k in range(3):
        x = torch.from_numpy(np.asarray(guess().values[k], np.float32) / 127.5 - 1)
        with torch.no_grad():
            posterior = networks["vae"].encode(x.permute(2, 0, 1)[None]).latent_dist
            z = 0.18215 * (posterior.mean + posterior.std * both[k][0])
            z = published_sampler(
                networks,
                torch.from_numpy(c[k : k + 1]),
                nothing,
                z,
                both[k][1],
                strength=strength,
                steps=steps,
                scale=scale,
            )
            picture = networks["vae"].decode(z.float() / 0.18215).sample
        expected = (255 * ((picture + 1) / 2).clamp(0, 1))[0].permute(1, 2, 0).numpy()
        assert np.abs(made.values[k] - expected).max() < 1.1  # the plugin cuts to whole numbers


def _two(shape, seed):
    from neurodiffuse_takagi.generators import STREAM
    from neurodiffuse_torch import Noise

    drawn = Noise([seed], stream=STREAM)
    return drawn.normal(shape), drawn.normal(shape)


def test_the_two_conventions_differ_and_strength_1_forgets_the_first_guess(weights):
    def made(init, **options):
        given = {"steps": 5, "size": 64, "device": "cpu", "strength": 0.6}
        painter = DiffusionGenerator(weights, **given | options)
        return painter.generate(conditions(), init=init, seeds=(1, 2, 3)).values.astype(int)

    one, two = (made(guess(), noise_convention=c) for c in ("reference", "diffusers"))
    assert np.abs(one - two).max() > 0
    from_noise = made(None, strength=1.0)
    np.testing.assert_array_equal(made(guess(), strength=1.0), from_noise)
    np.testing.assert_array_equal(made(None), from_noise)  # which then takes all steps


def test_without_c_an_empty_caption_leads(weights, networks):
    painter = DiffusionGenerator(weights, steps=4, size=64, device="cpu", guidance=3.0)
    free = painter.generate({}, init=guess(), seeds=(1, 2, 3))
    assert free.ids == IDS
    ids = networks["tokenizer"]("").input_ids
    ids = ids + [networks["tokenizer"].eos_token_id] * (9 - len(ids))
    with torch.no_grad():
        empty = networks["text"](torch.tensor([ids])).last_hidden_state.flatten().numpy()
    given = {"c": Latents(IDS, np.tile(empty, (3, 1)), ((9, 12),))}
    led = painter.generate(given, init=guess(), seeds=(1, 2, 3))
    assert np.abs(free.values.astype(int) - led.values).max() <= 1


def test_guidance_1_runs_the_network_once_a_step_and_is_the_condition_alone(weights, networks):
    painter = DiffusionGenerator(weights, steps=4, guidance=1.0, size=64, device="cpu")
    painter._load()
    sizes = []
    forward = painter._unet.forward
    painter._unet.forward = lambda x, *a, **k: sizes.append(len(x)) or forward(x, *a, **k)
    painter.generate(conditions(), init=guess(), seeds=(1, 2, 3))
    assert set(sizes) == {2, 1}  # a batch of two and one, not doubled


def test_the_first_guess_is_the_decoded_latent_enlarged(weights, networks):
    z = np.random.default_rng(1).standard_normal((3, 4 * 8 * 8)).astype(np.float32)
    made = LatentGenerator(weights, size=96, device="cpu").generate(
        {"z": Latents(IDS, z, ((4, 8, 8),))}, init=None, seeds=(0, 0, 0)
    )
    with torch.no_grad():
        x = networks["vae"].decode(torch.from_numpy(z).reshape(3, 4, 8, 8) / 0.18215).sample
    small = (255 * ((x + 1) / 2).clamp(0, 1)).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    for k in range(3):
        large = Image.fromarray(small[k]).resize((96, 96), Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(large, int) - made.values[k]).max() <= 1


def test_shapes_are_known_before_the_weights_are(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path))
    assert LatentEncoder().shapes() == ((4, 40, 40),)
    assert TextEncoder().shapes() == ((77, 768),)
    assert len(LatentEncoder().downloads()) == 10
    with pytest.raises(MissingDataError, match="neurodiffuse models fetch stable-diffusion-v1-4"):
        LatentEncoder(device="cpu").encode(example_stimuli(1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("cut", "cannot be loaded|damaged"),
        ("lacks", "missing"),
        ("other", "cannot be loaded|shape"),
    ],
)
def test_wrong_weights_are_refused_in_one_line(weights, tmp_path, damage, said, stimuli):
    folder = tmp_path / "copy"
    shutil.copytree(weights, folder)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "lacks":
        tensors.pop("decoder.conv_out.weight")
        save_file(tensors, file, metadata={"format": "pt"})
    else:
        tensors["decoder.conv_out.weight"] = torch.zeros(3, 5, 3, 3)
        save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match=said) as caught:
        LatentEncoder(str(folder), size=64, device="cpu").encode(stimuli)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_noise_is_the_image_s_own_seed():
    np.testing.assert_array_equal(noise((2,), [4, 5])[1], noise((2,), [5])[0])


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (DiffusionGenerator, {"strength": 0}),
        (DiffusionGenerator, {"strength": 1.2}),
        (DiffusionGenerator, {"steps": 0}),
        (DiffusionGenerator, {"steps": 1, "strength": 0.8}),
        (DiffusionGenerator, {"size": 4}),
        (LatentGenerator, {"size": -1}),
        (LatentEncoder, {"size": 2}),
        (LatentEncoder, {"seed": -1}),
    ],
)
def test_values_that_cannot_be_are_refused(cls, options):
    with pytest.raises(ValueError, match=r"must be|is not a whole step"):
        cls(**options)


def test_the_recipe_runs_on_the_bundled_example(weights, tmp_path):
    """From betas of the simulated brain to five samples of each image and their scores."""
    import tomli_w

    from neurodiffuse import pipeline
    from neurodiffuse.config import read_recipe, resolve
    from neurodiffuse.plan import plan_of
    from neurodiffuse.plugins import Registry
    from neurodiffuse.run import Run, opened

    root = Path(__file__).parents[3] / "bids_example"
    if not root.exists():
        pytest.skip("the bundled example is not beside the tests")
    settings = [
        *(f"{p}.weights={weights}" for p in ("features.z", "features.c")),
        *(f"stages.{s}.weights={weights}" for s in ("first-guess", "recon")),
        "mask.select=visual",
        "features.z.roi=V1+V2+V3+V4",
        "features.c.roi=faces+words+places+bodies",
        "features.z.size=64",
        "stages.first-guess.size=64",
        "stages.recon.size=64",
        "stages.recon.steps=3",
        "stages.recon.samples=2",
        "score.bootstrap=20",
        "score.oracle=false",
    ]
    registry = Registry.installed()
    table = read_recipe(registry, "takagi")
    nets = [k for k in table["metrics"] if k not in ("pixcorr", "ssim", "ssim-columnwise")]
    assert nets == ["alexnet-2", "alexnet-5", "alexnet-7", "inception", "clip"]
    for name in nets:  # their networks are tested where they are
        del table["metrics"][name]
    recipe = tmp_path / "takagi.toml"
    recipe.write_text(tomli_w.dumps(table))
    config = resolve(
        registry,
        dataset="bids",
        subjects=["01"],
        recipe=str(recipe),
        root=str(root),
        settings=settings,
    )
    config, data = pipeline.open_subjects(config, registry)
    run = Run(tmp_path / "run", config, registry, data, quiet=True)
    plan = plan_of(run)
    assert plan.targets == {"z": 4 * 8 * 8, "c": 9 * 12}
    with opened(run):
        pipeline.execute(run)
    painted = run.folder("generate", "01") / "decoded" / "recon"
    assert len(list(painted.glob("*.png"))) == 40
    assert len(list((painted / "sample-2").glob("*.png"))) == 40
    assert run.config.mask.repetitions == "single"
    assert (run.path / "report.html").is_file()


def test_stimuli_are_left_to_be_read_one_by_one(weights):
    """An encoder may not pile up the images of a whole data set."""
    held = []

    class Pictures(list):
        def __getitem__(self, k):
            held.append(k)
            return super().__getitem__(k)

    few = example_stimuli(3)
    stimuli = Stimuli(few.ids, Pictures(few.images), few.captions)
    LatentEncoder(weights, size=64, device="cpu").encode(stimuli)
    assert sorted(held) == [0, 1, 2]
