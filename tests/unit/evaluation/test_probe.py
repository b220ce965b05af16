"""Linear probes: a linear factor is recovered, noise is not."""

import pytest
import torch

from vasa.evaluation.metrics.mlp_probe import fit_mlp
from vasa.evaluation.metrics.probe import R2, fit_probe, fit_ridge, r2_score
from vasa.evaluation.protocols.probes import identity_probe


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_probe_recovers_a_linear_factor_exactly() -> None:
    features = draw(400, 8, seed=0) * torch.arange(1, 9) + 3
    targets = features @ draw(8, 2, seed=1) - 5
    probe = fit_probe(
        features[:200],
        targets[:200],
        validation_features=features[200:300],
        validation_targets=targets[200:300],
        alphas=(1e-9, 1.0, 100.0),
    )
    assert probe.alpha == 1e-9
    torch.testing.assert_close(probe(features[300:]), targets[300:], atol=1e-5, rtol=0)
    assert float(r2_score(probe(features[300:]), targets[300:])) == pytest.approx(1.0, abs=1e-9)


def test_probe_of_noise_scores_nothing() -> None:
    features, targets = draw(900, 16, seed=0), draw(900, 1, seed=1)
    probe = fit_probe(
        features[:300],
        targets[:300],
        validation_features=features[300:600],
        validation_targets=targets[300:600],
    )
    assert abs(float(r2_score(probe(features[600:]), targets[600:]))) < 0.05


def test_ridge_is_the_closed_form() -> None:
    # One standardised feature: the weight shrinks by 1 / (1 + alpha).
    feature = torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64)[:, None]
    probe = fit_ridge(feature, 3 * feature + 2, alpha=0.5)
    assert float(probe.weight) == pytest.approx(2.0)
    assert float(probe.bias) == pytest.approx(2.0)


def test_a_feature_that_never_varies_is_ignored() -> None:
    features = torch.cat((draw(50, 1, seed=0), torch.ones(50, 1, dtype=torch.float64)), dim=1)
    probe = fit_ridge(features, features[:, :1], alpha=1e-9)
    assert probe(features).isfinite().all()
    torch.testing.assert_close(probe(features), features[:, :1], atol=1e-6, rtol=0)


def test_mlp_reads_what_no_linear_probe_can() -> None:
    features = draw(600, 3, seed=0)
    targets = torch.stack((features[:, 0] ** 2, torch.full((600,), 7.0)), dim=1) * 10
    held_out = {"validation_features": features[300:], "validation_targets": targets[300:]}
    linear = fit_probe(features[:300], targets[:300], **held_out)
    before = torch.get_rng_state()
    with torch.inference_mode():  # as an evaluation runs
        mlp = fit_mlp(features[:300], targets[:300], **held_out, steps=200, seed=0)
        again = fit_mlp(features[:300], targets[:300], **held_out, steps=200, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(mlp(features), again(features))
    assert float(r2_score(linear(features[300:]), targets[300:])) < 0.1
    assert float(r2_score(mlp(features[300:]), targets[300:])) > 0.8
    torch.testing.assert_close(mlp(features)[:, 1], targets[:, 1], atol=1.0, rtol=0)


def test_mlp_keeps_the_weights_that_generalise() -> None:
    features, targets = draw(40, 16, seed=0), draw(40, 1, seed=1)
    held_out = {
        "validation_features": draw(400, 16, seed=2),
        "validation_targets": draw(400, 1, seed=3),
    }
    mlp = fit_mlp(features, targets, **held_out, steps=400, seed=0)
    assert float(r2_score(mlp(features), targets)) < 0.9, "it stopped before it knew them by heart"
    assert (
        float(r2_score(mlp(held_out["validation_features"]), held_out["validation_targets"])) > -0.1
    )


def test_r2_of_the_mean_is_zero_and_of_the_truth_one() -> None:
    targets = draw(60, 2, seed=0)
    assert float(r2_score(targets, targets)) == pytest.approx(1.0)
    assert float(r2_score(targets.mean(0).expand(60, -1), targets)) == pytest.approx(0.0, abs=1e-12)


def test_r2_over_clips_is_that_of_all_frames() -> None:
    predictions, targets = draw(60, 2, seed=0), draw(60, 2, seed=1)
    metric = R2()
    for part in range(3):
        rows = slice(20 * part, 20 * part + 20)
        metric.update(predictions[rows], targets[rows])
    assert float(metric.compute()) == pytest.approx(float(r2_score(predictions, targets)))


def test_identity_probe_names_people_only_where_the_code_tells() -> None:
    speakers = [f"p{index}" for index in range(5)]
    telling = [draw(40, 8, seed=index) * 0.1 + draw(8, seed=100 + index) for index in range(5)]
    r2, accuracy = identity_probe(telling, speakers)
    assert float(accuracy.compute()) == 1.0 and float(r2.compute()) > 0.8
    silent = [draw(40, 8, seed=index) for index in range(5)]
    r2, accuracy = identity_probe(silent, speakers)
    assert float(accuracy.compute()) < 0.5 and float(r2.compute()) < 0.1
