from hypothesis import settings

# A shared machine may be slow; a property is true or not, however long it took to try.
settings.register_profile("core", deadline=None)
settings.load_profile("core")
