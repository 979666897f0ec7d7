"""Ten MLPs at once: each on its own minibatch, then all on the same one.

python examples/mlp_ensemble.py
"""

from cnn_ensemble import main, report

from vmapcore import nn

if __name__ == "__main__":
    report(main(nn.SimpleMLP, repeat=20))
