"""A model that has been unpacked and read, in the folder beside the jobs: on its way to be one.

In: what its files told and the check found.  Out: the network to try it with, the settings of its
job, and the files for the job's folder.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from digits.base.progress import printable
from digits.errors import FormError
from digits.inference import Network
from digits.jobs.job import Job
from digits.model.card import INFO_KEY, Card
from digits.model.images.classification.upload.checking import Checked
from digits.model.images.classification.upload.contents import WEIGHTS, Contents
from digits.model.images.classification.upload.info import IMAGE, PIXEL, Info, refused
from digits.model.images.classification.upload.plan import Moment, moment_of, plan_of
from digits.model.images.classification.upload.reading import ReadModel
from digits.model.images.classification.upload.settings import UploadedModelSettings
from digits.model.job import DEPLOY_FILE, ORIGINAL_FILE
from digits.model.network import graph
from digits.model.training.plan import PLAN_FILE
from digits.model.training.solver import SNAPSHOT_PREFIX, SolverOptions
from digits.model.training.solver_read import options_of
from digits.sources.archives import ARCHIVE_EXTENSIONS
from digits.sources.picture_list import LABELS_FILE, told_apart
from digits.tools.unpack_model import INFO_FILE
from digits.tools.value_range import WHOLE

LONGEST_NAME = 500
# What the archive has not, or not in our form; no file of an archive comes to lie in a folder.
MADE_FOLDER = "made"
# What DIGITS puts behind the id of a job to name a download.
_EPOCH = re.compile(r"_epoch_(\d{1,9}(?:\.\d{1,9})?)(?!\d)")


@dataclass(frozen=True)
class StagedModel:
    """A model in the folder that its archive, called `file_name`, was unpacked into."""

    folder: Path
    contents: Contents
    info: Info
    model: ReadModel
    checked: Checked
    file_name: str

    @property
    def name(self) -> str:
        """What the archive calls the model, else what it is called itself."""
        name = self.info.name or _without_ending(self.file_name)
        return printable(name).strip()[:LONGEST_NAME] or "Uploaded model"

    @property
    def group(self) -> str:
        """The group that the archive says the model was in; empty for none."""
        return printable(self.info.group)[:LONGEST_NAME].strip()

    @property
    def card(self) -> Card:
        """What the archive says of the pretrained model that it began from, or is."""
        return Card.from_json(self.info.given.get(INFO_KEY)) or Card()

    @property
    def moment(self) -> Moment:
        """When in its training the weights were written."""
        epoch = self.info.epoch
        if epoch is None and (found := _EPOCH.search(self.file_name)):
            epoch = float(found[1])
        return moment_of(self.contents.iteration, epoch, self.model.solver)

    def came(self) -> dict[str, Path]:
        """The files of the archive, by the names that they get in the job's folder."""
        name = self.contents.weights.name.lower()
        ending = ".caffemodel" if name.endswith(WEIGHTS[0]) else WEIGHTS[1]
        info = self.folder / INFO_FILE
        return {
            **self.contents.named(),
            f"{SNAPSHOT_PREFIX}_iter_{self.moment.iteration}{ending}": self.contents.weights,
            **({INFO_FILE: info} if info.is_file() else {}),
        }

    def made(self) -> dict[str, Path]:
        """The files that are made here, by their names."""
        names = [LABELS_FILE, PLAN_FILE]
        names += [DEPLOY_FILE] if self.contents.deploy is None else []
        names += [ORIGINAL_FILE] if self.contents.original is None else []
        return {name: self.folder / MADE_FOLDER / name for name in names}

    def make(self) -> None:
        """Write the files that are made here; OSError."""
        labels = self.model.labels or [str(number) for number in range(self.checked.classes)]
        texts = {
            LABELS_FILE: "".join(f"{label}\n" for label in told_apart(labels)),
            DEPLOY_FILE: self.model.deploy.text,
            ORIGINAL_FILE: self.model.original,
        }
        (self.folder / MADE_FOLDER).mkdir()
        for name, path in self.made().items():
            if name in texts:
                path.write_text(texts[name], "utf-8")
        plan = plan_of(self.moment, self.model, self.checked.output.name)
        plan.write(self.folder / MADE_FOLDER)

    def files(self) -> dict[str, Path]:
        """All files of the job, by their names in its folder."""
        return {**self.came(), **self.made()}

    def move_to(self, job: Job) -> None:
        """Give the job its files, which only get another place on the same disk; OSError."""
        for name, path in self.files().items():
            os.rename(path, job.dir / name)

    def network(self) -> Network:
        """The network as it lies here, and how its pictures are made."""
        model, treatment, files = self.model, self.model.treatment, self.files()
        return Network(
            deploy=files[DEPLOY_FILE],
            weights=self.contents.weights,
            height=model.size.height,
            width=model.size.width,
            channels=model.size.channels,
            labels=files[LABELS_FILE],
            mean=self.contents.mean if treatment.mean == IMAGE else None,
            mean_values=treatment.mean_values,
            scale=1.0 if treatment.scale_in_deploy else treatment.scale,
            resize_mode=model.resize_mode,
            levels=self.info.value_range or WHOLE,
            output=self.checked.output.name,
            is_probability=self.checked.output.is_probability,
        )

    def settings(self) -> UploadedModelSettings:
        """What the job is told; FormError when the archive has numbers that cannot be kept."""
        model, treatment = self.model, self.model.treatment
        settings = UploadedModelSettings(
            **asdict(self._options()),
            **asdict(model.augmentation),
            archive_name=self.file_name,
            archive_files=tuple(sorted(self.came())),
            image_width=model.size.width,
            image_height=model.size.height,
            image_channels=model.size.channels,
            resize_mode=model.resize_mode,
            value_range=self.info.value_range or WHOLE,
            crop_size=self._crop_size(),
            use_mean=treatment.mean == IMAGE,
            mean_value=treatment.mean_values if treatment.mean == PIXEL else (),
            scale=treatment.scale,
            scale_in_deploy=treatment.scale_in_deploy,
            origin_dataset=self.info.dataset_name,
            trained_by=self.info.trained_by,
            card=self.card.to_json() if self.card != Card() else None,
        )
        try:
            # As it will be read again after a restart.
            return UploadedModelSettings.from_json(settings.to_json())
        except FormError as error:
            raise refused(f"The archive has numbers that cannot be used: {error}") from error

    def _options(self) -> SolverOptions:
        solver = self.model.solver
        if solver is None:
            return SolverOptions()
        try:
            return options_of(solver, self.moment.epoch_iterations)
        except (OverflowError, ValueError) as error:
            raise refused(f"The solver has numbers that cannot be used: {error}.") from error

    def _crop_size(self) -> int | None:
        """The side of the square that the network sees of a picture; None where it sees all."""
        size, side = self.model.size, graph.input_side(self.model.deploy.net)
        return side if side and (side, side) != (size.height, size.width) else None


def _without_ending(name: str) -> str:
    ending = next((each for each in ARCHIVE_EXTENSIONS if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)]
