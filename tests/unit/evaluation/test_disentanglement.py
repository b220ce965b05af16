"""Leakage of networks whose leaks are known: a perfect one, and ones that leak in one place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.counterfactuals import Counterfactuals
from vasa.evaluation.metrics.correlation import VectorCorrelation
from vasa.evaluation.metrics.transfer import TransferShare
from vasa.evaluation.protocols.code_movement import code_movement
from vasa.evaluation.protocols.disentanglement import disentanglement
from vasa.evaluation.protocols.leakage import CARRIED_BY, CODES, MEASURED
from vasa.evaluation.report.leakage import leakage_figure, matrices, matrix_markdown
from vasa.evaluation.report.tables import console_table, grouped
from vasa.types import FaceLatents, InputError

NUM_STATES, NUM_BASES = 12, 2
COLUMNS = {"yaw": [0], "pitch": [1], "roll": [2], "mouth": [6], "gaze": [8, 9], "blink": [10]}
COLOURS = torch.tensor([[230.0, 30, 90], [40, 200, 30], [90, 40, 220]]) / 255


def make_person(world, index: int) -> Counterfactuals:
    """Pictures of the made-up world: independent numbers, then one changed at a time."""
    rng = np.random.default_rng(index)
    values = [rng.uniform(-0.4, 0.4, 11) for _ in range(NUM_STATES)]
    people = [index] * NUM_STATES
    bases: list[int] = []
    changed: dict[str, list[int]] = {factor: [] for factor in CARRIED_BY}
    for row in values:
        row[10] = abs(row[10])
    for _ in range(NUM_BASES):
        base = rng.uniform(-0.4, 0.4, 11)
        bases.append(len(values))
        values.append(base)
        people.append(index)
        for factor in CARRIED_BY:
            other = base.copy()
            for column in COLUMNS.get(factor, []):
                other[column] -= np.copysign(0.3, base[column])
            changed[factor].append(len(values))
            values.append(other)
            people.append((index + 1) % len(COLOURS) if factor == "identity" else index)
    plain = COLOURS[people][:, :, None, None].expand(-1, 3, 16, 16)
    table = torch.from_numpy(np.stack(values))
    frames = (world.write_values(plain, table) * 255).round().to(torch.uint8)
    truth = world.read_values(frames.float() / 255).float()
    template = world.make_clip(person=index, seed=index, num_frames=len(values))
    clip: EvaluationClip = replace(
        template,
        frames=frames,
        pose=truth[:, :6],
        mouth=truth[:, 6:8],
        gaze=truth[:, 8:10],
        blink=truth[:, 10],
    )
    return Counterfactuals(
        clip=clip,
        states=torch.arange(NUM_STATES),
        bases=torch.tensor(bases),
        changed={factor: torch.tensor(places) for factor, places in changed.items()},
    )


@pytest.fixture(scope="module")
def people(world) -> list[Counterfactuals]:
    return [make_person(world, index) for index in range(len(COLOURS))]


@pytest.fixture(scope="module")
def nets(world):
    """Networks by what is wrong with them."""

    class Perfect(type(world.oracle)):
        """Every latent holds its own factors: the appearance has no spelt numbers left in it."""

        def encode(self, image: Tensor) -> FaceLatents:
            z_pose, z_dyn = self.motion(image)
            z_id = image[:, :, -1, -1]
            volume = z_id[:, :, None, None, None].expand(-1, -1, 1, 16, 16)
            return FaceLatents(app_volume=volume, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)

    class YawOpensTheMouth(Perfect):
        """z_dyn's mouth holds half the yaw."""

        def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
            z_pose, z_dyn = super().motion(image)
            z_dyn = z_dyn.clone()
            z_dyn[:, 0] += 0.5 * z_pose[:, 0]
            return z_pose, z_dyn

    class YawInDynamics(Perfect):
        """Half of the drawn yaw comes from z_dyn."""

        def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
            z_pose, z_dyn = super().motion(image)
            return z_pose, torch.cat((z_dyn, z_pose[:, :1]), dim=1)

        def decode(self, latents: FaceLatents) -> Tensor:
            z_pose = latents.z_pose.clone()
            z_pose[:, 0] = (z_pose[:, 0] + latents.z_dyn[:, 5]) / 2
            return super().decode(latents.with_motion(z_pose=z_pose, z_dyn=latents.z_dyn[:, :5]))

    return {"perfect": Perfect(), "mouth": YawOpensTheMouth(), "dynamics": YawInDynamics()}


@pytest.fixture(scope="module")
def rows_of(world, people, nets):
    """Rows by name of each network."""

    def run(name: str):
        rows = disentanglement(
            autoencoder=nets[name],
            random_autoencoder=world.noise,
            instrument=world.instrument,
            people=people,
            batch_size=8,
            **world.arguments,
        )
        assert len({row.metric for row in rows}) == len(rows)
        return {row.metric: row for row in rows}

    return {name: run(name) for name in nets} | {"again": run("mouth")}


def cells(rows, matrix: str) -> dict[str, float]:
    prefix = f"disentanglement/{matrix}/"
    return {name.removeprefix(prefix): row.value for name, row in rows.items() if prefix in name}


