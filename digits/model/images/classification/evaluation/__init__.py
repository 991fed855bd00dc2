"""Many pictures classified by one snapshot, as a job of its own below the model."""
