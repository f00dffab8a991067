"""The order of rows and sessions, and which rows and runs count: each trial against its volume."""

from __future__ import annotations

import re

import numpy as np
import pytest

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.samples import remark_on_samples, sample_of, spread_of
from neurodiffuse.readers.spread import remark_on_spreads
from neurodiffuse_bids.dataset import BidsDataset

from . import coded
from .conftest import BETAS

RUNS = ((2, 3, 4, 5), (3, 2, 5, 6))
JOINED = [*RUNS[0], *RUNS[1]]


def opened(tree, **options) -> BidsDataset:
    return BidsDataset(str(tree.root), **options)


# --- rows -------------------------------------------------------------------------------------


def test_rows_that_are_not_in_order_of_time(empty):
    stems = coded.plain(empty, RUNS)  # the volumes are in the order of time
    for stem, numbers in zip(stems, RUNS, strict=True):
        rows = sorted(coded.rows_of(numbers), key=lambda row: (row["split"], row["stim_id"]))
        coded.events(empty, f"{stem}_events.tsv", rows)
    with pytest.raises(DataError) as error:
        opened(empty).subject("01")
    said = str(error.value)
    assert "run-01_events.tsv: rows are not in the order of their onsets" in said
    assert "stim-2 at 0 s comes after stim-5 at 12 s" in said
    assert "order=file" in said
    assert "order=onset" in said
    assert coded.seen(opened(empty, order="onset")) == JOINED
    with pytest.raises(AssertionError):  # the volumes are not in the order of the rows
        coded.seen(opened(empty, order="file"))


def test_volumes_may_be_in_the_order_of_the_rows(empty):
    (first, _) = coded.plain(empty, RUNS)
    rows = coded.rows_of(RUNS[0])[::-1]
    coded.write_run(empty, first, RUNS[0][::-1], rows)
    assert coded.seen(opened(empty, order="file")) == [*RUNS[0][::-1], *RUNS[1]]


def test_rows_without_a_volume_may_be_anywhere(empty):
    (first, _) = coded.plain(empty, RUNS)
    press = {**coded.rows_of((2,))[0], "stim_id": "n/a", "stim_file": "n/a", "onset": 1}
    coded.events(empty, f"{first}_events.tsv", [*coded.rows_of(RUNS[0]), press, press])
    assert coded.seen(opened(empty)) == JOINED


def test_onsets_begin_again_in_each_run_of_a_table(empty):
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-look"
    rows = [
        {**row, "run": k + 1} for k, numbers in enumerate(RUNS) for row in coded.rows_of(numbers)
    ]
    coded.write_run(empty, stem, JOINED, rows)
    for n in JOINED:
        coded.draw(empty, f"stimuli/stim-{n}_image.png", n)
    assert coded.seen(opened(empty)) == JOINED
    mixed = [rows[k] for k in (0, 4, 1, 5, 2, 6, 3, 7)]
    coded.events(empty, f"{stem}_events.tsv", mixed)
    with pytest.raises(DataError, match="not in the order of their onsets"):
        opened(empty).subject("01")
    assert coded.seen(opened(empty, order="onset")) == JOINED


def test_sorting_needs_every_onset(empty):
    (first, _) = coded.plain(empty, RUNS)
    rows = coded.rows_of(RUNS[0])
    rows[2]["onset"] = "n/a"
    coded.events(empty, f"{first}_events.tsv", rows)
    assert coded.seen(opened(empty)) == JOINED
    with pytest.raises(DataError, match="1 of 4 rows have none"):
        opened(empty, order="onset").subject("01")


# --- sessions ---------------------------------------------------------------------------------

WHEN = {"pre": "2020-03-01T09:00:00", "post": "2020-04-01T09:00:00", "far": "2021-01-01T00:00:00"}
SHOWN = {"pre": (2, 3), "post": (4, 5), "far": (6, 7)}


def in_words(tree, joined: bool) -> None:
    """Write sessions pre, post and far, each a run; with their betas in one file or three."""
    for session, numbers in SHOWN.items():
        stem = f"sub-01/ses-{session}/func/sub-01_ses-{session}_task-look_run-1"
        if joined:
            coded.events(tree, f"{stem}_events.tsv", coded.rows_of(numbers))
        else:
            coded.write_run(tree, stem, numbers, coded.rows_of(numbers))
        for n in numbers:
            coded.draw(tree, f"stimuli/stim-{n}_image.png", n)
    if joined:
        tree.image(f"sub-01/func/sub-01_task-look{BETAS}", coded.volumes([2, 3, 4, 5, 6, 7]))


