import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Modules of the SDKs warn of their own deprecated resources when they are imported, whether or
    # not one uses them. What a program uses, the SDKs tell the engine: see Recording.warnings.
    config.addinivalue_line("filterwarnings", r"ignore::DeprecationWarning:pulumi_awsx?\..*")
