"""OpenVINO IR folders."""
