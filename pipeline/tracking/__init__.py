"""Floor 5: MLflow. Stages append records to an outbox; one background sender delivers them.

Importing this is cheap: neither MLflow nor any numeric library is loaded in a stage.
"""

from pipeline.tracking.outbox import Run, Summary, View, run

__all__ = ["Run", "Summary", "View", "run"]
