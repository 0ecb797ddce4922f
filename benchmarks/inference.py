"""Milliseconds and peak memory of a network, part by part, and of its cost volume, where it has one, done plainly.

python benchmarks/inference.py [--model cvm-lite] [--size 240x320] [--views 3] [--set model.a=b] [--threads N]
                               [--device cuda] [--bf16] [--compile] [--repeats N] [--json]

The cost volume is where the network has it: `--set model.volume_stride=8` puts cvm-lite's at 1/8 of the image.
Plain cost volumes: features of every plane sampled in one grid_sample call, as cross-view networks usually do
("stacked"), and plane by plane, which takes less memory ("per plane"). On CUDA the fused kernel is there as well. All
get the same features and poses in the same run, in turn; the largest difference between their scores is given. Times
are the smallest of the repeats, since a busy machine only ever adds; CPU time, of all threads, hardly minds it. Memory
is what a part takes at its peak beyond what was there before.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

M_MMAP_THRESHOLD = -3  # of glibc's mallopt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cvm-lite")
    parser.add_argument("--size", default="240x320")
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--set", action="append", dest="overrides", metavar="model.a=b", default=[])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", action="store_true", help="compile the encoder; all, without cost volume")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['what']}; {arguments.threads} threads, load average {os.getloadavg()[0]:.1f}")
    for row in result["rows"]:
        print(f"{row['part']:32}{row['ms']:10.2f} ms{row['cpu_ms']:10.2f} ms of CPU{row['peak_mb']:10.1f} MB")
    if "score_spread" not in result:
        return
    print(
        f"cost volume: {result['faster_than_stacked']:.1f} x as fast as stacked, "
        f"{result['faster_than_per_plane']:.1f} x as fast as per plane; scores differ by at most "
        f"{result['largest_difference']:.1e} of {result['score_spread']:.2f} (standard deviation)"
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    from pipelines.models_command import parse_size
    from pipelines.settings import load_settings
    from streammtl.models.cvm import build_network
    from streammtl.models.registry import model_class

    torch.set_num_threads(arguments.threads)
    overrides = [f"model.name={arguments.model}", "model.pretrained_encoder=false", *arguments.overrides]
    settings = load_settings(None, overrides).model
    network = build_network(settings, model_class(arguments.model).network_settings).to(arguments.device).eval()
    batch = moving_camera(parse_size(arguments.size), arguments.views, arguments.device)
    meter = Meter(arguments.device, arguments.repeats)
    with torch.inference_mode(), torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
        rows, volumes = parts(network, batch, meter, arguments.compile)
    what = f"{arguments.model}, {arguments.size}, {arguments.views} views, {arguments.device}"
    result = {"what": what + (", bf16" if arguments.bf16 else ""), "rows": rows}
    if not volumes:
        return result
    milliseconds = {row["part"]: row["ms"] for row in rows}
    ours, *others = volumes
    seen = ours != 0
    return result | {
        "faster_than_stacked": milliseconds["cost volume, plain, stacked"] / milliseconds["cost volume"],
        "faster_than_per_plane": milliseconds["cost volume, plain, per plane"] / milliseconds["cost volume"],
        "largest_difference": max(float((ours - other)[seen].abs().max()) for other in others),
        "score_spread": float(ours[seen].std()),
    }


def parts(network: Any, batch: Any, meter: Meter, compiled: bool) -> tuple[list[dict], list]:
    """Rows of all parts, and the scores of all cost volumes, ours first; none without a cross-view module."""
    import torch

    from streammtl.decoders.depth_prior import focal_lengths

    encoder = torch.compile(network.encoder) if compiled else network.encoder
    pyramid = meter.run("encoder, reference view", lambda: encoder(batch.images[:, 0]))
    seen, volumes = (None, []) if network.cross_view is None else cross_view_parts(network, batch, meter)
    features = meter.run("decoder", lambda: network.decoder(pyramid, seen))
    if network.mixer is not None:
        features = meter.run("task mixer", lambda: network.mixer(features, pyramid.levels[-1]))

    def heads() -> Any:
        inputs = features | {task: double(features[task]) for task, double in network.doubling.items()}
        network.depth_head(inputs["depth"], seen, focal_lengths(batch.K[:, 0]))
        return [head(inputs[task]) for task, head in network.heads.items()]

    meter.run("heads", heads)
    whole = torch.compile(network) if compiled and seen is None else network
    meter.run("whole network", lambda: whole(batch))
    return meter.rows, volumes


def cross_view_parts(network: Any, batch: Any, meter: Meter) -> tuple[Any, list]:
    """What the cross-view module gives, and the scores of all cost volumes, ours first."""
    from streammtl.crossview.cost_volume import build_cost_volume
    from streammtl.crossview.hypotheses import depth_hypotheses
    from streammtl.crossview.neighbours import best_neighbours
    from streammtl.crossview.warp import sweep_geometry

    cross = network.cross_view
    images = batch.images.flatten(0, 1)
    read = (images,) if cross.settings.match_features == "own" else (network.encoder, images)
    maps = meter.run("spatial encoder, all views", lambda: cross.encoder(*read)).unflatten(0, batch.view_mask.shape)
    count = max(1, min(cross.settings.num_neighbours, batch.view_mask.shape[1] - 1))
    neighbours, valid = best_neighbours(batch.T_world_cam, batch.view_mask, count)
    features = meter.run("transformer", lambda: cross.transformer(maps, neighbours, valid)).contiguous()
    if cross.fine is not None:
        detail = cross.encoder(images)[1]
        fine = meter.run("fine features", lambda: cross.fine(features.flatten(0, 1), detail))
        features = fine.unflatten(0, batch.view_mask.shape)
    planes = depth_hypotheses(batch.near_m, batch.far_m, cross.settings.num_planes)
    chosen = neighbours[:, 0]
    geometry = sweep_geometry(batch, tuple(features.shape[-2:]), chosen, valid[:, 0])
    reference, sources = features[:, 0], features[0, chosen[0]][None]

    def volume(method: str) -> Any:
        return build_cost_volume(reference, sources, geometry, planes, method).scores

    ways = {
        "cost volume": lambda: volume("auto"),
        "cost volume, plain, stacked": lambda: stacked_volume(reference, sources, geometry, planes),
        "cost volume, plain, per plane": lambda: volume("per_plane"),
    }
    if meter.cuda and importlib.util.find_spec("triton"):
        ways["cost volume, fused kernel"] = lambda: volume("fused")
    volumes = meter.run_in_turn(ways)
    seen = cross(batch, network.encoder)
    if seen.upsampled is not None:
        meter.run("upsampling", lambda: cross.upsampled(seen.features, seen.volume))
    return seen, volumes


def stacked_volume(reference: Any, sources: Any, geometry: Any, planes: Any) -> Any:
    """The usual way: warp the features of every plane at once, multiply, sum over channels."""
    import torch
    import torch.nn.functional as F

    height, width = reference.shape[-2:]
    total = torch.zeros(*planes.shape, height, width, device=reference.device)
    views = torch.zeros_like(total)
    for index in range(geometry.num_sources):
        u, v, visible = geometry.project(planes[:, :, None], index)
        grid = torch.stack((u * (2 / (width - 1)) - 1, v * (2 / (height - 1)) - 1), -1)
        grid = grid.view(planes.shape[0], -1, width, 2)
        warped = F.grid_sample(sources[:, index].float(), grid, align_corners=True)
        warped = warped.view(*reference.shape[:2], planes.shape[1], height, width)
        scores = (reference.float()[:, :, None] * warped).sum(1) * reference.shape[1] ** -0.5
        total += torch.where(visible.view(total.shape), scores, 0.0)
        views += visible.view(total.shape)
    return total / views.clamp(min=1)


def moving_camera(size: tuple[int, int], views: int, device: str) -> Any:
    """Noise images of a camera that walks and turns: 12 cm and 3 degrees a view, to either side in turn."""
    import torch

    from streammtl.views import ViewBatch

    height, width = size
    generator = torch.Generator().manual_seed(0)
    poses = np.tile(np.eye(4), (views, 1, 1))
    for view in range(1, views):
        step = (view + 1) // 2 * (-1) ** view
        angle = np.radians(3.0 * step)
        poses[view, :3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        poses[view, :3, 3] = 0.12 * step, 0.01 * step, 0.05 * view
    K = torch.tensor([[0.9 * width, 0, width / 2], [0, 0.9 * width, height / 2], [0, 0, 1.0]])
    return ViewBatch(
        images=torch.rand(1, views, 3, height, width, generator=generator).to(device),
        K=K.expand(1, views, 3, 3).to(device),
        T_world_cam=torch.from_numpy(poses)[None].to(device),
        view_mask=torch.ones(1, views, dtype=torch.bool, device=device),
        near_m=torch.tensor([0.5], device=device),
        far_m=torch.tensor([10.0], device=device),
    )


class Meter:
    """Runs parts and keeps their times and peaks."""

    def __init__(self, device: str, repeats: int) -> None:
        self.cuda = device.startswith("cuda")
        self.repeats = repeats
        self.rows: list[dict] = []

    def run(self, part: str, work: Callable[[], Any]) -> Any:
        return self.run_in_turn({part: work})[0]

    def run_in_turn(self, parts: dict[str, Callable[[], Any]]) -> list[Any]:
        """Results of several parts that take turns, so that other load on the machine meets them alike."""
        results = [work() for work in parts.values()]
        fastest, least_cpu = dict.fromkeys(parts, float("inf")), dict.fromkeys(parts, float("inf"))
        for _ in range(self.repeats):
            for part, work in parts.items():
                self._wait()
                start, cpu = time.perf_counter(), time.process_time()
                work()
                self._wait()
                fastest[part] = min(fastest[part], time.perf_counter() - start)
                least_cpu[part] = min(least_cpu[part], time.process_time() - cpu)
        for part, work in parts.items():
            times = {"ms": 1e3 * fastest[part], "cpu_ms": 1e3 * least_cpu[part]}
            self.rows.append({"part": part, **times, "peak_mb": self._peak_of(work) / 1e6})
        return results

    def _peak_of(self, work: Callable[[], Any]) -> float:
        """Bytes that one more run takes at its peak."""
        if self.cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            work()
            return torch.cuda.max_memory_allocated() - before
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 65_536)  # every tensor from the system and back to it, or reuse hides the peak
        libc.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = self._status("VmRSS")
        work()
        peak = self._status("VmHWM") - before
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)
        return peak

    def _wait(self) -> None:
        if self.cuda:
            import torch

            torch.cuda.synchronize()

    @staticmethod
    def _status(field: str) -> float:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return 1024.0 * float(line.split()[1])
        return 0.0


if __name__ == "__main__":
    main()
