"""A trained network for programs elsewhere: an ONNX file, of 8 bits if wanted, or a page around it.

    making.py      the file, with what it says of itself
    pictures.py    pictures of a dataset's database, as the file takes them
    quantizing.py  the file with whole numbers of 8 bits
    measuring.py   how often a file is right, and how long it takes
    page.py        one HTML file that classifies by itself
    request.py     what the program is asked
    figures.py     what it has found out

`onnx` and `onnxruntime` are loaded by these modules and the engine's exporter alone, in programs
and workers, never in the web process.
"""
