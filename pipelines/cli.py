"""The `streammtl` command."""

from __future__ import annotations

import json
import logging
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines import map_verbs
from pipelines.command_line import Json, MapPath, Set, print_result
from streammtl.errors import ConfigError, StreamMtlError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recordings and live streams become metric, semantic 3D maps.",
)
app.add_typer(map_verbs.app)


class DepthSource(StrEnum):
    AUTO = "auto"
    SENSOR = "sensor"
    PREDICTED = "predicted"


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="Video file, image folder, glob, recording folder, TUM RGB-D or 7-Scenes folder."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="MAP.zarr", help="Where to write the map.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="YAML with settings, or a preset: coarse, detailed."),
]
Intrinsics = Annotated[
    str | None, typer.Option("--intrinsics", metavar="fx,fy,cx,cy|FILE", help="Calibration; estimated when unknown.")
]
Poses = Annotated[
    Path | None, typer.Option("--poses", metavar="FILE", help="Known poses, as `check-poses` reads them; no tracking.")
]
Depth = Annotated[DepthSource | None, typer.Option("--depth", help="Which depth to fuse.")]
MaxFrames = Annotated[int | None, typer.Option("--max-frames", min=1, help="Stop after this many frames.")]
Stride = Annotated[int, typer.Option("--stride", min=1, help="Take every n-th frame.")]
Quality = Annotated[
    bool, typer.Option("--quality", help="Poses by bundle adjustment over the whole recording first: slower, surer.")
]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="2G", help="Most memory, from 1G; submaps close earlier to keep it.")
]
Local = Annotated[bool, typer.Option("--local", help="Run all stages in this process instead of Ray actors.")]
LocalOrActors = Annotated[
    bool | None,
    typer.Option(
        "--local/--actors",
        help="All stages in this process, one after the other, or each in a Ray actor beside the others; left open: "
        "actors where there are 4 cores.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted map from its last commit.")]


def _overrides(overrides: list[str] | None, memory: str | None) -> tuple[str, ...]:
    """--set, and --memory as the setting that it is short for. Raises: ConfigError for a size that is none."""
    if memory is None:
        return tuple(overrides or ())
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([MG])B?", memory.strip().upper())
    if found is None:
        raise ConfigError(f"--memory {memory!r} is no size; write for example 1500M or 2G.")
    gigabytes = float(found[1]) * (1e-3 if found[2] == "M" else 1)
    return (*(overrides or ()), f"run.memory_gb={gigabytes}")


