"""Speed of videos and streams by stage, and the clips for it."""
