"""Every error a user can meet, as one tree.

    StreamMtlError
    ├── ConfigError            a setting is wrong: stops at once
    ├── DataError
    │   ├── RecordingError     a recording cannot be read
    │   └── LabelError         a label or label space does not fit
    ├── GeometryError
    │   ├── ShapeError
    │   ├── CameraError        calibration missing or of the wrong size
    │   ├── DepthRangeError
    │   └── ScaleError         depth and poses cannot be brought to one scale
    ├── ModelError
    │   └── CheckpointError    weights missing, damaged or untrained
    ├── MapError
    │   ├── StoreError         the map on disk cannot be read or written
    │   └── VersionError       the map was written by an unknown version
    └── PipelineError
        ├── StageError         a stage failed; names the stage and the frame
        └── StageLostError     a stage's process died; the run goes on from the last commit

A message says what was wrong, what was expected and what to do, in one paragraph.
"""


class StreamMtlError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(StreamMtlError, ValueError):
    """A setting or a command-line value is wrong."""


class DataError(StreamMtlError):
    """Input data is wrong."""


class RecordingError(DataError, OSError):
    """A recording is missing, empty, damaged or of an unknown kind."""


class LabelError(DataError, ValueError):
    """A label id or label space does not fit."""


class GeometryError(StreamMtlError, ValueError):
    """Cameras, poses or shapes contradict each other."""


class ShapeError(GeometryError):
    """An array has the wrong shape or type."""


class CameraError(GeometryError):
    """A calibration is missing, malformed or belongs to another image size."""


class DepthRangeError(GeometryError):
    """Depth limits or hypotheses are out of the useful range."""


class ScaleError(GeometryError):
    """Depth and poses cannot be brought to one scale."""


class ModelError(StreamMtlError):
    """A model cannot be built or run."""


class CheckpointError(ModelError):
    """Weights are missing, damaged or untrained."""


class MapError(StreamMtlError):
    """Something is wrong with a map."""


class StoreError(MapError, OSError):
    """The map on disk cannot be read or written."""


class VersionError(MapError):
    """The map was written by a version this one does not know."""


class PipelineError(StreamMtlError):
    """A run cannot go on."""


class StageError(PipelineError):
    """A stage failed; the message names the stage and the frame."""


class StageLostError(PipelineError):
    """A stage's process died, and what it held is gone. A run recovers from it as often as it makes progress."""
