"""doldrum's detectors with the interfaces of other libraries. Each library has one file, and is imported only with this file.

Each call is passed to the detector. Adapters for models of these libraries are in `classifiers/adapters`.
"""
