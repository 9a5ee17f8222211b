"""`ngatu smoke`: does the whole line work on this machine?"""

import json
from typing import Annotated

import typer

from ngatu.commands.demo import Model, SceneFile, Video


def smoke(
    video: Video = None,
    model: Model = None,
    scene: SceneFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run the demonstration, headless, until every stage has shown its output; exit 0, or say what failed."""
    from ngatu.demo.run import wishes
    from ngatu.smoke import run_smoke
    from ngatu.table import table

    verdict = run_smoke(wishes(video, model, scene))
    if as_json:
        stages = [{"stage": stage.name, "seen": stage.seen, "seconds": stage.after} for stage in verdict.stages]
        print(json.dumps({"stages": stages, "frame_to_page_s": verdict.frame_to_page_s, "failures": verdict.failures}))
    else:
        rows = [[s.name, f"{s.after:.1f}" if s.after is not None else "-", s.seen] for s in verdict.stages]
        print(table(["stage", "s", "seen"], rows))
        if verdict.frame_to_page_s is not None:
            print(f"\nfrom the deciding frame to the operator's page: {verdict.frame_to_page_s:.2f} s")
        for failure in verdict.failures:
            print(f"FAILED {failure}")
        if not verdict.failures:
            print("all stages seen, everything stopped, nothing left running")
    if verdict.failures:
        raise typer.Exit(1)
