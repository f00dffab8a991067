"""Many-target ridge regression from betas to latents: one Gram matrix, targets streamed.

Predictions never need weights. For one penalty α ::

    g = gram(x_train)                     # once, for all features and alphas
    f = factorise(g, alpha)               # once per alpha
    k = cross_gram(f.gram, x_test)        # f.gram is g unless alpha is tiny
    left_out = leave_out_hat(f, held_out_rows(len(x_train)))
    rows = np.vstack([hat(f, k), left_out])
    for block in predict_blocks(rows, targets.blocks()):
        done = rescale_block(block.block(len(x_test)), kind="train")

`neurodiffuse.decoders.ridge.decoder` makes a decoder of it.
`MultiTargetRidge` is the same as a scikit-learn estimator.

BLAS computes all of it unless `gram` and `placed` are handed another `Algebra`.

Memory is a Gram matrix, a factor and a block, however many targets there are. Arrays in, arrays
out: nothing here knows of files, recipes or runs.
"""

from neurodiffuse.decoders.algebra import BLAS, Algebra, Multiply, Product
from neurodiffuse.decoders.ridge.bands import Bands, choose_bands
from neurodiffuse.decoders.ridge.estimator import MultiTargetRidge
from neurodiffuse.decoders.ridge.factor import Factor, check_alpha, factorise, hat, hats
from neurodiffuse.decoders.ridge.folds import Fold, folds
from neurodiffuse.decoders.ridge.gram import Gram, cross_gram, gram
from neurodiffuse.decoders.ridge.leave_out import held_out_rows, leave_out_hat
from neurodiffuse.decoders.ridge.selection import Selection, select_alphas, sketch
from neurodiffuse.decoders.ridge.spectrum import Spectrum, decompose, default_alphas, predicts
from neurodiffuse.decoders.ridge.stream import (
    Hats,
    Placed,
    Predicted,
    above,
    placed,
    predict_blocks,
)
from neurodiffuse.decoders.ridge.weights import (
    Weigher,
    WeightMap,
    weight_blocks,
    weight_map,
    weight_map_of_each,
)

__all__ = [
    "BLAS",
    "Algebra",
    "Bands",
    "Factor",
    "Fold",
    "Gram",
    "Hats",
    "MultiTargetRidge",
    "Multiply",
    "Placed",
    "Predicted",
    "Product",
    "Selection",
    "Spectrum",
    "Weigher",
    "WeightMap",
    "above",
    "check_alpha",
    "choose_bands",
    "cross_gram",
    "decompose",
    "default_alphas",
    "factorise",
    "folds",
    "gram",
    "hat",
    "hats",
    "held_out_rows",
    "leave_out_hat",
    "placed",
    "predict_blocks",
    "predicts",
    "select_alphas",
    "sketch",
    "weight_blocks",
    "weight_map",
    "weight_map_of_each",
]
