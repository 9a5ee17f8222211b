"""`ngatu demo`: the whole line on this machine, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

Video = Annotated[str | None, typer.Option(help="a file, an rtsp:// or http:// address, or a device")]
Model = Annotated[str | None, typer.Option(help="an .onnx file or an OpenVINO folder")]
SceneFile = Annotated[Path | None, typer.Option(help="the camera's zones and calibration: JSON or YAML")]


def demo(video: Video = None, model: Model = None, scene: SceneFile = None) -> None:
    """Start broker, database, Airflow, ingest, console and three agents on real input."""
    from ngatu.demo.run import run_demo, wishes

    run_demo(wishes(video, model, scene))
