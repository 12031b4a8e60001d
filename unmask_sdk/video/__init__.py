"""Video files, cameras and live frames: reading, tracking, smoothing and writing."""
