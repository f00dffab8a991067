"""A metric that is a table of all pairs."""

import numpy as np
import pytest

from neurodiffuse.types import Images


def test_metric_of_a_table_looks_at_each_picture_once():
    from neurodiffuse.metrics import TableMetric
    from neurodiffuse.testing import check_metric, example_stimuli

    class Brightness(TableMetric):
        looked = 0

        def measured(self, seen, made):
            self.looked += 1
            light = [x.reshape(len(x), -1).mean(1) for x in (seen, made)]
            return -np.abs(light[0][:, None] - light[1][None])

    stimuli = example_stimuli(8)
    values = np.stack(list(stimuli.images))
    seen, made = Images(stimuli.ids, values), Images(stimuli.ids, 255 - values)
    metric = Brightness()
    each = np.array([-abs(a.mean() - b.mean()) for a, b in zip(values, 255 - values, strict=True)])
    np.testing.assert_allclose(metric.compare(seen, made), each)
    null = metric.null(seen, made, np.random.default_rng(0))
    assert metric.looked == 1
    slow = [metric.compare(Images(seen.ids, np.roll(values, k, 0)), made).mean() for k in range(8)]
    assert len(null) == 9999
    assert np.mean(slow) == pytest.approx(null.mean(), abs=0.3)
    check_metric(Brightness())
