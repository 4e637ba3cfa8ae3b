"""The papers behind problems, networks and methods, and what to cite for a solve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gmnm_pde.methods import METHODS
from gmnm_pde.networks import NETWORKS
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe


@dataclass(frozen=True)
class Paper:
    """One publication.

    Arguments:
        authors: ``Family, Given`` each.
        where: journal, volume and pages, or the publisher of a book.
        kind: of its BibTeX entry.
        doi, arxiv: identifiers, at least one where there is one.
    """

    authors: tuple[str, ...]
    title: str
    year: int
    where: str = ""
    doi: str | None = None
    arxiv: str | None = None
    kind: Literal["article", "book", "misc"] = "article"

    def text(self) -> str:
        """One line for a reader."""
        names = [_short(author) for author in self.authors]
        shown = ", ".join(names) if len(names) <= 4 else f"{names[0]} and others"
        place = [f"{self.where}." if self.where else "", self._link() or ""]
        return " ".join([f"{shown} ({self.year}). {self.title}.", *filter(None, place)])

    def bibtex(self, key: str) -> str:
        """An entry for BibTeX."""
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            "year": str(self.year),
            "publisher" if self.kind == "book" else "journal": self.where,
            "doi": self.doi or "",
            "eprint": self.arxiv or "",
            "archivePrefix": "arXiv" if self.arxiv else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{key},", *lines, "}"])

    def _link(self) -> str | None:
        if self.doi is not None:
            return f"https://doi.org/{self.doi}"
        return None if self.arxiv is None else f"https://arxiv.org/abs/{self.arxiv}"


def _short(author: str) -> str:
    family, _, given = author.partition(", ")
    initials = " ".join(f"{part[0]}." for part in given.replace("-", " ").split())
    return f"{initials} {family}".strip()


PAPERS: dict[str, Paper] = {
    "gmnm": Paper(
        ("Lu, W.", "Yuan, G.", "Zhang, H.", "Li, S."),
        "Rethinking Nonlinearity: Trainable Gaussian Mixture Modules for Modern Neural "
        "Architectures",
        2025,
        arxiv="2510.06660",
        kind="misc",
    ),
    "adcock2022": Paper(
        ("Adcock, Ben", "Huybrechs, Daan", "Piret, Cecile"),
        "Stable and accurate least squares radial basis function approximations on bounded domains",
        2022,
        arxiv="2211.12598",
        kind="misc",
    ),
    "golub1973": Paper(
        ("Golub, Gene H.", "Pereyra, Victor"),
        "The differentiation of pseudo-inverses and nonlinear least squares problems whose "
        "variables separate",
        1973,
        "SIAM Journal on Numerical Analysis 10, 413-432",
        doi="10.1137/0710036",
    ),
    "kaufman1975": Paper(
        ("Kaufman, Linda",),
        "A variable projection method for solving separable nonlinear least squares problems",
        1975,
        "BIT Numerical Mathematics 15, 49-57",
        doi="10.1007/BF01932995",
    ),
    "chen1991": Paper(
        ("Chen, S.", "Cowan, C. F. N.", "Grant, P. M."),
        "Orthogonal least squares learning algorithm for radial basis function networks",
        1991,
        "IEEE Transactions on Neural Networks 2(2), 302-309",
        doi="10.1109/72.80341",
    ),
    "hairer1996": Paper(
        ("Hairer, Ernst", "Wanner, Gerhard"),
        "Solving Ordinary Differential Equations II: Stiff and Differential-Algebraic Problems",
        1996,
        "Springer, second edition",
        doi="10.1007/978-3-642-05221-7",
        kind="book",
    ),
    "raissi2019": Paper(
        ("Raissi, Maziar", "Perdikaris, Paris", "Karniadakis, George Em"),
        "Physics-informed neural networks: A deep learning framework for solving forward and "
        "inverse problems involving nonlinear partial differential equations",
        2019,
        "Journal of Computational Physics 378, 686-707",
        doi="10.1016/j.jcp.2018.10.045",
    ),
    "kan2024": Paper(
        (
            *("Liu, Ziming", "Wang, Yixuan", "Vaidya, Sachin", "Ruehle, Fabian"),
            *("Halverson, James", "Soljacic, Marin", "Hou, Thomas Y.", "Tegmark, Max"),
        ),
        "KAN: Kolmogorov-Arnold Networks",
        2024,
        arxiv="2404.19756",
        kind="misc",
    ),
    "pig2024": Paper(
        ("Kang, Namgyu", "Oh, Jaemin", "Hong, Youngjoon", "Park, Eunbyung"),
        "PIG: Physics-Informed Gaussians as Adaptive Parametric Mesh Representations",
        2024,
        arxiv="2412.05994",
        kind="misc",
    ),
    "kingma2014": Paper(
        ("Kingma, Diederik P.", "Ba, Jimmy"),
        "Adam: A Method for Stochastic Optimization",
        2014,
        arxiv="1412.6980",
        kind="misc",
    ),
    "liu1989": Paper(
        ("Liu, Dong C.", "Nocedal, Jorge"),
        "On the limited memory BFGS method for large scale optimization",
        1989,
        "Mathematical Programming 45, 503-528",
        doi="10.1007/BF01589116",
    ),
    "basdevant1986": Paper(
        (
            *("Basdevant, C.", "Deville, M.", "Haldenwang, P.", "Lacroix, J. M.", "Ouazzani, J."),
            *("Peyret, R.", "Orlandi, P.", "Patera, A. T."),
        ),
        "Spectral and finite difference solutions of the Burgers equation",
        1986,
        "Computers & Fluids 14, 23-41",
        doi="10.1016/0045-7930(86)90036-8",
    ),
    "ghia1982": Paper(
        ("Ghia, U.", "Ghia, K. N.", "Shin, C. T."),
        "High-Re solutions for incompressible flow using the Navier-Stokes equations and a "
        "multigrid method",
        1982,
        "Journal of Computational Physics 48, 387-411",
        doi="10.1016/0021-9991(82)90058-4",
    ),
    "kovasznay1948": Paper(
        ("Kovasznay, L. I. G.",),
        "Laminar flow behind a two-dimensional grid",
        1948,
        "Mathematical Proceedings of the Cambridge Philosophical Society 44, 58-62",
        doi="10.1017/S0305004100023999",
    ),
    "kassam2005": Paper(
        ("Kassam, Aly-Khan", "Trefethen, Lloyd N."),
        "Fourth-order time-stepping for stiff PDEs",
        2005,
        "SIAM Journal on Scientific Computing 26, 1214-1233",
        doi="10.1137/S1064827502410633",
    ),
    "allen1979": Paper(
        ("Allen, Samuel M.", "Cahn, John W."),
        "A microscopic theory for antiphase boundary motion and its application to antiphase "
        "domain coarsening",
        1979,
        "Acta Metallurgica 27, 1085-1095",
        doi="10.1016/0001-6160(79)90196-2",
    ),
    "cahn1958": Paper(
        ("Cahn, John W.", "Hilliard, John E."),
        "Free energy of a nonuniform system. I. Interfacial free energy",
        1958,
        "The Journal of Chemical Physics 28, 258-267",
        doi="10.1063/1.1744102",
    ),
    "schnakenberg1979": Paper(
        ("Schnakenberg, J.",),
        "Simple chemical reaction systems with limit cycle behaviour",
        1979,
        "Journal of Theoretical Biology 81, 389-400",
        doi="10.1016/0022-5193(79)90042-0",
    ),
    "satsuma1974": Paper(
        ("Satsuma, Junkichi", "Yajima, Nobuo"),
        "Initial value problems of one-dimensional self-modulation of nonlinear waves in "
        "dispersive media",
        1974,
        "Progress of Theoretical Physics Supplement 55, 284-306",
        doi="10.1143/PTPS.55.284",
    ),
    "taylor1937": Paper(
        ("Taylor, G. I.", "Green, A. E."),
        "Mechanism of the production of small eddies from large ones",
        1937,
        "Proceedings of the Royal Society A 158, 499-521",
        doi="10.1098/rspa.1937.0036",
    ),
    "wang2021": Paper(
        ("Wang, Sifan", "Teng, Yujun", "Perdikaris, Paris"),
        "Understanding and mitigating gradient flow pathologies in physics-informed neural "
        "networks",
        2021,
        "SIAM Journal on Scientific Computing 43, A3055-A3081",
        doi="10.1137/20M1318043",
    ),
}
"""By the key of their BibTeX entry."""

OF_PROBLEMS: dict[str, tuple[str, ...]] = {
    "poisson": ("kan2024",),
    "poisson-kan": ("kan2024",),
    "helmholtz": ("wang2021", "pig2024"),
    "helmholtz-10": ("pig2024",),
    "klein-gordon": ("wang2021",),
    "burgers": ("basdevant1986", "raissi2019"),
    "allen-cahn": ("allen1979", "raissi2019"),
    "cahn-hilliard": ("cahn1958",),
    "kuramoto-sivashinsky": ("kassam2005",),
    "schnakenberg": ("schnakenberg1979",),
    "schroedinger": ("satsuma1974", "raissi2019"),
    "cavity": ("ghia1982",),
    "kovasznay": ("kovasznay1948",),
    "navier-stokes": ("taylor1937",),
    "fit": ("kan2024",),
}
"""Where the problems of the catalogue come from, by name."""

OF_NETWORKS: dict[str, tuple[str, ...]] = {
    "gmnm": ("gmnm",),
    "deep_gmnm": ("gmnm",),
    "mlp": ("raissi2019",),
    "fourier_mlp": ("raissi2019",),
    "kan": ("kan2024",),
    "chebyshev_kan": ("kan2024",),
    "fast_kan": ("kan2024",),
    "pig": ("pig2024",),
}
"""By the network's name in a recipe."""

