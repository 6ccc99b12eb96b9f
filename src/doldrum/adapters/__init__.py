"""doldrum's detectors with the interfaces of other libraries. There is one file for each other library, such as ART,
and no other file of this package imports that library.

The classes of this package pass their calls to a detector of doldrum. Adapters for models of other libraries are in
`classifiers/adapters`.
"""
