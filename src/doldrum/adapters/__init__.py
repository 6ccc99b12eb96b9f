"""doldrum's detectors with the interfaces of other libraries. Each file has the interface for one library, and only
this file imports the library.

Each call is passed to doldrum's detector. Adapters for models of other libraries are in `classifiers/adapters`.
"""