@app.command(
    "map",
    epilog="Example:  streammtl map walk.mp4 --out walk.zarr\n\n  streammtl map walk.mp4 --out walk.zarr --resume",
)
def map_command(
    source: Source,
    out: Out,
    config: Config = None,
    overrides: Set = None,
    intrinsics: Intrinsics = None,
    poses: Poses = None,
    depth: Depth = None,
    max_frames: MaxFrames = None,
    stride: Stride = 1,
    quality: Quality = False,
    memory: Memory = None,
    local: LocalOrActors = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Map a recording."""
    from pipelines.map_command import map_recording
    from pipelines.prepare import Request

    request = Request(
        source=source,
        out=out,
        config=config,
        overrides=_overrides(overrides, memory),
        intrinsics=intrinsics,
        poses=poses,
        depth=depth and depth.value,
        max_frames=max_frames,
        stride=stride,
        resume=resume,
        quality=quality,
    )
    report = map_recording(request, local=local)
    print_result(report.as_dict(), report.as_text(), as_json)


@app.command(
    epilog="Example:  streammtl live 0 --out room.zarr\n\n  streammtl live walk.mp4 --realtime --out walk.zarr"
)
def live(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Camera index, stream URL, or a video file.")],
    out: Out,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play a file at its own speed; always so here.")] = True,
    config: Config = None,
    overrides: Set = None,
    intrinsics: Intrinsics = None,
    max_frames: MaxFrames = None,
    memory: Memory = None,
    local: Local = False,
    view: Annotated[bool, typer.Option("--view", help="Watch the map grow in a browser on this machine.")] = False,
    as_json: Json = False,
) -> None:
    """Map a camera or stream: newest frame first, drops counted, latency reported."""
    from pipelines.map_command import map_recording
    from pipelines.prepare import Request

    request = Request(
        source=source,
        out=out,
        config=config,
        overrides=_overrides(overrides, memory),
        intrinsics=intrinsics,
        max_frames=max_frames,
        live=True,
    )
    report = map_recording(request, local=local, view=view)
    print_result(report.as_dict(), report.as_text(), as_json)


@app.command("view", epilog="Example:  streammtl view walk.zarr\n\n  streammtl live 0 --out room.zarr --view")
def view_command(
    path: MapPath,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = 0,
) -> None:
    """Show a map in a browser on this machine, and follow it while another process writes it."""
    from pipelines.view_command import view

    view(path, port)


@app.command(epilog="Example:  streammtl info walk.zarr\n\n  streammtl info walk.zarr --json")
def info(path: MapPath, as_json: Json = False) -> None:
    """Say what is in a map and validate it; exit 1 when it does not hold to the schema."""
    from pipelines.info_command import describe_map

    summary, problems = describe_map(path)
    text = "\n".join([f"{key}: {value}" for key, value in summary.items()] + [f"problem: {p}" for p in problems])
    print_result({**summary, "problems": problems}, text, as_json)
    if problems:
        raise typer.Exit(1)


@app.command(epilog="Example:  streammtl export walk.zarr --to walk.ply\n\n  streammtl export walk.zarr --to walk.tum")
def export(
    path: MapPath,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help=".ply .glb .obj .usd (mesh), .las (labelled points), .tum .kitti (trajectory), .png (pictures), "
            "plan.png .svg (floor plan), .pgm (occupancy grid), objects.json, scene_graph.json .graphml, .rrd (Rerun), "
            "transforms.json, DIR/ (COLMAP).",
        ),
    ],
    colour: Annotated[str, typer.Option("--colour", help="rgb, or class: the colours of labels.")] = "rgb",
    faces: Annotated[int | None, typer.Option("--faces", min=1, help="Thin a mesh to so many triangles.")] = None,
    points: Annotated[bool, typer.Option("--points", help="Point cloud instead of a mesh.")] = False,
    keyframes: Annotated[bool, typer.Option("--keyframes", help="Trajectory of keyframes only.")] = False,
    as_json: Json = False,
) -> None:
    """Write a map in a format that other tools open; the extension picks it."""
    from mapping.export import export_map
    from mapping.store.reader import open_map

    written = export_map(open_map(path), to, colour=colour, points=points, keyframes_only=keyframes, faces=faces)
    print_result({"written": str(written)}, f"wrote {written}", as_json)


@app.command(
    epilog="Example:  streammtl evaluate walk.zarr --truth walk/\n\n  streammtl evaluate walk.zarr --truth walk/ --json"
)
def evaluate(
    path: MapPath,
    truth: Annotated[Path, typer.Option("--truth", help="Recording folder with poses.txt and mesh.ply or depth/.")],
    scaled: Annotated[bool, typer.Option("--scaled", help="Fit the scale of a metric map too.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a map with the truth: trajectory in SE(3) and Sim(3), surface accuracy, completeness, F-score, labels."""
    from mapping.evaluation.evaluate import evaluate_map
    from mapping.store.reader import open_map
    from pipelines.evaluate_command import as_text

    result = evaluate_map(open_map(path), truth, scaled=scaled)
    print_result(result, as_text(result), as_json)


@app.command(
    epilog="Example:  streammtl train configs/train/cvm-lite.yaml --out runs/lite --minutes 60\n\n"
    "  streammtl train configs/train/cvm-lite.yaml --out runs/lite --resume --set data.pool=rooms/train"
)
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="Settings of the training, YAML or JSON.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run.")],
    overrides: Set = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, help="Stop after this long; go on later.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, if there is one.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that train together, by Ray Train.")] = 1,
    as_json: Json = False,
) -> None:
    """Train a network on clips or data sets; a training is a chain of runs that continue each other exactly."""
    from pipelines.train_command import train_network

    data, text = train_network(config, out, overrides or [], minutes, resume, workers)
    print_result(data, text, as_json)


