"""A network's depth and matched depth made one: matches where they can be trusted, else the network, corrected."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.crossview.patches import to_grey
from streammtl.crossview.photometric_sweep import photometric_sweep
from streammtl.crossview.scale_field import corrected_by_matches
from streammtl.views import ViewBatch

TRUSTED = 0.3  # confidence above which a match stands
DISAGREE = 0.1  # in log depth: not both of two depths that far apart can be right
LIKELY = 0.5  # confidence above which the corrected depth is more often right than wrong


def refined_by_matching(batch: ViewBatch, depth: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and confidence [B,1,H,W] of view 0 from a network's, and from a photometric sweep over its neighbours.

    Matches of fine texture are more exact than any network; between them a network's depth, taken to the matches by a
    smooth field, is better than what a sweep guesses. Confidence is the probability that depth is within 5 % of the
    truth, and 0 where corrected depth is more likely off than not: there it is the best guess, but nothing to build
    on. A sample without neighbours keeps the network's word. H and W are multiples of scale_field.CELL.
    Raises: DepthRangeError.
    """
    matched, match_confidence = photometric_sweep(batch)
    alone = batch.view_mask.sum(1) < 2
    samples = [
        (depth[b, 0], confidence[b, 0])
        if alone[b]
        else merged(
            matched[b, 0],
            match_confidence[b, 0],
            *corrected_by_matches(
                depth[b, 0], confidence[b, 0], matched[b, 0], match_confidence[b, 0], to_grey(batch.images[b, :1])[0, 0]
            ),
        )
        for b in range(len(depth))
    ]
    refined, trust = (torch.stack(maps)[:, None] for maps in zip(*samples, strict=True))
    return refined, trust


def merged(matched: Tensor, match_confidence: Tensor, corrected: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and confidence, all [H,W], of two: a match is doubted as far as the corrected depth is sure of another."""
    disagree = (matched.log() - corrected.log()).abs() > DISAGREE
    trust = torch.where(disagree, match_confidence * (1.0 - confidence), match_confidence)
    stands = trust > TRUSTED
    sure = torch.where(confidence > LIKELY, confidence, 0.0)
    return torch.where(stands, matched, corrected), torch.where(stands, trust, sure)
