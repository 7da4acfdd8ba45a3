"""Writes docs/networks.md anew: all published networks, with counts and pictures.

    python docs/site/networks.py

Everything that lies between the two marks of the page is made from `GENOTYPES`: a network that is
added there comes into the page when this is run, and `tests/docs/test_networks.py` says that it
must be. What is said of a network in words is in `SOURCES` and `DIFFERENCES`.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from cellwright.command_line.networks import build_network
from cellwright.command_line.pictures.charts import save_figures
from cellwright.search_spaces import GENOTYPES, Genotype, costs

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "networks.md"
PICTURES = "images/networks"
BEGIN = "<!-- made by docs/site/networks.py -->\n"
END = "<!-- end of what is made -->\n"

# By the beginning of a name, the longest that fits.
SOURCES = {
    "nasnet-a": "[Zoph et al. 2018](https://arxiv.org/abs/1707.07012), figure 4; the authors' code "
    "(tensorflow/models, slim/nets/nasnet/nasnet.py)",
    "amoebanet": "[Real et al. 2018](https://arxiv.org/abs/1802.01548), appendix D; the authors' "
    "code (tensorflow/tpu, amoeba_net/model_specs.py)",
    "amoebanet-a": "[Real et al. 2018](https://arxiv.org/abs/1802.01548), figure 5; the authors' "
    "code (tensorflow/tpu, amoeba_net)",
    "pnasnet-5": "[Liu et al. 2018](https://arxiv.org/abs/1712.00559), figure 1; the authors' code "
    "(tensorflow/models, slim/nets/nasnet/pnasnet.py; chenxi116/PNASNet.pytorch)",
    "enas-micro": "The authors' code (melodyguan/enas, scripts/cifar10_micro_final.sh), of [Pham "
    "et al. 2018](https://arxiv.org/abs/1802.03268)",
    "darts": "[Liu et al. 2019](https://arxiv.org/abs/1806.09055), figures 4 and 5; the authors' "
    "code (quark0/darts, cnn/genotypes.py)",
    "mnasnet": "[Tan et al. 2019](https://arxiv.org/abs/1807.11626), figure 7; the authors' code "
    "(tensorflow/tpu, mnasnet)",
    "mobilenet-v2": "[Sandler et al. 2018](https://arxiv.org/abs/1801.04381)",
    "mobilenet-v3": "[Howard et al. 2019](https://arxiv.org/abs/1905.02244)",
    "efficientnet": "[Tan and Le 2019](https://arxiv.org/abs/1905.11946)",
    "efficientnet-v2": "[Tan and Le 2021](https://arxiv.org/abs/2104.00298)",
}
DIFFERENCES = {
    "nasnet-a": "Parameters and, with its weights, outputs are those of `keras.applications`.",
    "amoebanet-a": "Cells return the states that the authors' code returns, which are more than "
    "the paper's rule of unused ones gives. Pools of stride 2 see zeros beyond the border, as in "
    "`keras.applications`' NASNet; `pool_padding=\"same\"` is the authors' way.",
    "amoebanet-b": "Returned states and pools as in amoebanet-a. Its dilated 5x5 convolution is "
    "one here, as its name says; the authors' published code builds it without the dilation. The "
    "paper's 2.8 million (N = 6, F = 36, 32x32), and 5.3 million parameters and 555 million "
    "multiply-adds (N = 3, F = 62) are met.",
    "amoebanet-c": "Returned states and pools as in amoebanet-a. The paper's 5.1 million "
    "parameters and 535 million multiply-adds (N = 4, F = 44), and 6.4 million parameters (N = 4, "
    "F = 50) are met; its 570 million multiply-adds of the latter are not: 677 are counted here.",
    "amoebanet-d": "Returned states and pools as in amoebanet-a; torchgpipe, which has the same, "
    "notes that the paper's figure returns fewer states, and that those of the code have the "
    "sizes in GPipe's table. N = 6 and F = 256 are the defaults of the authors' code, which reads "
    "images of 299x299. No exact count was found to compare with.",
    "pnasnet-5": "The large network (N = 4, F = 216, 331x331) has the 86,057,668 trainable "
    "parameters of osmr/imgclsmob's table, and 24.94 billion multiply-adds where the paper says "
    "25.0; the mobile one has the paper's 5.1 million, and 587 million multiply-adds where it says "
    "588. Pools are those of the authors' code.",
    "enas-micro": "This is the cell that the authors' script trains to the end. The one in the "
    "paper's figures is another, and two projects that transcribed it differ in its reduction "
    "cell. None of them has the 4.6 million parameters of the paper's table.",
    "darts": "The counts without the auxiliary head are those that the authors' code prints. Its "
    "auxiliary head for large images is another.",
    "mnasnet": "See [MnasNet](mnasnet.md).",
    "mobilenet": "Parameters and, with its weights, outputs are those of `keras.applications`.",
    "efficientnet-v2": "Parameters and, with its weights, outputs are those of "
    "`keras.applications`.",
    "efficientnet-b": "Parameters and, with its weights, outputs are those of "
    "`keras.applications`. As there, 7 parameters are the means and variances of pixels and a "
    "count (they change nothing until weights are loaded); here pixels are of 0 to 1.",
}


class Counted(NamedTuple):
    """A network as ``cellwright show`` builds it without options."""

    built_as: str
    parameters: int
    trainable: int
    multiply_adds: int


def counted(name: str) -> Counted:
    """Build a network as in its paper, and count it."""
    network = build_network(name)
    height, width, _ = network.model.input_shape[1:]
    told = {key: value for key, value in network.told.items() if key != "skeleton"}
    words = [str(network.told[key]) for key in ("skeleton",) if key in network.told]
    words += [f"{'N' if key == 'repeats' else 'F'} = {value}" for key, value in told.items()]
    words += [f"{height}x{width}", f"{network.model.output_shape[-1]} classes"]
    found = costs(network.model)
    return Counted(", ".join(words), found.parameters, found.trainable, found.multiply_adds)


def picture(name: str) -> bytes:
    """The SVG of a network's normal cell, or of all that it is."""
    first = next(iter(GENOTYPES[name].figures().values()))
    with TemporaryDirectory() as folder:
        _, svg = save_figures({name: first}, Path(folder))
        return svg.read_bytes()


