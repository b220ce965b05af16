"""Weighted suppression: what overlaps becomes one face, averaged by score."""

import pytest
import torch

from vasa.pretrained.face_detector import Detections, box_overlap, weighted_suppression


def _suppress(boxes, scores):
    boxes = torch.tensor(boxes)
    keypoints = boxes[:, None, :2].repeat(1, 6, 1)
    return weighted_suppression(
        boxes, keypoints, torch.tensor(scores), min_score=0.5, min_overlap=0.3
    )


def test_overlap_of_known_boxes():
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    torch.testing.assert_close(box_overlap(box, others), torch.tensor([1.0, 1 / 3, 0.0]))


def test_near_boxes_merge_by_score_and_far_ones_stay():
    found = _suppress(
        [[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [40.0, 0.0, 50.0, 10.0]], [0.6, 0.9, 0.8]
    )
    assert len(found) == 2
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8]))
    torch.testing.assert_close(found.boxes[0], torch.tensor([0.6, 0.0, 10.6, 10.0]))
    torch.testing.assert_close(found.keypoints[0, 0], torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(found.boxes[1], torch.tensor([40.0, 0.0, 50.0, 10.0]))


def test_low_scores_are_no_faces():
    found = _suppress([[0.0, 0.0, 1.0, 1.0]], [0.4])
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.keypoints.shape == (0, 6, 2)


def test_a_box_without_area_ends():
    assert len(_suppress([[1.0, 1.0, 1.0, 1.0]], [0.9])) == 1


def test_squares_follow_box_and_eyes():
    found = Detections(
        boxes=torch.tensor([[10.0, 20.0, 30.0, 50.0]]),
        keypoints=torch.tensor([[[15.0, 30.0], [25.0, 40.0]] + [[0.0, 0.0]] * 4]),
        scores=torch.tensor([0.9]),
    )
    squares = found.squares()
    assert squares.side[0] == pytest.approx(45.0)
    assert squares.centre[0].tolist() == [20.0, 35.0]
    assert squares.roll[0] == pytest.approx(torch.pi / 4)
