"""Settings of what is read out of a map."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SceneSettings(BaseModel):
    """Sizes in metres; in a map of unknown scale, in its units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_m: float = Field(0.05, gt=0, description="side of a cell of the floor grid, m")
    low_m: float = Field(0.1, ge=0, description="what is lower than this above the floor can be driven over, m")
    high_m: float = Field(1.8, gt=0, description="what is higher than this above the floor is passed under, m")
    gap_m: float = Field(0.05, gt=0, description="surfaces of one class nearer than this are one object, m")
    min_object_area_m2: float = Field(0.02, ge=0, description="smaller patches of a class are no objects, m²")
    door_m: float = Field(1.1, gt=0, description="passages between walls narrower than this part rooms, m")
    min_room_m2: float = Field(1.0, gt=0, description="smaller rooms count to their neighbour, m²")
    place_m: float = Field(0.6, gt=0, description="places lie about this far apart, m")