def times(tree, where: str) -> None:
    if where == "sessions":
        rows = [{"session_id": f"ses-{s}", "acq_time": t} for s, t in sorted(WHEN.items())]
        coded.events(tree, "sub-01/sub-01_sessions.tsv", rows)
        return
    for session, time in WHEN.items():
        row = {"filename": f"func/sub-01_ses-{session}_bold.nii.gz", "acq_time": time}
        coded.events(tree, f"sub-01/ses-{session}/sub-01_ses-{session}_scans.tsv", [row])


def test_sessions_in_words_are_asked_for_where_the_order_matters(empty):
    in_words(empty, joined=True)
    with pytest.raises(DataError) as error:
        opened(empty).subject("01")
    assert "joins the sessions far, post, pre" in str(error.value)
    assert """--set 'datasets.bids.sessions=["FIRST", "SECOND", …]'""" in str(error.value)
    assert '"post"' not in str(error.value)  # an order ready to be copied may be the wrong one
    data = opened(empty, sessions=["pre", "ses-post", "far"])
    assert coded.seen(data) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("where", ["sessions", "scans"])
@pytest.mark.parametrize("joined", [True, False])
def test_sessions_in_words_with_times(empty, where, joined):
    in_words(empty, joined)
    times(empty, where)
    data = opened(empty)
    assert coded.seen(data) == [2, 3, 4, 5, 6, 7]
    assert list(dict.fromkeys(data.subject("01").trials.session)) == ["pre", "post", "far"]
    said = "its volumes are taken to be in the order ses-pre run-1, ses-post run-1, ses-far run-1"
    assert (said in coded.remarks(data)) is joined
    assert len(data.subject("01").remarks) == joined


def test_sessions_in_words_of_which_the_order_does_not_matter(empty):
    in_words(empty, joined=False)
    data = opened(empty)
    assert coded.seen(data) == [6, 7, 4, 5, 2, 3]
    assert "sessions: far, post, pre are taken in the order of the alphabet" in coded.remarks(data)


