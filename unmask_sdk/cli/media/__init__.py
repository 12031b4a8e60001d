"""Commands that unmask: photos, folders, videos, cameras."""
