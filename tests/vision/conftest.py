"""The real clip, the real model, and a film of drawn pictures."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ngatu.home import find_home
from ngatu.prepare import clip_file, make_clip
from tests.vision.pictures import car, noisy, street, write_film
from vision.detection.detect import Detector, open_detector
from vision.detection.models import ModelFile, find_model
from vision.frames.letterbox import Image


@pytest.fixture(scope="session")
def vtest() -> Path:
    """`vtest.avi` of Debian's opencv-doc: a real fixed camera, 768x576, 10 frames a second."""
    make_clip()
    return clip_file(find_home(os.environ))


@pytest.fixture(scope="session")
def vtest_pictures(vtest: Path) -> list[Image]:
    """One picture of each of its 79 seconds."""
    film = cv2.VideoCapture(str(vtest))
    pictures = []
    while film.grab():
        if int(film.get(cv2.CAP_PROP_POS_FRAMES)) % 10 == 1:
            pictures.append(np.asarray(film.retrieve()[1], np.uint8))
    return pictures


@pytest.fixture(scope="session")
def tiny() -> ModelFile:
    """The official YOLOv3-tiny out of a package registry."""
    return find_model(None, find_home(os.environ) / "models")


@pytest.fixture(scope="session")
def detector(tiny: ModelFile) -> Detector:
    return open_detector(tiny.path, hint=tiny.hint)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a car driving along a drawn street."""
    rng = np.random.default_rng(3)
    pictures = (noisy(car(street(), 10 + 8 * n), rng) for n in range(30))
    return write_film(tmp_path_factory.mktemp("film") / "street.mp4", pictures)
