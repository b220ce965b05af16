"""A small MLP as a probe: what a code holds that no linear map can read."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

HIDDEN = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
CHECK_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class MlpProbe:
    """y = net((x - mean) / std) * target_std + target_mean."""

    mean: Tensor
    std: Tensor
    target_mean: Tensor
    target_std: Tensor
    net: nn.Sequential

    def __call__(self, features: Tensor) -> Tensor:
        """Predictions `n d` from features `n k`."""
        x = ((features.double() - self.mean) / self.std).float()
        return self.net(x).double() * self.target_std + self.target_mean


def fit_mlp(
    features: Tensor,
    targets: Tensor,
    *,
    validation_features: Tensor,
    validation_targets: Tensor,
    steps: int,
    seed: int,
) -> MlpProbe:
    """One hidden layer, AdamW on all rows at once, kept where the validation error was least.

    Args:
        features: `n k`.
        targets: `n d`.
        validation_features: of other people, `v k`.
        validation_targets: `v d`.
        steps: of training.
        seed: of the first weights; the global generator is left as it was.
    """
    # What was made in inference mode can't be trained on; a copy made outside of it can.
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, std = _scale(features.clone().double())
        target_mean, target_std = _scale(targets.clone().double())
        target_std = torch.where(target_std.isfinite(), target_std, 1.0)
        last = nn.Linear(HIDDEN, targets.shape[1])
        net = nn.Sequential(nn.Linear(features.shape[1], HIDDEN), nn.SiLU(), last)
        probe = MlpProbe(
            mean=mean, std=std, target_mean=target_mean, target_std=target_std, net=net
        )
        x = ((features.clone().double() - mean) / std).float()
        y = ((targets.clone().double() - target_mean) / target_std).float()
        held_x = ((validation_features.clone().double() - mean) / std).float()
        held_y = ((validation_targets.clone().double() - target_mean) / target_std).float()
        optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        # It begins as the mean of the targets, and stays that where nothing better carries over.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        best, kept = float("inf"), {n: v.clone() for n, v in net.state_dict().items()}
        for step in range(steps + 1):
            if step % CHECK_EVERY == 0 or step == steps:
                error = float((net(held_x) - held_y).detach().square().mean())
                if error < best:
                    best, kept = error, {n: v.clone() for n, v in net.state_dict().items()}
            optimizer.zero_grad()
            (net(x) - y).square().mean().backward()
            optimizer.step()
        net.load_state_dict(kept)
        net.requires_grad_(False)
    return probe


def _scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each column; a column that never varies is ignored."""
    std = values.std(dim=0, correction=0)
    return values.mean(dim=0), torch.where(std > 1e-8, std, torch.inf)