DATES = {
    "another way of dates": ("02.03.2020", "sub-01_sessions.tsv: acq_time '02.03.2020' of session "
                             "pre is no ISO time such as 2020-03-31T10:15:00"),
    "the time of another": (WHEN["far"], "sub-01_sessions.tsv: sessions far and pre have the same "
                            "acq_time, 2021-01-01 00:00:00"),
    "no time": ("n/a", "sub-01_sessions.tsv has no acq_time of session pre"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATES)
@pytest.mark.parametrize("joined", [True, False])
def test_times_that_do_not_say_the_order_are_told(empty, name, joined):
    in_words(empty, joined)
    text, said = DATES[name]
    rows = [
        {"session_id": f"ses-{s}", "acq_time": text if s == "pre" else t} for s, t in WHEN.items()
    ]
    coded.events(empty, "sub-01/sub-01_sessions.tsv", rows)
    if not joined:
        assert f"in the order of the alphabet, since {said}" in coded.remarks(opened(empty))
        return
    with pytest.raises(DataError) as error:
        opened(empty).subject("01")
    assert f"joins the sessions far, post, pre, and {said}. List them" in str(error.value)


def test_times_of_scans_stand_in_for_what_is_no_time(empty):
    in_words(empty, joined=True)
    times(empty, "scans")
    rows = [{"session_id": f"ses-{s}", "acq_time": "02.03.2020"} for s in WHEN]
    coded.events(empty, "sub-01/sub-01_sessions.tsv", rows)
    assert coded.seen(opened(empty)) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("onset", [4, "n/a"])
def test_onsets_that_are_all_equal_are_told(empty, onset):
    stems = coded.plain(empty, RUNS)
    assert "cannot be checked" not in coded.remarks(opened(empty))
    for stem, numbers in zip(stems, RUNS, strict=True):
        coded.events(empty, f"{stem}_events.tsv", coded.rows_of(numbers, onset=onset))
    data = opened(empty)
    assert coded.seen(data) == JOINED
    (said,) = (r for r in data.subject("01").remarks if "cannot be checked" in r.text)
    assert said.kind == "note"
    assert "run-01_events.tsv, sub-01_ses-01_task-look_run-02_events.tsv: all rows" in said.text
    assert "cannot be checked" not in coded.remarks(opened(empty, order="file"))


def in_a_column(tree) -> list[dict[str, object]]:
    """Write one file of betas and one table for the subject, with a column of sessions."""
    every = [n for numbers in SHOWN.values() for n in numbers]
    rows = [
        {**row, "session": session}
        for session, numbers in SHOWN.items()
        for row in coded.rows_of(numbers)
    ]
    coded.write_run(tree, "sub-01/func/sub-01_task-look", every, rows)
    for n in every:
        coded.draw(tree, f"stimuli/stim-{n}_image.png", n)
    return rows


@pytest.mark.parametrize("order", ["", "file", "onset"])
def test_sessions_of_rows_come_as_in_the_table(empty, order):
    in_a_column(empty)
    data = opened(empty, order=order)
    assert coded.seen(data) == [2, 3, 4, 5, 6, 7]
    assert data.subject("01").trials.session == ("pre",) * 2 + ("post",) * 2 + ("far",) * 2


@pytest.mark.parametrize("where", ["sessions", "scans", "option"])
def test_sessions_of_sorted_rows_come_by_their_times(empty, where):
    rows = sorted(in_a_column(empty), key=lambda row: (row["session"], -row["onset"]))
    coded.events(empty, "sub-01/func/sub-01_task-look_events.tsv", rows)
    sessions = ["pre", "ses-post", "far"] if where == "option" else None
    if where != "option":
        times(empty, where)
    with pytest.raises(DataError, match="not in the order of their onsets"):
        opened(empty, sessions=sessions).subject("01")
    assert coded.seen(opened(empty, sessions=sessions, order="onset")) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("order", ["", "onset"])
def test_sessions_of_rows_can_be_chosen(empty, order):
    in_a_column(empty)
    data = opened(empty, sessions=["post", "far"], order=order)
    assert coded.seen(data) == [4, 5, 6, 7]
    assert "left out: sessions pre: not in datasets.bids.sessions" in coded.remarks(data)
    with pytest.raises(DataError, match=r"no session 'pots'. Did you mean 'post'\?"):
        opened(empty, sessions=["pots"]).subject("01")


def test_sessions_can_be_chosen(empty):
    in_words(empty, joined=False)
    data = opened(empty, sessions=["post", "pre"])
    assert coded.seen(data) == [4, 5, 2, 3]
    assert "left out: sessions far: not in datasets.bids.sessions" in coded.remarks(data)
    with pytest.raises(DataError, match=r"no session 'pots'. Did you mean 'post'\? Sessions: far"):
        opened(empty, sessions=["pots"]).subject("01")


def test_numbered_sessions_need_no_times(empty):
    for k, (session, numbers) in enumerate(SHOWN.items()):
        stem = f"sub-01/ses-wave{10 - k}/func/sub-01_ses-wave{10 - k}_task-look_run-1"
        coded.write_run(empty, stem, numbers, coded.rows_of(numbers))
        for n in numbers:
            coded.draw(empty, f"stimuli/stim-{n}_image.png", n)
        assert session
    data = opened(empty)
    assert coded.seen(data) == [6, 7, 4, 5, 2, 3]  # 8, 9, 10
    assert coded.remarks(data) == ""


def test_a_joined_file_whose_runs_sort_otherwise_by_name(empty):
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-look"
    for run in (1, 2, 10):
        coded.events(empty, f"{stem}_run-{run}_events.tsv", coded.rows_of((2 * run, 2 * run + 1)))
        for n in (2 * run, 2 * run + 1):
            coded.draw(empty, f"stimuli/stim-{n}_image.png", n)
    empty.image(f"{stem}{BETAS}", coded.volumes([2, 3, 4, 5, 20, 21]))
    data = opened(empty)
    assert coded.seen(data) == [2, 3, 4, 5, 20, 21]
    assert "warning:" in coded.remarks(data)
    assert "order ses-1 run-1, ses-1 run-2, ses-1 run-10, which is not" in coded.remarks(data)


# --- rows and runs that count -----------------------------------------------------------------


def kinds(tree):
    """Write runs whose even pictures are faces, and those divisible by 3 scrambled."""
    stems = coded.plain(tree, RUNS)
    for stem, numbers in zip(stems, RUNS, strict=True):
        rows = [
            {**row, "stim_type": "Scrambled" if n % 3 == 0 else ("Face", "House")[n % 2], "rep": k}
            for k, (row, n) in enumerate(zip(coded.rows_of(numbers), numbers, strict=True))
        ]
        coded.events(tree, f"{stem}_events.tsv", rows)
    return stems


def test_rows_can_be_chosen_and_volumes_do_not_shift(empty):
    kinds(empty)
    chosen = opened(empty, trials_filter={"stim_type": ["House", "Scrambled"]})
    assert coded.seen(chosen) == [3, 5, 3, 5, 6]
    assert coded.seen(opened(empty, exclude={"stim_type": "Scrambled"})) == [2, 4, 5, 2, 5]
    both = opened(empty, trials_filter={"stim_type": "Face"}, exclude={"rep": [0]})
    assert coded.seen(both) == [4, 2]


def test_betas_of_chosen_rows_alone(empty):
    (first, _) = kinds(empty)
    empty.image(f"{first}{BETAS}", coded.volumes([2, 4, 5]))
    assert coded.seen(opened(empty, exclude={"stim_type": "Scrambled"})) == [2, 4, 5, 2, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials_filter": {"stimtype": "Face"}}, "no column 'stimtype'. Did you mean 'stim_type'"),
        ({"exclude": {"stim_type": ["Scramled"]}}, "never 'Scramled'.*Did you mean 'Scrambled'"),
        ({"trials_filter": {"stim_type": "face"}}, "never 'face'.*Values: Face, House, Scrambled"),
    ],
)
def test_unknown_columns_and_values(empty, options, message):
    kinds(empty)
    with pytest.raises(DataError, match=message):
        opened(empty, **options).subject("01")


