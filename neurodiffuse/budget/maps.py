"""What questions of a fitted map hold at their fullest moment, in bytes."""

from __future__ import annotations

from neurodiffuse.budget.counts import Counts, width
from neurodiffuse.decoders.columns import ROWS


def explained(c: Counts, images: int, piece: int) -> int:
    """Return what ``neurodiffuse weights --measure explained`` holds for one feature.

    N = ``images``, V = min(``piece``, p) voxels of a task. Inner products in float64, a block's own
    in float32, 12 N², and blocks as stored, as float32 and centred, 2 v N w + 8 N w. Then products
    that become eigenvectors, and LAPACK's workspace, 24 N². Last the eigenvectors, 8 N², and
    squares of a stretch of them; or the betas, mapped, 4 n p, a task's betas as stored, in float64
    and averaged, (12 n + 8 N) V, and four times as its strips are predicted, 32 N V.
    """
    w, wide = width(c), min(piece, c.p)
    forming = 12 * images**2 + (2 * c.value + 8) * images * w
    squares = 8 * images * min(ROWS, images)
    task = 4 * c.n * c.p + (12 * c.n + 40 * images) * wide
    return max(forming, 24 * images**2, 8 * images**2 + max(squares, task))


def averaged(c: Counts, subjects: int) -> int:
    """Return what ``neurodiffuse average`` holds while it averages latents of S ``subjects``.

    Of each two stored blocks, its rows in order and once more beside the others', 16 m w, and in
    float64 their differences from the mean and squares, 16 m w. Then blocks of the true latents
    and of the average, 32 m w, and tables of all pairs, 40 m².
    """
    block = c.m * width(c)
    return max(32 * subjects * block + 16 * block, 32 * block + 40 * c.m * c.m)


def refitted(c: Counts) -> int:
    """Return what ``neurodiffuse controls`` holds while it standardises betas for a refit.

    The betas, mapped, and a copy of the rows that are left, 8 n p, with a stretch of 1024 rows in
    float64, 16 p; or, as they are written, both files of betas twice, 8 p (n + m), such a stretch,
    and the test images' in float64, 8 m p.
    """
    stretch = 16 * c.p * min(ROWS, c.n)
    return 8 * c.n * c.p + stretch + 16 * c.m * c.p


def neighbours(c: Counts, images: int) -> int:
    """Return what ``neurodiffuse controls`` holds while it finds each image's nearest ones.

    A float64 table of N = ``images`` training images by test images, and four more while it is
    formed or sorted, 40 N m; two stored blocks of both, one as float32 and one less its mean,
    (2 v + 8) (N + m) w.
    """
    return 40 * images * c.m + (2 * c.value + 8) * (images + c.m) * width(c)
