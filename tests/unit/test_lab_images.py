"""An image is named by what is in it: the same files are the same image, in whatever order they were found."""

from __future__ import annotations

from deploy.lab import images


def test_the_order_in_which_files_were_found_makes_no_other_image() -> None:
    found = {"usr/lib/one.so": b"1", "usr/lib/two.so": b"2", "bin/busybox": b"3"}
    assert images._layer(found) == images._layer(dict(reversed(found.items())))
