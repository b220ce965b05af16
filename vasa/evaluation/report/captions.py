"""What the page says under its pictures."""

SHEETS = {
    "1_self_reenactment": "Self-reenactment: a held-out person's first frame in the motion of "
    "another frame of the same clip. The last column is the absolute difference, times four.",
    "2_cross_reenactment": "Cross-reenactment: sources down the left, drivers along the top. Each "
    "row should keep one person, each column one pose and expression.",
    "3_swaps": "Pose and dynamics of the driver, together and apart.",
    "4_generated": "Talking video from one picture and audio: real frames above the generated "
    "ones at the same times (two rows a clip).",
    "5_mouth_opening": "Mouth opening over time: truth of the audio, and re-measured from the "
    "generated frames.",
    "6_leakage": "Leakage: the factor on the left was changed alone, the one below was measured "
    "again after one code was swapped. Boxes: what should arrive, as the error of its arrival.",
    "7_counterfactuals": "A held-out person with one factor changed (second column), and each code "
    "of that picture alone in the first one. Only the code that should carry it should change it.",
    "8_frontalisation": "Held-out people turned to fixed angles, with their own dynamics; place "
    "and size are the mean over the people.",
    "9_warp_field": "The driver's non-rigid warp of held-out people: see the samples of stage 1.",
    "10_controls": "Asked for and seen: means over sources with 95% intervals, with the control's "
    "own guidance and without.",
    "11_control_pictures": "One picture in each asked value, a control a row, two people: the same "
    "sentence, the same noise and the same moment but for a blink.",
    "12_diversity": "How far samples of one audio differ, over their variance in time. The dashed "
    "line is where two samples have no more in common than two instants.",
    "13_sync_offsets": "Clips by the offset that SyncNet finds: as they are, with the beginning of "
    "the sound cut off, and with another's sound (grey). Dotted: where the first two belong.",
}

# In the order of the page; other names come after these, without a caption.
SAMPLES = {
    "reenacted_clip": "Source, driver, and the source in the driver's motion, with the driver's "
    "sound; people of the training set.",
    "spoken_clip": "A held-out window on its own face with its sound: left its true motion as "
    "stage 1 decodes it, right motion that stage 2 generates, 10 steps without guidance.",
    "self_reenactment": "Self-reenactment: one frame of a clip in the motion of another. The last "
    "column is the absolute difference, times four. These are people of the training set, here "
    "and below.",
    "cross_reenactment": "Cross-reenactment: sources down the left, other people as drivers along "
    "the top. Each row should keep one person, each column one pose and expression.",
    "pose_only": "Pose only: the source in the pose of another person, with its own dynamics. "
    "Expression, mouth and gaze should stay.",
    "dynamics_only": "Dynamics only: the source with the dynamics of another person, in its own "
    "pose. The head should stand still.",
    "frontalisation": "Frontalisation: the source with its own dynamics, turned to fixed angles; "
    "place and size are the mean over the people. Positive yaw turns the nose to the picture's "
    "left, positive pitch down. Angles beyond those of the data show what is made up.",
    "warp_field": "Warp field of another person's driver. On the unturned head: the result under a "
    "mesh that lay evenly on the face before the non-rigid warp, and how far that warp moved each "
    "place, sideways (hue: direction, white: none) and in depth (red: nearer). Last: a "
    "checkerboard on an egg-shaped head under the whole warp, its middle lines red. Dynamics "
    "should move mouth, eyes and brows, and little else.",
    "reenactment": "Source, driver, result, another person's driver, result.",
    "motion": "Motion predicted from noise and audio alone (red) and the truth (grey): the first "
    "dimensions, a row each, over the frames of a window.",
}
