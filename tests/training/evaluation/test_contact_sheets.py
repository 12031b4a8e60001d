"""Photo sheets show every photo, at most 48 on each, with number and name."""

from __future__ import annotations

import cv2
import numpy as np

from unmask_sdk.training.evaluation.contact_sheets import SHEET_PHOTOS, write_photo_sheets
from unmask_sdk.training.evaluation.real_photos import PhotoRow


def test_photos_are_spread_over_numbered_sheets(tmp_path):
    before, after = (np.full((256, 256, 3), value, np.uint8) for value in (60, 180))
    rows = [PhotoRow(f"photo-{i}.jpg", (before, after)) for i in range(SHEET_PHOTOS + 1)]
    (tmp_path / "photos-09.jpg").write_bytes(b"of an earlier run")
    files = write_photo_sheets(tmp_path, rows)
    assert [file.name for file in files] == ["photos-01.jpg", "photos-02.jpg"]
    assert sorted(tmp_path.iterdir()) == files
    first, last = (cv2.imread(str(file)) for file in files)
    assert first.shape == (12 * 278, 4 * 512, 3)
    assert last.shape == (278, 512, 3)
    # The label has white letters on black; the faces stand below it.
    assert last[:22].max() > 200
    assert abs(int(last[100, 100, 0]) - 60) < 3
    assert abs(int(last[100, 400, 0]) - 180) < 3


def test_without_photos_there_is_no_sheet(tmp_path):
    assert write_photo_sheets(tmp_path, []) == []