def note(notes: dict[str, str], name: str, otherwise: str) -> str:
    """What is noted of a network: under the longest beginning of its name."""
    fitting = [beginning for beginning in notes if name.startswith(beginning)]
    return notes[max(fitting, key=len)] if fitting else otherwise


def row(name: str, found: Counted) -> str:
    sizes = (f"{size:,}" for size in found[1:])
    return f"| [`{name}`](#{name}) | {found.built_as} | {' | '.join(sizes)} |"


def section(name: str) -> str:
    """What is said of one network, with its picture."""
    what = "normal cell" if isinstance(GENOTYPES[name], Genotype) else "blocks"
    source = note(SOURCES, name, "named beside it in the code")
    differs = note(DIFFERENCES, name, "Nothing is noted of how other code bases differ.")
    return (
        f"### {name}\n\n{source}.\n\n{differs}\n\n"
        f'![{what.capitalize()} of {name}]({PICTURES}/{name}.svg){{ width="400" }}\n'
    )


def written(page: str, counts: dict[str, Counted]) -> str:
    """The page with what lies between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = [
        "| network | as `cellwright show` builds it | parameters | trainable | multiply-adds |",
        "|---|---|---:|---:|---:|",
        *(row(name, counts[name]) for name in GENOTYPES),
    ]
    sections = "\n".join(map(section, GENOTYPES))
    return f"{before}{BEGIN}\n{chr(10).join(table)}\n\n{sections}\n{END}{after}"


def main() -> None:
    import keras

    counts: dict[str, Counted] = {}
    for name in GENOTYPES:
        counts[name] = counted(name)
        keras.backend.clear_session()
        print(name, *counts[name], flush=True)
    folder = DOCS / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name in GENOTYPES:
        (folder / f"{name}.svg").write_bytes(picture(name))
    PAGE.write_text(written(PAGE.read_text("utf-8"), counts), encoding="utf-8")


if __name__ == "__main__":
    main()