def test_a_value_that_only_another_subject_has(empty):
    kinds(empty)
    other = [{**row, "stim_type": "Catch"} for row in coded.rows_of((2, 3))]
    coded.write_run(empty, "sub-02/func/sub-02_task-look", (2, 3), other)
    assert coded.seen(opened(empty, exclude={"stim_type": "Catch"})) == JOINED


def test_catch_trials_without_a_picture_can_be_left_out(empty):
    (first, _) = coded.plain(empty, RUNS)
    catch = {**coded.rows_of((9,))[0], "onset": 2, "split": "train"}
    rows = coded.rows_of(RUNS[0])
    rows[0]["onset"] = 1
    coded.write_run(empty, first, (2, 9, 3, 4, 5), [rows[0], catch, *rows[1:]])
    with pytest.raises(MissingDataError, match=r"datasets\.bids\.exclude"):
        coded.seen(opened(empty))
    assert coded.seen(opened(empty, exclude={"stim_id": "stim-9"})) == JOINED
    assert coded.seen(opened(empty, missing="skip")) == JOINED


@pytest.mark.parametrize("how", ["absent", "link", "pointer"])
def test_betas_of_a_run_are_missing(empty, how):
    (first, _) = coded.plain(empty, RUNS)
    path = empty.path(f"{first}{BETAS}")
    path.unlink()
    expected = f"{first}_events.tsv: there are no betas of these events"
    if how == "link":
        path.symlink_to("../../../.git/annex/objects/XX/MD5E-s1--0.nii.gz")
        expected = rf"run-01{BETAS}: the link leads nowhere. Get it (datalad get {first}{BETAS})"
    elif how == "pointer":
        path.write_text("/annex/objects/MD5E-s10--0.nii.gz\n")
        expected = f"run-01{BETAS}: its content is not here"
    with pytest.raises(MissingDataError) as error:
        opened(empty).subject("01")
    assert expected in str(error.value)
    assert "--set datasets.bids.missing=skip" in str(error.value)
    data = opened(empty, missing="skip")
    assert coded.seen(data) == list(RUNS[1])
    assert "warning:" in coded.remarks(data)
    assert "left out (missing = skip)" in coded.remarks(data)


