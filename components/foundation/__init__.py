"""The resources that all targets share, and that a switch of the target keeps."""

from components.foundation.foundation import Foundation

__all__ = ["Foundation"]
