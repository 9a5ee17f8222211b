"""What the live loop raises in its own time, a replay of the same film raises too."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from events.incident import Incident
from tests.servers import WaitFor
from tests.vision.pictures import noisy, street, write_film
from tests.vision.redness import Redness
from tests.vision.watching import running, scene
from vision.detection.coco import NAMES
from vision.frames.letterbox import Image
from vision.frames.source import open_source
from vision.live.facts import Fact
from vision.live.loop import LiveCamera, replay
from vision.recorded.recording import read_boxes
from vision.recorded.replay import replay as replay_boxes

SECONDS = 9


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody in red comes into the street after two seconds, and walks along it."""
    rng = np.random.default_rng(11)

    def picture(number: int) -> Image:
        image = street()
        if number >= 20:
            x = 20 + 4 * (number - 20)
            cv2.rectangle(image, (x, 150), (x + 16, 192), (30, 30, 190), -1)
        return noisy(image, rng)

    return write_film(tmp_path_factory.mktemp("walk") / "walk.mp4", (picture(n) for n in range(10 * SECONDS)))


def alerts(facts: Sequence[Fact], start: float) -> list[tuple[str, float]]:
    first = [fact for fact in facts if isinstance(fact, Incident) and fact.rev == 1]
    return [(incident.kind, incident.decided_at.timestamp() - start) for incident in first]


def test_live_raises_what_replay_raises_of_the_film_and_of_its_notes(
    walk: Path, tmp_path: Path, wait_for: WaitFor
) -> None:
    walker = Redness(0.01, kind=NAMES.index("person"))
    notes = tmp_path / "notes.jsonl.gz"
    source = open_source(str(walk), live=True, loop=False)
    camera = LiveCamera(scene=scene(), source=source, clips=False, record=notes)
    with running([camera], walker) as live:
        wait_for(lambda: source.state == "broken: ended", 60)
    replayed = list(replay(LiveCamera(scene=scene(), source=str(walk), clips=False), walker, start=0.0))
    noted = list(read_boxes(notes))
    of_film, of_live = alerts(replayed, 0.0), alerts(live, noted[0][0])
    assert [kind for kind, _ in of_film] == ["pedestrian_on_road"]
    assert [kind for kind, _ in of_live] == [kind for kind, _ in of_film]
    assert of_live[0][1] == pytest.approx(of_film[0][1], abs=0.6)  # a busy machine leaves frames out
    again = replay_boxes(scene(), noted, model=walker.info.name)  # its times are of whole milliseconds
    assert revisions(again) == revisions(live)


def revisions(facts: Iterable[Fact]) -> list[tuple[object, ...]]:
    """What was told of incidents, in order."""
    told = [fact for fact in facts if isinstance(fact, Incident)]
    return [(one.id, one.rev, one.kind, one.state, one.zone, one.severity, one.tracks) for one in told]
