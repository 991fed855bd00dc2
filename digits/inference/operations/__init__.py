"""What a worker can be asked, and what it answers: dataclasses that both sides share.

    answer = pool.ask(ClassifyOne(Path("cat.jpg")), network=network)    # a Classification

A request is named after its operation; the worker has a table of the functions that answer them
(`work/operations.py`).

    request.py    what all requests are
    messages.py   dataclasses as messages, and back
    networks.py   hold a trained network
    pictures.py   classify one picture, or a chunk of many
    layers.py     layers in numbers and pictures, heat maps
    databases.py  what is in a dataset's databases
    augmenting.py pictures as a training would see them
    folders.py    look at a folder before a dataset is made of it
    figures.py    curves and matrices for papers
    nets.py       parse, check and draw nets that users wrote
    exports.py    a trained network for programs elsewhere
"""

from digits.inference.operations.augmenting import AugmentRecords, Treatment
from digits.inference.operations.databases import (
    Database,
    Explore,
    FindRecord,
    Page,
    Place,
    SampleClasses,
    Samples,
    ShowRecord,
    SpreadRecords,
    Thumbnail,
)
from digits.inference.operations.exports import Exported, ExportNetwork
from digits.inference.operations.figures import FIGURE_TYPES, Curve, DrawCurves, DrawMatrix
from digits.inference.operations.folders import (
    ExamineFolder,
    FolderReport,
    FoundCategory,
    FoundOdd,
    FoundSample,
)
from digits.inference.operations.layers import (
    AllLayers,
    BlobFacts,
    DescribeLayers,
    DrawActivations,
    DrawWeights,
    ExplainClass,
    HeatMap,
    LayerFacts,
    Picture,
    Statistics,
)
from digits.inference.operations.nets import (
    CheckNets,
    CheckResult,
    DrawNet,
    NetCheck,
    NetProblem,
    NetSource,
    ParsedNet,
    ParseNet,
    SkippedWeights,
)
from digits.inference.operations.networks import Load, Network, NetworkFacts, Start, Started
from digits.inference.operations.pictures import (
    TOP,
    Chunk,
    Classification,
    ClassifyOne,
    ClassifyPictures,
    ClassifyRecords,
    Prediction,
    Preview,
    Records,
    ShowPicture,
    Source,
    Wanted,
)
from digits.inference.operations.request import Request

__all__ = [
    "FIGURE_TYPES",
    "TOP",
    "AllLayers",
    "AugmentRecords",
    "BlobFacts",
    "CheckNets",
    "CheckResult",
    "Chunk",
    "Classification",
    "ClassifyOne",
    "ClassifyPictures",
    "ClassifyRecords",
    "Curve",
    "Database",
    "DescribeLayers",
    "DrawActivations",
    "DrawCurves",
    "DrawMatrix",
    "DrawNet",
    "DrawWeights",
    "ExamineFolder",
    "ExplainClass",
    "Explore",
    "ExportNetwork",
    "Exported",
    "FindRecord",
    "FolderReport",
    "FoundCategory",
    "FoundOdd",
    "FoundSample",
    "HeatMap",
    "LayerFacts",
    "Load",
    "NetCheck",
    "NetProblem",
    "NetSource",
    "Network",
    "NetworkFacts",
    "Page",
    "ParseNet",
    "ParsedNet",
    "Picture",
    "Place",
    "Prediction",
    "Preview",
    "Records",
    "Request",
    "SampleClasses",
    "Samples",
    "ShowPicture",
    "ShowRecord",
    "SkippedWeights",
    "Source",
    "SpreadRecords",
    "Start",
    "Started",
    "Statistics",
    "Thumbnail",
    "Treatment",
    "Wanted",
]