def test_other_tasks_and_runs_without_pictures_are_not_missing(empty):
    coded.plain(empty, RUNS)
    func = "sub-01/ses-01/func/sub-01_ses-01"
    coded.events(empty, f"{func}_task-rest_run-1_events.tsv", coded.rows_of((2, 3)))
    blank = [{**row, "stim_id": "n/a", "stim_file": "n/a"} for row in coded.rows_of((2, 3))]
    coded.events(empty, f"{func}_task-look_run-3_events.tsv", blank)
    coded.events(empty, f"{func}_task-look_acq-test_run-4_events.tsv", coded.rows_of((2, 3)))
    data = opened(empty)
    assert coded.seen(data) == JOINED
    assert coded.remarks(data) == ""
    chosen = {"suffix": "statmap", "desc": "singletrial", "run": "01"}
    assert coded.seen(opened(empty, betas_filter=chosen)) == list(RUNS[0])


def test_a_file_per_picture_of_which_one_is_missing(empty):
    stem = "sub-01/func/sub-01_task-look"
    for n in (2, 3, 4):
        empty.image(f"{stem}_stim-{n}_statmap.nii.gz", coded.volumes([n])[..., 0])
    coded.events(empty, f"{stem}_events.tsv", coded.rows_of((2, 3, 4, 5)))
    for n in (2, 3, 4, 5):
        coded.draw(empty, f"stimuli/stim-{n}_image.png", n)
    with pytest.raises(MissingDataError, match=r"_events.tsv \(stim-5\): there are no betas"):
        opened(empty).subject("01")
    assert coded.seen(opened(empty, missing="skip")) == [2, 3, 4]


# --- numbers ----------------------------------------------------------------------------------


def test_rows_that_are_averages(empty):
    (first, _) = coded.plain(empty, RUNS)
    rows = [
        {**row, "n_trials": n} for row, n in zip(coded.rows_of(RUNS[0]), (1, 3, 2, 4), strict=True)
    ]
    coded.events(empty, f"{first}_events.tsv", rows)
    data = opened(empty)
    trials = data.subject("01").trials
    assert trials.count == (1, 3, 2, 4, 1, 1, 1, 1)
    assert trials.total("test") == 3 + 4 + 1 + 1
    assert "rows are averages of 1 to 4 trials by their column n_trials" in coded.remarks(data)
    rows[1]["n_trials"] = "many"
    coded.events(empty, f"{first}_events.tsv", rows)
    with pytest.raises(DataError, match="n_trials of the stimulus stim-3 is 'many'"):
        opened(empty).subject("01")


def test_counts_of_one_are_none(empty):
    (first, _) = coded.plain(empty, RUNS)
    before = opened(empty).fingerprint("01")
    rows = [{**row, "n_trials": "1.0"} for row in coded.rows_of(RUNS[0])]
    coded.events(empty, f"{first}_events.tsv", rows)
    assert opened(empty).subject("01").trials.count == ()
    assert opened(empty).fingerprint("01") == before


def test_runs_in_other_units_are_told_and_can_be_standardised(empty):
    (_, second) = coded.plain(empty, RUNS)
    coded.write_run(empty, second, RUNS[1], coded.rows_of(RUNS[1]), times=300)
    data = opened(empty)
    said = coded.remarks(data)
    assert "warning: betas: the spread of sub-01_ses-01_task-look_run-02" in said
    assert "--set datasets.bids.standardise=run" in said
    scored = opened(empty, standardise="run")
    assert "warning" not in coded.remarks(scored)
    got = np.vstack(list(scored.betas("01", coded.ALL)))
    for numbers, part in zip(RUNS, (got[:4], got[4:]), strict=True):
        x = np.array(numbers, float)
        train = x[x % 2 == 0]
        z = (x - train.mean()) / train.std(ddof=1)
        expected = z[:, None] * np.sign(coded.PATTERN.ravel())
        np.testing.assert_allclose(part, expected, rtol=1e-3, atol=1e-4)
    assert scored.fingerprint("01") != data.fingerprint("01")


def test_a_run_of_test_trials_is_standardised_by_them_and_that_is_told(empty):
    coded.plain(empty, ((2, 4, 6), (3, 5, 7)))
    data = opened(empty, standardise="run")
    assert "warning: betas: z-scored by run (standardise = run), and 1 of 2" in coded.remarks(data)
    assert "task-look_run-02" in coded.remarks(data)
    got = np.vstack(list(data.betas("01", coded.ALL)))
    expected = np.array([-1, 0, 1])[:, None] * np.sign(coded.PATTERN.ravel())
    np.testing.assert_allclose(got, np.vstack([expected, expected]), rtol=1e-3, atol=1e-4)


