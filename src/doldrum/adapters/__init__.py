"""doldrum's detectors with the interfaces of other libraries. For each library there is one file. The other files do
not import this library.

The classes of this package pass their calls to a detector of doldrum. Adapters for models of other libraries are in
`classifiers/adapters`.
"""