@app.command(
    "evaluate-model",
    epilog="Example:  streammtl evaluate-model --model planesweep --data office/ --every 2\n\n"
    "  streammtl evaluate-model --model cvm-lite --weights lite.safetensors --data kitchen/ --views 0 --views 2",
)
def evaluate_model(
    data: Annotated[
        Path, typer.Option("--data", help="Recording with depth, labelled images, clips, or SET:SPLIT:FOLDER.")
    ],
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="YAML with a `model` group.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model by name, as `streammtl models` lists them.")
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Trained weights, safetensors.")] = None,
    views: Annotated[list[int] | None, typer.Option("--views", help="Sources per reference. Repeatable.")] = None,
    poses: Annotated[Path | None, typer.Option("--poses", metavar="FILE.tum", help="Poses instead of its own.")] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Judge every n-th frame that has a pose.")] = 1,
    max_refs: Annotated[int | None, typer.Option("--max-refs", min=1, help="Judge at most so many frames.")] = None,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", metavar="DIR", help="Draw a few frames; --data needs no truth then.")
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with the truth: depth, normals, labels, boundaries."""
    from pipelines.evaluate_model import as_text, evaluate_model
    from pipelines.evaluate_model_settings import chosen_model

    settings = chosen_model(config, model, weights, overrides or [])
    result = evaluate_model(settings, data, views or [2], poses, every, max_refs, pictures)
    print_result(result, as_text(result), as_json)


@app.command(
    "check-poses",
    epilog="Example:  streammtl check-poses transforms.json --recording photos/\n\n"
    "  streammtl check-poses poses.txt --recording walk.mp4 --intrinsics 517,517,319.5,239.5 --to fixed.tum",
)
def check_poses(
    poses: Annotated[
        Path,
        typer.Argument(
            metavar="POSES",
            help="TUM, RTAB-Map, KITTI, EuRoC, transforms.json, Record3D, Polycam, COLMAP text, folder of matrices.",
        ),
    ],
    recording: Annotated[
        str | None, typer.Option("--recording", metavar="SOURCE", help="The images that the poses belong to.")
    ] = None,
    intrinsics: Intrinsics = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FIXED.tum", help="Write the poses, corrected.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a pose file is and what looks wrong: direction, axes, unit, clock, jumps; exit 1 if it is wrong."""
    from pipelines.check_poses_command import check_poses as examine

    report = examine(poses, recording, intrinsics, to)
    print_result(report.as_dict(), report.as_text(), as_json)
    if report.wrong:
        raise typer.Exit(1)


@app.command(epilog="Example:  streammtl doctor\n\n  streammtl doctor --json")
def doctor(as_json: Json = False) -> None:
    """Say what this machine has and lacks, with the remedy."""
    from pipelines.doctor import examine

    findings = examine()
    text = "\n".join(f"{f.mark:7}  {f.what}: {f.found}{f.advice}" for f in findings)
    print_result([f.as_dict() for f in findings], text, as_json)
    if not all(f.ok or f.optional for f in findings):
        raise typer.Exit(1)


@app.command(
    epilog="Example:  streammtl models\n\n  streammtl models cvm --size 448x576 --views 2 --set model.num_planes=96"
)
def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Count this model's parts.")] = None,
    size: Annotated[str, typer.Option("--size", metavar="HxW", help="Image height and width, pixels.")] = "448x576",
    views: Annotated[int, typer.Option("--views", min=1, help="Views, the reference included.")] = 2,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """List models, encoders and tasks; or count a model's parameters and operations part by part."""
    from pipelines.models_command import available, count

    data, text = available() if name is None else count(name, size, views, overrides)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl config\n\n  streammtl config --set fusion.voxel_size_m=0.01")
def config(config: Config = None, overrides: Set = None, as_json: Json = False) -> None:
    """Print all settings with values, units and meaning, as a YAML file to start from."""
    from pipelines.settings import describe, load_settings

    settings = load_settings(config, overrides)
    lines, group = [], ""
    for name, value, kind, meaning in describe(settings):
        if name.partition(".")[0] != group:
            group = name.partition(".")[0]
            lines.append(f"{group}:")
        shown = json.dumps(value if not isinstance(value, Path) else str(value))
        lines.append(f"  {name.partition('.')[2]}: {shown}  # {kind}; {meaning}")
    print_result(settings.model_dump(mode="json"), "\n".join(lines), as_json)


def main() -> None:
    """Entry point: errors raised on purpose become one paragraph and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except StreamMtlError as error:
        print(f"streammtl: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