def test_a_perfect_network_leaks_nothing_and_transfers_all(rows_of):
    rows = rows_of["perfect"]
    for matrix in ("leakage", *(f"leakage_{code}" for code in CODES), "reconstruction"):
        found = cells(rows, matrix)
        assert set(found) == {f"{one}_{other}" for one in CARRIED_BY for other in MEASURED}
        assert max(found.values()) < 1e-3, matrix
        assert rows[f"disentanglement/{matrix}_mean"].value < 1e-3
    for factor in MEASURED:
        assert rows[f"disentanglement/transfer/{factor}"].value == pytest.approx(1.0, abs=1e-3)
    assert rows["disentanglement/pose_error_deg"].value < 0.1
    for name in ("mouth", "blink", "gaze"):
        assert rows[f"disentanglement/{name}_correlation"].value > 0.999
    assert rows["disentanglement/identity_similarity"].value == pytest.approx(1.0, abs=1e-3)


def test_controls_stand_beside_every_number(rows_of):
    rows = rows_of["perfect"]
    assert all(row.control is not None and row.control_name for row in rows.values())
    assert rows["disentanglement/pose_error_deg"].control > 5
    assert abs(rows["disentanglement/mouth_correlation"].control) < 0.6
    assert rows["disentanglement/identity_similarity"].control < 0.9
    assert {row.n for row in rows.values()} == {len(COLOURS)}


def test_a_leak_shows_in_its_cell_and_in_no_other(rows_of):
    rows = rows_of["mouth"]
    leak = cells(rows, "leakage")
    # Yaw and mouth are both changed by 0.3, and half of the yaw goes to the mouth.
    assert leak.pop("yaw_mouth") == pytest.approx(0.5, abs=1e-3)
    assert max(leak.values()) < 1e-3
    assert cells(rows, "leakage_dynamics")["yaw_mouth"] == pytest.approx(0.5, abs=1e-3)
    assert cells(rows, "leakage_pose")["yaw_mouth"] < 1e-3
    expected = 0.5 / len(leak | {"yaw_mouth": 0.5})
    assert rows["disentanglement/leakage_mean"].value == pytest.approx(expected, abs=1e-3)
    encoder = cells(rows, "encoder")
    assert encoder["yaw_z_dyn"] > 0.05 > 1e-6 > encoder["pitch_z_dyn"]


def test_yaw_that_arrives_by_the_wrong_code_is_a_leak_of_the_diagonal(rows_of):
    rows = rows_of["dynamics"]
    leak = cells(rows, "leakage")
    assert leak.pop("yaw_yaw") == pytest.approx(0.5, abs=1e-3)
    assert max(leak.values()) < 1e-3
    assert cells(rows, "reconstruction")["yaw_yaw"] < 1e-3
    assert rows["disentanglement/transfer/yaw"].value == pytest.approx(0.5, abs=1e-3)
    assert rows["disentanglement/transfer/pitch"].value == pytest.approx(1.0, abs=1e-3)


def test_the_same_again_gives_the_same_rows(rows_of):
    assert [row.to_json() for row in rows_of["again"].values()] == [
        row.to_json() for row in rows_of["mouth"].values()
    ]


def test_one_person_alone_is_refused(world, people, nets):
    with pytest.raises(InputError, match="at least two people"):
        disentanglement(
            autoencoder=nets["perfect"],
            random_autoencoder=world.noise,
            instrument=world.instrument,
            people=people[:1],
            batch_size=8,
            **world.arguments,
        )


def test_matrices_are_tables_and_a_picture_and_no_list(rows_of, tmp_path):
    rows = list(rows_of["mouth"].values())
    found = {matrix.name: matrix for matrix in matrices(rows)}
    matrix = found["leakage"]
    assert matrix.changed == list(CARRIED_BY) and matrix.measured == list(MEASURED)
    place = matrix.changed.index("yaw"), matrix.measured.index("mouth")
    assert np.unravel_index(matrix.values.argmax(), matrix.values.shape) == place
    assert found["encoder"].measured == ["z_id", "z_pose", "z_dyn"]
    assert found["leakage_pose"].is_transfer("yaw", "yaw")
    assert not found["leakage_dynamics"].is_transfer("yaw", "yaw")
    lines = matrix_markdown(rows)
    (yaw,) = [line for line in lines[: lines.index("", 5)] if line.startswith("| yaw |")][:1]
    assert "0.50 (0.00)" in yaw
    listed = [row.metric for _, _, group in grouped(rows) for row in group]
    assert "disentanglement/transfer/yaw" in listed
    assert not [name for name in listed if "/leakage/" in name or "/encoder/" in name]
    assert "leakage/yaw" not in console_table(rows)
    leakage_figure(tmp_path / "leakage.png", rows)
    assert (tmp_path / "leakage.png").read_bytes()[1:4] == b"PNG"


def test_code_movement_is_one_between_random_pictures():
    draws = torch.randn(400, 2, 5, generator=torch.Generator().manual_seed(0))
    still = torch.ones(2, 1)
    people = [
        {"base": torch.cat((one, still), 1), "any": torch.cat((other, still), 1)}
        for one, other in zip(draws[::2], draws[1::2], strict=True)
    ]
    moved = code_movement(people)["any"]
    assert float(moved.square().mean().sqrt()) == pytest.approx(1.0, abs=0.05)


def test_transfer_share_and_vector_correlation():
    wanted = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
    for factor in (1.0, 0.25, -1.0):
        share = TransferShare()
        share.update(factor * wanted + torch.tensor([[0.0, 9.0], [9.0, 0.0]]), wanted)
        assert float(share.compute()) == pytest.approx(factor)
    series = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    for result, expected in ((3 * series + 1, 1.0), (-series, -1.0), (torch.zeros(50, 2), 0.0)):
        metric = VectorCorrelation()
        metric.update(result, series)
        assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)
