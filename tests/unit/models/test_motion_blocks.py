import torch
from torch.nn import functional as F

from vasa.models.motion_blocks import AudioContext, attend, rotary_tables, rotate


def test_attention_is_pytorchs():
    query, key, value = torch.randn(3, 2, 4, 9, 8).unbind(0)
    mask = torch.rand(2, 1, 1, 9) > 0.3
    mask[..., 0] = True
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    torch.testing.assert_close(attend(query, key, value, mask), expected)


def test_rotary_scores_depend_on_distance_alone():
    """<rotate(q, i), rotate(k, j)> is a function of i - j (Su et al. 2021, eq. 16)."""
    tables = rotary_tables(num_positions=12, num_channels=8, device=torch.device("cpu"))
    query = torch.randn(8).expand(1, 1, 12, 8)
    key = torch.randn(8).expand(1, 1, 12, 8)
    scores = (rotate(query, tables) @ rotate(key, tables).transpose(-1, -2))[0, 0]
    for distance in range(-11, 12):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rotate(query, tables).norm(dim=-1), query.norm(dim=-1))


def test_audio_context_sees_its_kernel_and_no_padding():
    torch.manual_seed(0)
    context = AudioContext(num_features=3, width=8, kernel_size=3, num_layers=2).eval()
    tokens, valid = torch.randn(1, 10, 8), torch.ones(1, 10, dtype=torch.bool)
    moved = tokens.clone()
    moved[:, 5] += torch.randn(8)
    change = (context(moved, valid) - context(tokens, valid)).abs().amax(dim=(0, 2))
    assert (change[3:8] > 0).all() and (change[:3] == 0).all() and (change[8:] == 0).all()
    valid[:, 7:] = False
    longer = torch.cat((tokens[:, :7], 9 * torch.randn(1, 3, 8)), dim=1)
    alone = context(tokens[:, :7], valid[:, :7])
    torch.testing.assert_close(context(longer, valid)[:, :7], alone)
