"""`import digits.caffe.as_caffe`: from then on, `import caffe` means this package in the process.

For notebooks, and for programs that cannot be started by `digits-caffe run`.
"""

from digits.caffe.machine.caffe_name import make_caffe_ours

make_caffe_ours()
