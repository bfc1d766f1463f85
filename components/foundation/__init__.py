"""What every target shares and a switch of target keeps."""

from components.foundation.foundation import Foundation

__all__ = ["Foundation"]
