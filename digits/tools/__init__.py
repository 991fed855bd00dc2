"""Programs that make datasets; each runs by hand: `python -m digits.tools.NAME --help`.

    parse_folder      a folder (or web listing) of class folders -> train.txt, val.txt, labels.txt
    parse_textfile    lists that a user wrote -> the same, checked
    extract_archive   a zip or tar of class folders -> the folder
    create_db         a list of pictures -> an LMDB or HDF5 database and its mean
    resize_image      one picture, resized and encoded
    download_data     sample data sets

They know nothing of jobs and of the web.  Each writes its files whole or not at all, logs lines as
`base/progress.py` defines them to stderr, and exits with 0 only if everything succeeded.
"""
