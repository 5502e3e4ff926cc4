"""What measures the pipeline: background, sensitivity, sky maps, against its peers."""