def test_standardising_one_trial_is_refused(empty):
    coded.plain(empty, ((2, 3), (4,)))
    with pytest.raises(DataError, match=r"run-02.*needs two or more trials"):
        list(opened(empty, standardise="run").betas("01", coded.ALL))


def test_a_scale_factor_of_integers_counts(empty):
    (_, second) = coded.plain(empty, RUNS)
    stored = np.rint(coded.volumes(RUNS[1]) * 300).astype(np.int16)
    empty.image(f"{second}{BETAS}", stored)
    assert "warning" in coded.remarks(opened(empty))
    empty.json(f"{second}{BETAS}".replace(".nii.gz", ".json"), ScaleFactor=1 / 300)
    assert coded.remarks(opened(empty)) == ""


def test_spread():
    rng = np.random.default_rng(0)
    values = rng.normal(50, 2, (3, 20_000)).astype(np.float32)
    values[:, :9000] = 0  # around the brain
    values[:, 9000] = np.nan
    values[1, 9001] = 1e9
    one = spread_of(values)
    assert spread_of(values * np.float32(300)) == pytest.approx(300 * one, rel=1e-5)
    assert 1 < one < 4
    assert np.isnan(spread_of(np.zeros((3, 5))))
    assert remark_on_spreads({"a": 1.0, "b": 9.0, "c": float("nan")}, "") == ()
    (remark,) = remark_on_spreads({"a": 1.0, "b": 1.1, "c": 11.0}, "Mend it.")
    assert remark.kind == "warning"
    assert "spread of c is 11 times that of a" in remark.text
    assert "1 of 3 runs" in remark.text


@pytest.mark.parametrize("runs", [2, 5])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run, first: run, None),
        (lambda run, first: run + 3, None),  # a drift of three spreads
        (lambda run, first: run + 2000, r"level of \w+ is [-+][12]e\+03 off .*Mend it\."),
        (lambda run, first: run * 0, "are 0 or NaN in 1 of . runs .*run2"),
        (lambda run, first: run * np.nan, "are 0 or NaN in 1 of . runs .*run2"),
        (lambda run, first: run * (np.arange(400) < 200), "50% of the voxels .* of run2"),
        (lambda run, first: run * (np.arange(400) < 380), None),  # masks differ a little
        (lambda run, first: first, "run1 and run2|run1, run2"),
    ],
)
def test_a_run_on_another_level_without_values_or_copied_is_told(runs, change, said):
    rng = np.random.default_rng(4)
    mean = 2 * rng.standard_normal(400)
    made = {f"run{k + 1}": mean + rng.standard_normal((3, 400)) for k in range(runs)}
    for values in made.values():
        values[:, ::7] = 0  # outside of the brain
    outside = np.arange(400) % 7 == 0
    made["run2"] = np.where(outside, 0, change(made["run2"], made["run1"]))
    found = remark_on_samples({name: sample_of(v) for name, v in made.items()}, "Mend it.")
    if said is None:
        assert found == ()
        return
    (remark,) = found
    assert remark.kind == "warning"
    assert re.search(said, remark.text)


def test_a_gap_in_the_numbers_of_runs_is_told(empty):
    stems = coded.plain(empty, ((2, 3, 4, 5), (6, 7, 2, 3), (4, 5, 6, 7)))
    assert "no betas of run" not in coded.remarks(opened(empty))
    for file in empty.root.rglob(f"{stems[1].rsplit('/')[-1]}*"):
        file.unlink()
    said = "session 01: there are no betas of run 2, while there are of runs 1 and 3."
    assert said in coded.remarks(opened(empty))


def test_a_split_file_that_is_not_there_is_told_by_its_option(empty):
    coded.plain(empty)
    with pytest.raises(MissingDataError, match=r"datasets\.bids\.split_file: there is no table /"):
        opened(empty, split_file="nowhere.tsv").subject("01")


def test_more_repeats_than_there_are_are_refused(empty):
    coded.plain(empty)
    with pytest.raises(DataError, match="no picture was seen more than 2 times"):
        opened(empty, split="repeats>=9").subject("01")
