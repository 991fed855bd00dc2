"""Trying networks: worker processes that each hold one, and the pool that lends them.

    from digits.inference import ClassifyOne, Network, Pool, PoolSettings
    with Pool(PoolSettings(workers=2)) as pool:
        result = pool.ask(ClassifyOne(Path("cat.jpg"), top=5), network=network)

The web process uses these modules; none of them loads torch, cv2 or matplotlib:

    operations/   what can be asked, and what is answered
    errors.py     what a request may raise
    pool.py       the workers: kept warm, limited, replaced when they die
    process.py    one worker seen from the server
    protocol.py   messages over the socket
    many.py       many pictures in a stream, the best of each class
    best.py       the best pictures of each class, while they come
    nets.py       check, draw and parse nets in bounded time
    work/         the worker's side, and what it loads

A program of its own classifies what may take long:

    evaluate.py     many pictures into files
    evaluation.py   these files
    opening.py      the pictures of a list, opened one by one
    given_answers.py  what a browser was answered and sends back to be kept
"""

from digits.inference.errors import (
    BadNetwork,
    BadPicture,
    BadRequest,
    InferenceError,
    PoolBusy,
    PoolClosed,
    WorkerDied,
    WorkerError,
    WorkerNotStarted,
    WorkerTimeout,
)
from digits.inference.many import ClassifiedPicture, TopN, classify_many, top_n
from digits.inference.nets import check_network, draw_network, parse_net
from digits.inference.operations import (
    Classification,
    ClassifyOne,
    Database,
    DescribeLayers,
    DrawActivations,
    DrawWeights,
    ExplainClass,
    LayerFacts,
    NetSource,
    Network,
    Picture,
    Prediction,
    Source,
)
from digits.inference.pool import Pool, PoolSettings, WorkerState

__all__ = [
    "BadNetwork",
    "BadPicture",
    "BadRequest",
    "Classification",
    "ClassifiedPicture",
    "ClassifyOne",
    "Database",
    "DescribeLayers",
    "DrawActivations",
    "DrawWeights",
    "ExplainClass",
    "InferenceError",
    "LayerFacts",
    "NetSource",
    "Network",
    "Picture",
    "Pool",
    "PoolBusy",
    "PoolClosed",
    "PoolSettings",
    "Prediction",
    "Source",
    "TopN",
    "WorkerDied",
    "WorkerError",
    "WorkerNotStarted",
    "WorkerState",
    "WorkerTimeout",
    "check_network",
    "classify_many",
    "draw_network",
    "parse_net",
    "top_n",
]
