# Example Python layers used by the "python_*" reference cases.
import ast

import caffe
import numpy as np


class ScaleByParam(caffe.Layer):
    def setup(self, bottom, top):
        self.k = ast.literal_eval(self.param_str)["k"]

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.k * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.k * top[0].diff


class L1Loss(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("needs two inputs")

    def reshape(self, bottom, top):
        self.d = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.d[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.abs(self.d).sum() / bottom[0].num

    def backward(self, top, propagate_down, bottom):
        for i, s in ((0, 1.0), (1, -1.0)):
            if propagate_down[i]:
                bottom[i].diff[...] = s * np.sign(self.d) * top[0].diff[0] / bottom[i].num
