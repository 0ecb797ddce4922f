"""Everything that yields frames: video files, image folders, RGB-D data sets, cameras and streams.

    from recordings import open_recording
    with open_recording("walk.mp4") as recording:
        for frame in recording.frames():
            ...

This room knows files and devices, nothing of poses estimated from them or of maps.
"""

from recordings.open_source import open_recording
from recordings.recording import Recording
from recordings.settings import RecordingSettings

__all__ = ["Recording", "RecordingSettings", "open_recording"]
