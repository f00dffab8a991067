"""Bad input: each is one clear line that names the file and what to do."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_bids.dataset import BidsDataset

from .conftest import BETAS, FUNC, SHAPE

RUN = FUNC.format(s=1, r=1)
PICTURE = "stimuli/stim-a_image.png"


def says(error: type[Exception], *texts: str, tree=None, do=None, **options):
    """Check that an error of one line holds all texts."""
    data = BidsDataset(str(tree.root), **options)
    with pytest.raises(error) as caught:
        do(data) if do else data.subject("01")
    message = str(caught.value)
    assert "\n" not in message
    for text in texts:
        assert text in message, message


def image_of(label):
    return lambda data: data.stimuli([label]).images[0]


def test_root(tmp_path):
    with pytest.raises(MissingDataError, match="there is no such folder"):
        BidsDataset(str(tmp_path / "no")).subjects()
    with pytest.raises(
        DataError, match=r"not a BIDS data set, it has no dataset_description\.json"
    ):
        BidsDataset(str(tmp_path)).subjects()
    (tmp_path / "dataset_description.json").write_text("{")
    with pytest.raises(MissingDataError, match="no subjects"):
        BidsDataset(str(tmp_path)).subjects()
    with pytest.raises(DataError, match=r"dataset_description\.json: is not readable as JSON"):
        BidsDataset(str(tmp_path)).about()


def test_a_description_that_cannot_be_read_is_told_with_the_subject(tree):
    path = tree.root / "dataset_description.json"
    path.write_text("[]")
    with pytest.raises(DataError, match=r"dataset_description\.json: holds no JSON object"):
        BidsDataset(str(tree.root)).subject("01")
    path.write_text('{"Name": "Mine", "GeneratedBy": ["me"]}')
    assert BidsDataset(str(tree.root)).about() == {"name": "Mine"}


@pytest.mark.parametrize("key", ["Recipe", "StimulusContent"])
@pytest.mark.parametrize(("value", "one"), [('["pixels"]', "pixels"), ('{"a": 1}', "NAME")])
def test_a_recipe_or_content_that_is_no_text(tree, key, value, one):
    path = tree.root / "dataset_description.json"
    path.write_text(f'{{"Name": "Mine", "{key}": {value}}}')
    with pytest.raises(DataError) as caught:
        BidsDataset(str(tree.root)).about()
    assert str(caught.value) == f'{path}: {key}: {value} is no text. Write one: "{key}": "{one}".'


def test_the_recipe_is_said_with_its_file(tree):
    path = tree.root / "dataset_description.json"
    path.write_text('{"Name": "Mine", "Recipe": "pixels"}')
    about = BidsDataset(str(tree.root)).about()
    assert (about["recipe"], about["recipe_source"]) == ("pixels", str(path))


def test_subject(tree):
    says(
        MissingDataError,
        "no subject '02'",
        "Subjects: 01",
        tree=tree,
        do=lambda d: d.roi("02", "V1"),
    )
    tree.path("sub-02/anat/x.txt").write_text("")
    says(MissingDataError, "sub-02: no single-trial betas", tree=tree, do=lambda d: d.subject("02"))


def test_betas_and_events_of_different_length(tree):
    tree.betas(f"{RUN}{BETAS}", 5)
    both = (f"{tree.root}/{RUN}{BETAS}: has 5 volumes", f"{RUN}_events.tsv has 4 rows")
    says(DataError, *both, tree=tree)


def test_no_events(tree):
    tree.path(f"{RUN}_events.tsv").unlink()
    says(MissingDataError, f"{RUN}{BETAS}", "no table of its trials", tree=tree)


def test_no_column_of_the_stimulus(tree):
    tree.table(f"{RUN}_events.tsv", "onset duration picture", "0 1 a")
    says(
        DataError, "_events.tsv", "Columns: onset, duration, picture", "stimulus_column", tree=tree
    )
    missing = "has no column 'pictur'. Did you mean 'picture'?"
    says(DataError, missing, tree=tree, stimulus_column="pictur")


def test_a_table_with_a_broken_row(tree):
    tree.table(f"{RUN}_events.tsv", "onset duration stim_id", "0 1 a", "0 1")
    says(DataError, "_events.tsv: row 3 has 2 fields where the first line names 3", tree=tree)


def test_betas_that_are_cut_off(tree):
    path = tree.path(f"{RUN}{BETAS}")
    path.write_bytes(path.read_bytes()[:-300])
    voxels = np.ones(np.prod(SHAPE), bool)
    says(DataError, f"{path}: ", "cut off", tree=tree, do=lambda d: list(d.betas("01", voxels)))
    path.write_bytes(b"not a volume")
    says(DataError, f"{path}: is not an image", tree=tree)


def test_betas_of_another_grid(tree):
    tree.betas(f"{RUN}{BETAS}", 4, (4, 4, 3))
    shapes = "shape 5 × 4 × 3 where the others have 4 × 4 × 3"
    says(DataError, "is on another grid than", shapes, tree=tree)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("label-nsdgeneral_mask", "nsdgeneral"),
        ("seg-flocfaces_dseg", "FFA"),
        ("stat-size_statmap", "size"),
    ],
)
def test_regions_of_another_grid(tree, name, region):
    """They stop nothing until somebody asks for one; then the reason is told."""
    wrong = f"sub-01/anat/sub-01_space-T1w_{name}.nii.gz"
    tree.image(wrong, np.ones((6, 4, 3), np.uint8))
    about = BidsDataset(str(tree.root)).subject("01")
    assert region not in [roi.name for roi in about.rois]
    assert region in about.absent
    shapes = "shape 6 × 4 × 3 where the betas have 5 × 4 × 3"
    assert [r.kind for r in about.remarks if wrong in r.text and shapes in r.text] == ["left out"]
    says(DataError, wrong, shapes, tree=tree, do=lambda d: d.roi("01", region))
    tree.image(wrong, np.ones(SHAPE, np.uint8), np.diag([3.0, 3, 3, 1]))
    size = "voxels of 3 × 3 × 3 mm where 2 × 2 × 2.5 mm are needed"
    says(DataError, wrong, size, "resample=true", tree=tree, do=lambda d: d.roi("01", region))


def test_images(tree):
    path = tree.path(PICTURE)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    says(DataError, str(path), "cut off", tree=tree, do=image_of("stim-a"))
    path.write_bytes(b"hello")
    says(DataError, f"{path}: is not an image", tree=tree, do=image_of("stim-a"))
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(path, "TIFF")
    says(DataError, f"{path}: is a picture of a kind", tree=tree, do=image_of("stim-a"))
    path.unlink()
    says(MissingDataError, PICTURE, tree=tree, do=opened(image_of("stim-a")))
    says(MissingDataError, "no image for the stimulus stim-aa", tree=tree, do=image_of("stim-aa"))


def opened(then):
    return lambda data: (data.subject("01"), then(data))


@pytest.mark.parametrize("side", [9000, 30000])
def test_huge_images(tree, side):
    file = io.BytesIO()
    Image.new("1", (4, 4)).save(file, "PNG")
    size = side.to_bytes(4, "big") * 2
    tree.path(PICTURE).write_bytes(_with_header(file.getvalue(), size))
    says(DataError, PICTURE, "huge image", tree=tree, do=image_of("stim-a"))


def _with_header(png: bytes, size: bytes) -> bytes:
    """Return a PNG that says it has another size, with the right checksum."""
    import zlib

    header = png[12:16] + size + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "a/../../../secret.png"])
def test_a_path_that_climbs_out(tree, name):
    Image.new("RGB", (3, 3)).save(tree.root.parent / "secret.png")
    events = tree.path(f"{RUN}_events.tsv")
    events.write_text(events.read_text().replace("stim-a_image.png", name))
    other = tree.path(f"{FUNC.format(s=1, r=2)}_events.tsv")
    other.write_text(other.read_text().replace("stim-a_image.png", name))
    says(DataError, "stim-a", f"{name!r} climbs out", tree=tree, do=opened(image_of("stim-a")))


def test_a_link_that_climbs_out(tree):
    secret = tree.root.parent / "secret.png"
    Image.new("RGB", (3, 3)).save(secret)
    tree.path(PICTURE).unlink()
    tree.path(PICTURE).symlink_to(secret)
    says(DataError, "leads out of the data set", "--links any", tree=tree, do=image_of("stim-a"))


def test_one_id_for_two_images(tree):
    tree.table(
        "stimuli/stimuli.tsv", "stim_id type", "stim-a image", "stim-b image", "stim-a image"
    )
    data = "the stimulus stim-a has two rows"
    says(DataError, "stimuli.tsv", data, tree=tree, do=lambda d: d.stimuli(["a"]))
    tree.path("stimuli/stimuli.tsv").unlink()
    events = tree.path(f"{RUN}_events.tsv")
    events.write_text(events.read_text().replace("stim-a_image", "stim-b_image"))
    says(DataError, "_events.tsv", "the stimulus stim-a is", "stands for one image", tree=tree)


def test_two_files_for_one_id(empty):
    empty.pictures("a")
    Image.new("RGB", (3, 3)).save(empty.path("stimuli/stim-a_image.jpg"))
    empty.betas(f"{RUN}_betas.nii.gz", 1)
    empty.table(f"{RUN}_events.tsv", "onset stim_id split", "0 stim-a test")
    both = "has two images: stim-a_image.jpg, stim-a_image.png"
    says(DataError, both, tree=empty, do=image_of("stim-a"))


def test_an_image_in_training_and_test(tree):
    events = tree.path(f"{FUNC.format(s=1, r=2)}_events.tsv")
    events.write_text(re.sub("stim-a train", "stim-a test", events.read_text().replace("\t", " ")
                             ).replace(" ", "\t"))  # fmt: skip
    says(DataError, "sub-01: the image stim-a is both in training and in test", tree=tree)


def test_no_split(tree):
    for path in tree.root.rglob("*_events.tsv"):
        path.write_text(path.read_text().replace("split", "other"))
    says(DataError, "nothing says which images are the test set", '"repeats>=N"', tree=tree)


def test_a_split_in_some_of_the_events(tree):
    events = tree.path(f"{RUN}_events.tsv")
    events.write_text(events.read_text().replace("split", "other"))
    says(DataError, "session '01', run '01' have no column 'split'", tree=tree)


def test_an_unknown_side(tree):
    events = tree.path(f"{RUN}_events.tsv")
    events.write_text(events.read_text().replace("train", "trian"))
    says(DataError, "split is 'trian'; possible: train, test", tree=tree)


@pytest.mark.parametrize(
    "options",
    [
        {"split": "repeats>2"},
        {"split": "fraction:1.5"},
        {"split": "fraction:0.0"},
        {"split": "file"},
        {"split": "shared", "split_file": "x.tsv"},
        {"betas_filter": {"descr": "x"}},
    ],
)
def test_options(options):
    with pytest.raises(ValueError, match=r"split|Did you mean 'desc'"):
        BidsDataset("anywhere", **options)
