"""Label spaces: versioned lists of classes, their palettes, and how they map to each other."""

from streammtl.labels.space import LabelSpace, label_space, label_space_names

__all__ = ["LabelSpace", "label_space", "label_space_names"]
