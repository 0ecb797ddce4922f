"""Training batches out of footage. The seed and the number of a batch decide all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from streammtl.augmentation.appearance import AppearanceSettings, vary_appearance
from streammtl.augmentation.flip import flip_views
from streammtl.augmentation.random_views import AugmentationSettings, augment_views
from streammtl.data.footage import Footage, FootageSource, Window
from streammtl.data.stacking import stack_samples
from streammtl.data.tracking_errors import TrackingErrorSettings, depth_limits, disturb_pose
from streammtl.data.view_choice import ViewChoiceSettings, choose_sources
from streammtl.data.window import draw_window, read_window
from streammtl.views import ViewBatch

REFERENCE_TRIES = 8
UNKNOWN_DEPTH_M = 2.0  # at which the overlap of views without depth is judged


class SamplingSettings(BaseModel):
    """How footage becomes samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: ViewChoiceSettings = ViewChoiceSettings()
    tracking: TrackingErrorSettings = TrackingErrorSettings()
    appearance: AppearanceSettings | None = Field(
        AppearanceSettings(), description="random appearance; none leaves images"
    )
    least_window: float = Field(0.65, description="sides of the smallest window, of the largest", gt=0, le=1)
    flip_share: float = Field(0.5, description="share of samples mirrored left-right", ge=0, le=1)
    augmentation: AugmentationSettings | None = Field(
        None, description="scale, crop, mirror and colours of InvPT and SAK in place of windows, flips and appearance"
    )
    nearest_median_m: float = Field(0.5, description="a reference whose median depth is less is drawn again", ge=0)


class ClipSampler:
    """Batch number -> ViewBatch with labels of the references and depth of all views. Pure: safe in several threads."""

    def __init__(self, pool: FootageSource, tasks: tuple[str, ...], settings: SamplingSettings, seed: int) -> None:
        self.pool, self.tasks, self.settings, self.seed = pool, tasks, settings, seed
        self._any_frame = settings.views.model_copy(update={"causal_share": 0.0, "candidate_share": (1.0, 1.0)})

    def batch(self, number: int, batch_size: int, size: tuple[int, int], group: int | None = None) -> ViewBatch:
        """The batch of that number: images of `size` (height, width), all samples with as many views.

        Batches of one group have as many views as each other, so that none has to wait for the other.
        """
        rng = np.random.default_rng((self.seed, number))
        count = self.settings.views.draw_count(
            np.random.default_rng((self.seed, number if group is None else group, 1))
        )
        samples = [self._sample(np.random.default_rng((self.seed, number, i)), count, size) for i in range(batch_size)]
        batch = stack_samples(samples)
        if self.settings.appearance is None or self.settings.augmentation is not None:
            return batch
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        if batch.next_images is None:
            return replace(batch, images=vary_appearance(batch.images, self.settings.appearance, generator))
        both = torch.cat((batch.images, batch.next_images), 1)
        images, following = vary_appearance(both, self.settings.appearance, generator).chunk(2, 1)
        return replace(batch, images=images, next_images=following)

    def _sample(self, rng: np.random.Generator, count: int, size: tuple[int, int]) -> ViewBatch:
        footage = self.pool.draw(rng)
        reference, depth = self._reference(footage, rng)
        known = depth[depth > 0]
        typical = float(np.median(known)) if len(known) else UNKNOWN_DEPTH_M
        sources = choose_sources(footage.frames, reference, typical, count, self.settings.views, rng)
        if len(sources) < count:  # a view that is not there costs as much as one that is
            sources = choose_sources(footage.frames, reference, typical, count, self._any_frame, rng)
        shown = [reference, *self._with_luck(sources, rng)]
        present = len(shown)
        shown += [reference] * (count + 1 - present)  # padding; masked out below
        sample = self._seen(footage, shown, size, rng)
        sample.view_mask[:, present:] = False
        sample.view_mask[:, 1:] &= torch.from_numpy(rng.random(count) >= self.settings.views.missing_share)
        sample = self._tracked(sample, depth, rng)
        mirrored = self.settings.augmentation is None and rng.random() < self.settings.flip_share
        return flip_views(sample) if mirrored else sample

    def _reference(self, footage: Footage, rng: np.random.Generator) -> tuple[int, np.ndarray]:
        """A frame that is not stuck in front of a wall, and some of its depths."""
        for _ in range(REFERENCE_TRIES):
            frame = footage.references[int(rng.integers(len(footage.references)))]
            depth = footage.coarse_depth(frame)
            if depth is None:
                return frame, np.zeros(0, np.float32)
            known = depth[depth > 0]
            if len(known) and np.median(known) >= self.settings.nearest_median_m:
                break
        return frame, depth

    def _seen(self, footage: Footage, shown: list[int], size: tuple[int, int], rng: np.random.Generator) -> ViewBatch:
        """The frames at `size`: a window of them, or all of them scaled and cropped."""
        whole = footage.frames.size
        if self.settings.augmentation is None:
            window = draw_window(whole, size, self.settings.least_window, rng)
            return read_window(footage, shown, window, size, self.tasks)
        sample = read_window(footage, shown, Window(0, 0, *whole), whole, self.tasks)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return augment_views(sample, self.settings.augmentation, generator, size)

    def _with_luck(self, sources: list[int], rng: np.random.Generator) -> list[int]:
        """Sources in any order, some showing the same frame as another."""
        sources = [sources[i] for i in rng.permutation(len(sources))]
        for i in range(1, len(sources)):
            if rng.random() < self.settings.views.repeated_share:
                sources[i] = sources[i - 1]
        return sources

    def _tracked(self, sample: ViewBatch, depth: np.ndarray, rng: np.random.Generator) -> ViewBatch:
        """The sample as tracking would have it."""
        errors = self.settings.tracking
        if rng.random() >= errors.exact_share:
            for view in range(1, sample.images.shape[1]):
                T = disturb_pose(sample.T_world_cam[0, view].numpy(), errors, rng)
                sample.T_world_cam[0, view] = torch.from_numpy(T)
            sample.K[..., 0, 0] *= 1 + errors.focal * (error := rng.normal())
            sample.K[..., 1, 1] *= 1 + errors.focal * error
        near, far = depth_limits(depth, errors, rng)
        return replace(sample, near_m=torch.tensor([near]), far_m=torch.tensor([far]))
