"""Every kind of bad input: a problem file that is wrong in one way, and what must be said.

Each case: a name, the change to a good file (old text -> new text), and words of the message, which
are the finding, the place and the mend.
"""

from __future__ import annotations

from typing import NamedTuple

GOOD = """\
name: demo
description: A problem for the tests.
coordinates: [x, y]
unknowns: [u]
parameters: {k: 2}
definitions: {f: -2*pi^2*sin(pi*x)*sin(pi*y)}
domain: {rectangle: {x: [-1, 1], y: [-1, 1]}}
equations:
  - u_xx + u_yy = f
conditions:
  - {at: boundary, equation: u = 0}
reference: {exact: {u: sin(pi*x)*sin(pi*y)}}
"""


class Bad(NamedTuple):
    """One case."""

    name: str
    old: str
    new: str
    words: tuple[str, ...]


CONDITION = "- {at: boundary, equation: u = 0}"
DOMAIN = "{rectangle: {x: [-1, 1], y: [-1, 1]}}"
EQUATION = "u_xx + u_yy = f"
FOUR = "[0, 0], [1, 1], [1, 0], [0, 1]"

CASES = [
    # YAML
    Bad("broken-yaml", "domain: {", "domain: [{", (":8:", "broken YAML", "brackets")),
    Bad("tab", "  - u_xx", "\t- u_xx", ("broken YAML", "indentation")),
    Bad("empty", GOOD, "", ("does not hold a mapping", "init")),
    Bad("list", GOOD, "- 1", ("does not hold a mapping", "init")),
    Bad("duplicate-key", "unknowns:", "name: two\nunknowns:", (":4:", "'name'", "twice", "line 1")),
    Bad("tag", "name: demo", "name: !!python/object/apply:os.system [x]", (":1:", "tag")),
    Bad("deep", "name: demo", f"name: {'[' * 100}", (":1:", "nested more than")),
    Bad("large", "description: A", f"description: {'A' * 1_000_000}", ("larger than",)),
    # keys
    Bad("key", "unknowns:", "unknown:", (":4:", "unknown key `unknown`", "'unknowns'", "1 more")),
    Bad("inner-key", "rectangle:", "rectangel:", (":7: domain.rectangel", "'rectangle'")),
    Bad("condition-key", "equation: u", "equatoin: u", (":11: conditions.0", "'equation'")),
    Bad("missing", "name: demo\n", "", ("`name` is missing", "Add `name:`")),
    Bad("no-equations", "equations:\n  - u_xx + u_yy = f\n", "", ("neither an equation",)),
    Bad("type", "description: A", "description: [A]\nd2: A", ("unknown key `d2`",)),
    Bad("name", "name: demo", "name: My Demo", (":1: name", "'My Demo'", "hyphens")),
    Bad("letters", "[x, y]", "[x, yy]", (":3: coordinates.1", "single letter")),
    Bad("twice", "[u]", "[x]", (":4: unknowns.0", "'x' is there twice")),
    Bad("no-condition-keys", "at: boundary, ", "", (":11:", "`at` is missing", "{at: boundary")),
    Bad("boolean", "{k: 2}", "{k: true}", (":5: parameters.k", "number", "true")),
    Bad("later-time", "domain:", "time: [0, 1]\ndomain:", (":7: time", "not available yet")),
    Bad("later-t", "[x, y]", "[x, t]", (":3: coordinates.1", "steady")),
    Bad("later-infer", "domain:", "infer: {k: {}}\ndomain:", (":7: infer", "not available yet")),
    Bad("later-periodic", CONDITION, "- {periodic: x}", (":11:", "periodic", "not available yet")),
    Bad("later-mesh", DOMAIN, "{mesh: a.msh}", (":7: domain.mesh", "not available yet")),
    Bad("later-initial", "at: boundary", "at: initial", (":11:", "not available yet")),
    Bad(
        "later-reference",
        "{exact: {u: sin(pi*x)*sin(pi*y)}}",
        "{finite_element: {degree: 4}}",
        (":12: reference.finite_element", "not available yet"),
    ),
    # expressions
    Bad("function", "f: -2*pi^2*sin(", "f: -2*pi^2*sni(", (":6: definitions.f", "'sni'", "'sin'")),
    Bad("coordinate", "sin(pi*y)}\n", "sin(pi*z)}\n", (":6: definitions.f", "'z'")),
    Bad(
        "unknown",
        "u_xx + u_yy = f",
        "v_xx + u_yy = f",
        (":9: equations.0", "'v' is not an unknown", "Known: u"),
    ),
    Bad("no-equals", "u_yy = f", "u_yy - f", (":9: equations.0", "no '='")),
    Bad("derivative", "u_xx + u_yy", "u_xx + u_yz", (":9: equations.0", "'z'", "coordinate")),
    Bad("code", EQUATION, "u = __import__('os').system('x')", (":9: equations.0",)),
    Bad("attribute", EQUATION, "u = x.real", (":9: equations.0", "attributes")),
    Bad("tower", EQUATION, "u = 10**10**10", (":9: equations.0",)),
    Bad("brackets", EQUATION, "u = " + "(" * 1000 + "x" + ")" * 1000, (":9:", "nested")),
    Bad("megabyte", EQUATION, "u = " + "x+" * 450_000 + "x", (":9: equations.0", "characters")),
    Bad("parameter", "{k: 2}", "{k: 1/0}", (":5: parameters.k",)),
    Bad("parameter-name", "{k: 2}", "{x: 2}", (":5: parameters.x", "a coordinate already")),
    Bad("definition-name", "{f: -2", "{u_f: -2", (":6: definitions.u_f", "derivative of u")),
    Bad("late-name", "{k: 2}", "{k: 2*m, m: 1}", (":5: parameters.k", "'m'")),
    # geometry
    Bad("domain", "{rectangle: {x", "{rectnagle: {x", (":7: domain.rectnagle", "'rectangle'")),
    Bad(
        "two-domains",
        DOMAIN,
        "{interval: [0, 1], disk: {center: [0, 0], radius: 1}}",
        (":7:", "one"),
    ),
    Bad("dimension", DOMAIN, "{interval: [0, 1]}", (":7: domain", "dimension 1", "2 coordinates")),
    Bad("ends", "x: [-1, 1], y", "x: [1, -1], y", (":7: domain.rectangle", "a < b")),
    Bad("bounds", "{x: [-1, 1], y", "{z: [-1, 1], y", (":7: domain.rectangle.z", "coordinate")),
    Bad("three-ends", "x: [-1, 1], y", "x: [-1, 0, 1], y", (":7: domain.rectangle.x", "at most 2")),
    Bad("polygon-empty", DOMAIN, "{polygon: []}", (":7: domain.polygon",)),
    Bad("polygon-crossed", DOMAIN, f"{{polygon: [{FOUR}]}}", (":7: domain.polygon",)),
    Bad("polygon-3d", DOMAIN, "{polygon: [[0, 0, 1]]}", (":7: domain.polygon.0", "2 coordinates")),
    # conditions
    Bad("side", "at: boundary", "at: front", (":11: conditions.0", "'front'", "left")),
    Bad("side-close", "at: boundary", "at: botom", (":11: conditions.0", "'bottom'")),
    Bad("at", "at: boundary", "at: {x: 1}", (":11: conditions.0.at", "a side such as")),
    Bad(
        "outside",
        CONDITION,
        f"{CONDITION}\n  - {{at: [3, 0], equation: u = 0}}",
        (":12:", "outside"),
    ),
    Bad("where", "u = 0}", "u = 0, where: x > 7}", (":11: conditions.0", "leaves no", "sign")),
    Bad("where-syntax", "u = 0}", "u = 0, where: x}", (":11: conditions.0.where", "comparison")),
    Bad("missing-all", f"conditions:\n  {CONDITION}\n", "", ("no condition", "Add one there")),
    Bad(
        "missing-side",
        "at: boundary",
        "at: [left, top, right]",
        (":10:", "the side bottom", "Add one"),
    ),
    Bad(
        "conflict",
        CONDITION,
        f"{CONDITION}\n  - {{at: left, equation: 2*u = 6}}",
        (
            ":12: conditions.1",
            "u = 0 at boundary",
            "2*u = 6 at left",
            "side left",
            "for 0",
            "for 3",
        ),
    ),
    Bad(
        "too-many",
        CONDITION,
        f"{CONDITION}\n  - {{at: left, equation: u_n = 1}}",
        (":12: conditions.1", "too many conditions", "side left", "takes 1", "Remove one"),
    ),
    Bad("no-exact", "[u]", "[u, v]", (":12: reference.exact", "for 'v' is missing", "Add `v:")),
    Bad("no-unknown", EQUATION, "x = y", (":9: equations.0", "holds no unknown")),
    Bad("normal-inside", EQUATION, "u_n = f", (":9: equations.0", "normal", "boundary only")),
    # values
    Bad("pole", "{f: -2", "{g: 1/x, f: -2", (":6: definitions.g", "x = 0, y = 0", "finite")),
    Bad("pole-aside", "{f: -2", "{g: 1/(x - 0.3217), f: -2", (":6: definitions.g", "x = 0.3217")),
    Bad("pole-equation", "u_yy = f", "u_yy = 1/(x*y)", (":9: equations.0", "at x =", "finite")),
    Bad("log", "{f: -2", "{g: log(y), f: -2", (":6: definitions.g", "not a number at")),
    Bad("pole-condition", "u = 0}", "u = 1/(x - 1)}", (":11: conditions.0", "not finite at x = 1")),
    Bad("exact", "{u: sin(pi*x)*", "{v: sin(pi*x)*", (":12: reference.exact.v", "not an unknown")),
    Bad("exact-pole", "{u: sin(pi*x)*", "{u: 1/y*", (":12: reference.exact.u", "y = 0")),
    # recipes
    Bad("solver", "reference:", "solver: gmmn\nreference:", (":12: solver", "'gmnm'")),
    Bad(
        "network",
        "reference:",
        "solver: {network: {name: mpl}, methods: [{name: least_squares}]}\nreference:",
        (":12: solver.network.name", "unknown network 'mpl'"),
    ),
    Bad(
        "method",
        "reference:",
        "solver: {network: {name: gmnm}, methods: [{name: least_square}]}\nreference:",
        (":12: solver.methods.0.name", "unknown method", "'least_squares'"),
    ),
    Bad(
        "option",
        "reference:",
        "solver: {network: {name: gmnm, unit: 5}, methods: [{name: least_squares}]}\nreference:",
        (":12: solver.network.unit", "unknown key", "'units'"),
    ),
    Bad("sampler", "reference:", "sampling: {sampler: sobl}\nreference:", (":12:", "'sobol'")),
    Bad("points", "reference:", "sampling: {interior: 0}\nreference:", (":12:", "at least 1")),
    Bad("data", "reference:", "data: {file: no.csv}\nreference:", (":12: data.file", "'no.csv'")),
]


def text_of(case: Bad) -> str:
    """The file of a case."""
    assert GOOD.count(case.old) == 1, f"{case.name}: {case.old!r} must be there once"
    return GOOD.replace(case.old, case.new)
