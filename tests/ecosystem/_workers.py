"""A step that kills its worker process once."""

import os
import signal

from skcnn import ImageResizer


class KillingResizer(ImageResizer):
    """ImageResizer that kills its process when it finds a file, which it deletes first.

    Only one process deletes the file, so that one worker dies. The process `driver` never does.
    """

    def __init__(self, size, *, marker, driver):
        super().__init__(size)
        self.marker = marker
        self.driver = driver

    def fit_transform(self, X, y=None, **params):
        if os.getpid() != self.driver:
            try:
                os.unlink(self.marker)
            except FileNotFoundError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().fit_transform(X, y, **params)