OF_METHODS: dict[str, tuple[str, ...]] = {
    "least_squares": ("adcock2022",),
    "time_stepping": ("hairer1996", "adcock2022"),
    "variable_projection": ("golub1973", "kaufman1975", "chen1991"),
    "adam": ("kingma2014",),
    "lbfgs": ("liu1989",),
}
"""By the method's name in a recipe."""


def behind(problem: Problem, recipe: Recipe) -> list[str]:
    """Keys of the papers behind a problem, the network and the methods that solve it, each once."""
    network = _name(type(recipe.network), NETWORKS)
    methods = [_name(type(method.chosen(problem)), METHODS) for method in recipe.methods]
    found = [
        *OF_NETWORKS.get(network, ()),
        *(key for method in methods for key in OF_METHODS.get(method, ())),
        *OF_PROBLEMS.get(problem.name, ()),
    ]
    return list(dict.fromkeys(found))


def bibliography(keys: Iterable[str], kind: str) -> str:
    """The papers as BibTeX entries, or as a plain list.

    Arguments:
        kind: ``bibtex`` or ``text``.
    """
    if kind == "bibtex":
        return "\n\n".join(PAPERS[key].bibtex(key) for key in keys)
    return "\n".join(PAPERS[key].text() for key in keys)


def _name(kind: type, known: dict[str, type]) -> str:
    return next((name for name, item in known.items() if item is kind), "")
