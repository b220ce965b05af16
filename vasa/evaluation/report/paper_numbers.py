"""The numbers of VASA-1's tables 1 to 5 (Xu et al. 2024, arXiv 2404.10667, sec. 4.2 and 4.3).

They are of another model, other data and other weights of the judges than any number measured
here; whoever prints them marks them as the paper's and prints `PaperTable.measured_on` beside them.
"""

from dataclasses import dataclass

SOURCE = "VASA-1 (Xu et al. 2024, arXiv 2404.10667)"
JUDGES = (
    "S_C and S_D by the published SyncNet weights, CAPP by a network that was not published (3 s "
    "windows, 2K hours of people)"
)
DIFFERENT = (
    "Own columns and the paper's are different measurements: other weights of the judges (S_C and "
    "S_D marked official have the published ones), other data, another protocol and model. Compare "
    "within a column, or which way it goes, never across."
)
MODEL = "a model of 512 px frames, three samples an audio"


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number: in the paper.
        title: what it shows.
        measured_on: clips, judges and model behind its numbers.
        columns: names of its metrics.
        rows: a tuple of as many numbers as columns, by the name of the row.
    """

    number: int
    title: str
    measured_on: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]

    @property
    def name(self) -> str:
        """As it is referred to."""
        return f"Table {self.number}"

    @property
    def heading(self) -> str:
        """Name and title."""
        return f"{self.name}: {self.title}"

    @property
    def notes(self) -> tuple[str, str]:
        """What the paper's numbers were measured on, and how far that reaches."""
        return f"The paper's ({SOURCE}): {self.measured_on}.", DIFFERENT

    def value(self, row: str, column: str) -> float | None:
        """A number of the table; None where it has none."""
        if row not in self.rows or column not in self.columns:
            return None
        return self.rows[row][self.columns.index(column)]


_METHODS = ("S_C", "S_D", "CAPP", "dP")
_PAIRS = "real pairs of head motion and sound of held-out clips, by the paper's own CAPP"

PAPER_TABLES: dict[int, PaperTable] = {
    1: PaperTable(
        number=1,
        title="Methods; the paper's on VoxCeleb2",
        measured_on=f"460 clips of 46 people of the VoxCeleb2 test set, 5 to 15 s; {JUDGES}; "
        f"{MODEL}",
        columns=_METHODS,
        rows={
            "MakeItTalk": (4.176, 15.513, -0.051, 0.210),
            "Audio2Head": (6.172, 8.470, 0.246, 0.260),
            "SadTalker": (5.843, 8.813, 0.441, 0.275),
            "VASA-1": (8.841, 6.312, 0.468, 0.304),
            "real video": (7.640, 7.189, 0.588, 0.505),
        },
    ),
    2: PaperTable(
        number=2,
        title="Methods; the paper's on one-minute clips",
        measured_on=f"OneMin-32, 32 one-minute clips of 17 people, which are not public; {JUDGES}; "
        f"FVD_25 over 2K real and 2K generated 25-frame clips; {MODEL}",
        columns=(*_METHODS, "FVD_25"),
        rows={
            "MakeItTalk": (-0.123, 14.340, 0.002, 0.190, 304.833),
            "Audio2Head": (5.992, 8.211, 0.205, 0.239, 209.772),
            "SadTalker": (5.501, 8.850, 0.383, 0.252, 214.507),
            "VASA-1": (7.957, 6.635, 0.465, 0.316, 105.884),
            "real video": (7.192, 7.254, 0.559, 0.405, 29.245),
        },
    ),
    3: PaperTable(
        number=3,
        title="CAPP of real pairs, sound shifted",
        measured_on=_PAIRS,
        columns=("CAPP",),
        rows={"0": (0.608,), "1": (0.462,), "2": (0.206,), "3": (0.069,), "4": (0.082,)},
    ),
    4: PaperTable(
        number=4,
        title="CAPP of real pairs, differences of poses scaled",
        measured_on=_PAIRS,
        columns=("CAPP",),
        rows={"0.2": (0.368,), "0.5": (0.584,), "1": (0.608,), "1.5": (0.587,), "3": (0.505,)},
    ),
    5: PaperTable(
        number=5,
        title="Guidance and the number of steps",
        measured_on=f"OneMin-32, 32 one-minute clips of 17 people, which are not public; {JUDGES}; "
        f"{MODEL}",
        columns=(*_METHODS, "FVD_25", "E_g", "E_d"),
        # lambda_A, lambda_g, steps
        rows={
            "0.0 0.0 50": (7.087, 7.391, 0.414, 0.291, 117.425, 5.730, 0.004),
            "0.0 1.0 50": (7.134, 7.345, 0.421, 0.290, 116.547, 5.329, 0.004),
            "0.0 2.0 50": (7.108, 7.386, 0.414, 0.298, 117.784, 5.064, 0.005),
            "0.5 1.0 50": (7.957, 6.635, 0.465, 0.316, 105.884, 5.253, 0.005),
            "1.0 1.0 50": (8.218, 6.437, 0.474, 0.342, 104.886, 5.333, 0.005),
            "2.0 1.0 50": (8.295, 6.397, 0.455, 0.395, 104.293, 5.531, 0.005),
            "0.5 1.0 10": (8.293, 6.363, 0.523, 0.243, 117.060, 5.469, 0.006),
        },
    ),
}
