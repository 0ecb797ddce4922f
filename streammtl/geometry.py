"""Camera geometry on tensors: intrinsics, relative poses, back-projection, projection, normals.

Convention: OpenCV axes; pixel centres at integers; `T_dst_src` maps points of frame src to frame dst; depth is measured
along the optical axis.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.errors import ShapeError

SHORTEST = 1e-6  # of vectors that have a direction


def resize_intrinsics(K: Tensor, size: tuple[int, int], new_size: tuple[int, int]) -> Tensor:
    """K of an image resized from `size` to `new_size`, both (height, width).

    The centre moves by the half pixel that the integer-centre grid needs: cx' = (cx + 0.5) s - 0.5. Leaving it out
    shifts everything by almost half a feature pixel at stride 8.

    Shapes: K [...,3,3] -> [...,3,3].
    """
    scale_y, scale_x = new_size[0] / size[0], new_size[1] / size[1]
    resized = K.clone()
    resized[..., 0, :2] *= scale_x
    resized[..., 1, 1] *= scale_y
    resized[..., 0, 2] = (K[..., 0, 2] + 0.5) * scale_x - 0.5
    resized[..., 1, 2] = (K[..., 1, 2] + 0.5) * scale_y - 0.5
    return resized


def relative_pose(T_world_dst: Tensor, T_world_src: Tensor) -> Tensor:
    """T_dst_src f64 [...,4,4] of two camera-to-world poses.

    Computed in float64: in float32 a camera 1 km from the origin loses its position to rounding: 0.06 mm steps.
    """
    T_world_dst, T_world_src = T_world_dst.double(), T_world_src.double()
    R_dst_world = T_world_dst[..., :3, :3].transpose(-1, -2)
    rotation = R_dst_world @ T_world_src[..., :3, :3]
    translation = R_dst_world @ (T_world_src[..., :3, 3:] - T_world_dst[..., :3, 3:])
    bottom = rotation.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*rotation.shape[:-2], 1, 4)
    return torch.cat((torch.cat((rotation, translation), -1), bottom), -2)


def pixel_grid(
    height: int, width: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Homogeneous pixel coordinates (u, v, 1) as [3, height*width], rows first."""
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=dtype), torch.arange(width, device=device, dtype=dtype), indexing="ij"
    )
    return torch.stack((u, v, torch.ones_like(u))).flatten(1)


def backproject(depth: Tensor, K: Tensor) -> Tensor:
    """Points [B,3,h,w] in camera axes of a depth map [B,1,h,w]; K [B,3,3] belongs to the h x w grid."""
    if depth.ndim != 4 or depth.shape[1] != 1:
        raise ShapeError(f"depth has shape {tuple(depth.shape)}; backproject needs [B,1,h,w].")
    batch, _, height, width = depth.shape
    grid = pixel_grid(height, width, device=depth.device, dtype=K.dtype)
    rays = torch.linalg.inv(K) @ grid  # [B,3,h*w]
    return rays.view(batch, 3, height, width) * depth


def project(points: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels [B,2,h,w] and depths [B,1,h,w] of points [B,3,h,w] in camera axes.

    Pixels of points with depth <= 0 mean nothing: mask them by the depth.
    """
    batch, _, height, width = points.shape
    image = (K @ points.flatten(2)).view(batch, 3, height, width)
    z = image[:, 2:]
    return image[:, :2] / torch.where(z.abs() < 1e-9, 1e-9, z), z


def normals_from_depth(depth: Tensor, K: Tensor) -> Tensor:
    """Unit normals [B,3,h,w] facing the camera, in camera axes, of a depth map [B,1,h,w].

    Central differences of the back-projected points (one-sided at the border), so exact on a plane up to rounding.
    """
    points = F.pad(backproject(depth, K), (1, 1, 1, 1), mode="replicate")
    along_u = points[:, :, 1:-1, 2:] - points[:, :, 1:-1, :-2]
    along_v = points[:, :, 2:, 1:-1] - points[:, :, :-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(along_v, along_u, dim=1), dim=1, eps=1e-20)
    return face_camera(normals, K)


def unit(vectors: Tensor) -> Tensor:
    """F.normalize along dim 1, several times as fast on a CPU; a zero vector stays zero and gets a finite gradient."""
    return vectors * vectors.square().sum(1, keepdim=True).clamp(min=SHORTEST**2).rsqrt()


def face_camera(normals: Tensor, K: Tensor) -> Tensor:
    """Normals [B,3,h,w] flipped where they point away from the camera. K [B,3,3] belongs to the h x w grid."""
    height, width = normals.shape[-2:]
    rays = (torch.linalg.inv(K) @ pixel_grid(height, width, device=K.device, dtype=K.dtype)).view(normals.shape)
    return torch.where((normals * rays).sum(1, keepdim=True) > 0, -normals, normals)
