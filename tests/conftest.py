from hypothesis import settings

# A shared machine may be slow; a property is true or not, however long it took to try.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
