"""Plot the accuracies of the table of long-tailed CIFAR-10, imbalance_cifar10.csv."""

import matplotlib.pyplot as plt
import pandas as pd

table = pd.read_csv("imbalance_cifar10.csv")
parts = table.accuracy.str.split(" ± ", expand=True).astype(float)
table["mean"], table["deviation"] = parts[0], parts[1]
table["remedy"] = table.remedy.str.replace("`", "")
by_factor = table.pivot(index="remedy", columns="factor", values=["mean", "deviation"])
by_factor = by_factor.sort_values(("mean", 200))

figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for factor, marker in ((100, "o"), (200, "s")):
    ax.errorbar(
        by_factor["mean", factor],
        by_factor.index,
        xerr=by_factor["deviation", factor],
        fmt=marker,
        capsize=3,
        label=f"factor {factor}",
    )
ax.set(xlabel="accuracy in %")
ax.grid(axis="x", alpha=0.4)
ax.legend(loc="lower right")
