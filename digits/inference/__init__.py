"""Trying networks: worker processes that each hold one, and the pool that lends them.

    from digits.inference import Network, Pool, PoolSettings, classify_one
    with Pool(PoolSettings(workers=2)) as pool:
        result = classify_one(pool, network, Path("cat.jpg"), top=5)

The web process uses these modules; none of them loads torch, cv2 or matplotlib:

    errors.py     what a request may raise
    network.py    which network, and how its pictures were made
    results.py    what is answered
    pool.py       the workers: kept warm, limited, replaced when they die
    process.py    one worker seen from the server
    protocol.py   messages over the socket
    classify.py   one picture, many pictures, the best of each class
    explain.py    layers in numbers and pictures, heat maps
    exploring.py  what is in a dataset's databases
    nets.py       check and draw a net
    work/         the worker's side, and what it loads
"""

from digits.inference.classify import Database, classify_many, classify_one, top_n
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
from digits.inference.explain import (
    HeatMap,
    grad_cam,
    layer_facts,
    picture_of_activations,
    picture_of_weights,
)
from digits.inference.nets import CheckResult, NetSource, check_network, draw_network, parse_net
from digits.inference.network import Network
from digits.inference.pool import Pool, PoolSettings, WorkerState
from digits.inference.results import (
    Classification,
    ClassifiedPicture,
    LayerFacts,
    Prediction,
    TopN,
)

__all__ = [
    "BadNetwork",
    "BadPicture",
    "BadRequest",
    "CheckResult",
    "Classification",
    "ClassifiedPicture",
    "Database",
    "HeatMap",
    "InferenceError",
    "LayerFacts",
    "NetSource",
    "Network",
    "Pool",
    "PoolBusy",
    "PoolClosed",
    "PoolSettings",
    "Prediction",
    "TopN",
    "WorkerDied",
    "WorkerError",
    "WorkerNotStarted",
    "WorkerState",
    "WorkerTimeout",
    "check_network",
    "classify_many",
    "classify_one",
    "draw_network",
    "grad_cam",
    "layer_facts",
    "parse_net",
    "picture_of_activations",
    "picture_of_weights",
    "top_n",
]
