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

EVOLUTION = """\
name: demo
description: An evolution problem for the tests.
coordinates: [x, t]
unknowns: [u]
parameters: {k: 2}
domain: {interval: [-1, 1]}
time: [0, 1]
equations:
  - u_t = k*u_xx
conditions:
  - {at: initial, equation: u = sin(pi*x)}
  - {at: boundary, equation: u = 0}
reference: {exact: {u: sin(pi*x)*exp(-2*pi^2*t)}}
"""

SYSTEM = """\
name: demo
description: A system for the tests.
coordinates: [x, y]
unknowns: [u, v]
domain: {rectangle: {x: [-1, 1], y: [-1, 1]}}
equations:
  - u_xx + u_yy = v
  - v_xx + v_yy = u
conditions:
  - {at: boundary, equation: u = 0}
  - {at: boundary, equation: v = 0}
"""


class Bad(NamedTuple):
    """One case: a change to :data:`GOOD`, or to ``base``."""

    name: str
    old: str
    new: str
    words: tuple[str, ...]
    base: str = GOOD


def bad_in_time(name: str, old: str, new: str, *words: str) -> Bad:
    """A change to :data:`EVOLUTION`."""
    return Bad(name, old, new, words, EVOLUTION)


CONDITION = "- {at: boundary, equation: u = 0}"
DOMAIN = "{rectangle: {x: [-1, 1], y: [-1, 1]}}"
EQUATION = "u_xx + u_yy = f"
FOUR = "[0, 0], [1, 1], [1, 0], [0, 1]"
INITIAL = "- {at: initial, equation: u = sin(pi*x)}"
LATERAL = "- {at: boundary, equation: u = 0}"
LINE = "  - u_t = k*u_xx\n"

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
    # inverse problems
    Bad(
        "infer-no-data",
        "domain:",
        "infer: {c: {initial: 1}}\ndomain:",
        (":7: infer", "needs `data`", "Add `data:`"),
    ),
    Bad(
        "infer-empty",
        "domain:",
        "infer: {c: {}}\ndomain:",
        (":7: infer.c", "needs a value to start from", "initial: 1"),
    ),
    Bad(
        "infer-kind",
        "domain:",
        "infer: {c: {kind: feild}}\ndomain:",
        (":7: infer.c.kind", "feild", "field"),
    ),
    Bad(
        "infer-word",
        "domain:",
        "infer: {c: feild}\ndomain:",
        (":7: infer.c", "{initial: 1}", "'feild'"),
    ),
    Bad(
        "infer-key",
        "domain:",
        "infer: {c: {inital: 1}}\ndomain:",
        (":7: infer.c.inital", "unknown key", "initial"),
    ),
    Bad(
        "infer-cells",
        "domain:",
        "infer: {c: {initial: 1, cells: 8}}\ndomain:",
        (":7: infer.c", "`cells` belongs to a field"),
    ),
    Bad(
        "infer-bounds-reversed",
        "domain:",
        "infer: {c: {initial: 1, bounds: [2, 0]}}\ndomain:",
        (":7: infer.c", "bounds are [2, 0]", "smaller number first"),
    ),
    Bad(
        "infer-bounds-start",
        "domain:",
        "infer: {c: {initial: 3, bounds: [0, 2]}}\ndomain:",
        (":7: infer.c", "exclude the initial value 3", "between"),
    ),
    Bad(
        "infer-bounds-one",
        "domain:",
        "infer: {c: {initial: 3, bounds: [0]}}\ndomain:",
        (":7: infer.c.bounds",),
    ),
    Bad(
        "infer-unknown",
        "domain:",
        "infer: {u: {initial: 1}}\ndomain:",
        (":7: infer.u", "'u' is an unknown already", "another name"),
    ),
    Bad(
        "infer-parameter",
        "domain:",
        "infer: {k: {initial: 1}}\ndomain:",
        (":5: parameters.k", "'k' is to be inferred already", "another name"),
    ),
    Bad(
        "infer-function",
        "domain:",
        "infer: {sin: {initial: 1}}\ndomain:",
        (":7: infer.sin", "'sin' is a function already"),
    ),
    Bad(
        "infer-manufactured",
        "reference: {exact: {u: sin(pi*x)*sin(pi*y)}}",
        "infer: {c: {initial: 1}}\ndata: {file: a.csv}\nmanufactured: {u: x}",
        ("`manufactured` does not go with `infer`",),
    ),
    Bad(
        "infer-continuation",
        CONDITION,
        f"{CONDITION}\ncontinuation: {{k: [1]}}\n"
        "infer: {c: {initial: 1}}\ndata: {file: a.csv}",
        ("`continuation` does not go with `infer`",),
    ),
    Bad("no-initial", "domain:", "infer: {k: {}}\ndomain:", (":7: infer.k:", "`initial: 1`")),
    Bad("no-surface", DOMAIN, "{surface: a.stl}", (":7: domain.surface", "no file 'a.stl'")),
    Bad("no-mesh", DOMAIN, "{mesh: a.msh}", (":7: domain.mesh", "no file 'a.msh'")),
    Bad(
        "no-outline",
        DOMAIN,
        "{polygon: {file: a.csv}}",
        (":7: domain.polygon.file", "no file 'a.csv'"),
    ),
    Bad("polygon-key", DOMAIN, "{polygon: {outr: [[0, 0]]}}", ("domain.polygon.outr", "'outer'")),
    Bad(
        "hole-outside",
        DOMAIN,
        "{polygon: {outer: [[0, 0], [1, 0], [0, 1]], holes: [[[2, 2], [3, 2], [2, 3]]]}}",
        (":7: domain.polygon", "hole 1 of the polygon is not inside"),
    ),
    Bad(
        "buffer",
        DOMAIN,
        "{buffer: {curve: [[0, 0], [1, 1]], distance: -1}}",
        (":7: domain.buffer", "the distance is -1"),
    ),
    Bad(
        "element-degree",
        "{exact: {u: sin(pi*x)*sin(pi*y)}}",
        "{finite_element: {degree: 7}}",
        (":12: reference.finite_element", "degrees 1 to 4, not 7"),
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
    # time
    bad_in_time("no-time", "time: [0, 1]\n", "", ":3: coordinates.1", "`time` is missing", "Add"),
    Bad("time-alone", "equations:", "time: [0, 1]\nequations:", (":8: time", "[x, y, t]")),
    bad_in_time("t-first", "[x, t]", "[t, x]", ":3: coordinates.0", "comes last", "[x, t]"),
    Bad("t-only", "[x, y]", "[t]", (":3: coordinates.0", "no coordinate of space", "`x`")),
    bad_in_time("time-order", "time: [0, 1]", "time: [1, 0]", ":7: time", "[1, 0]", "a later one"),
    bad_in_time("time-three", "time: [0, 1]", "time: [0, 1, 2]", ":7: time", "at most 2"),
    bad_in_time("time-text", "time: [0, 1]", "time: [0, soon]", ":7: time.1", "'soon'"),
    bad_in_time("time-end", "time: [0, 1]", "time: [0, .inf]", ":7: time.1", "finite"),
    bad_in_time(
        "time-domain",
        "{interval: [-1, 1]}",
        "{rectangle: {x: [0, 1], t: [0, 1]}}",
        ":6: domain.rectangle.t",
        "not a coordinate of space",
        "time: [0, 1]",
    ),
    bad_in_time(
        "time-dimension",
        "{interval: [-1, 1]}",
        "{disk: {center: [0, 0], radius: 1}}",
        ":6: domain",
        "dimension 2",
        "1 coordinate of space, x",
    ),
    bad_in_time("pole-in-time", LINE, "  - u_t = u_xx/(t - 0.5)\n", ":9: equations.0", "t = 0.5"),
    # initial conditions
    bad_in_time(
        "no-initial", f"  {INITIAL}\n", "", ":10: conditions", "no initial", "{at: initial"
    ),
    bad_in_time(
        "one-initial",
        LINE,
        "  - u_tt = k*u_xx\n",
        ":10: conditions",
        "only one initial condition of u",
        "u and u_t",
        "equation: u_t = 0}",
    ),
    bad_in_time(
        "initial-rate",
        LATERAL,
        f"{LATERAL}\n  - {{at: initial, equation: u_t = 0}}",
        ":13: conditions.2",
        "gives u_t",
        "of order 1 in time",
        "u = 0}",
    ),
    bad_in_time(
        "initial-twice",
        LATERAL,
        f"{LATERAL}\n  - {{at: initial, equation: u = 1}}",
        ":13: conditions.2",
        "in conflict",
        "the first time",
    ),
    bad_in_time(
        "initial-many",
        LATERAL,
        f"{LATERAL}\n  - {{at: initial, equation: u_x = 1}}",
        ":13: conditions.2",
        "too many initial conditions",
        "take 1",
    ),
    bad_in_time(
        "initial-part",
        "sin(pi*x)}\n  -",
        "sin(pi*x), where: x < 0.5}\n  -",
        ":10: conditions",
        "no initial condition of u at x =",
    ),
    bad_in_time("initial-normal", "u = sin(pi*x)", "u_n = 0", ":11: conditions.0", "normal"),
    bad_in_time(
        "initial-side",
        "at: initial,",
        "at: [initial, left],",
        ":11: conditions.0",
        "two conditions",
    ),
    bad_in_time("final", "at: initial,", "at: final,", ":11: conditions.0", "final time"),
    Bad("steady-initial", "at: boundary", "at: initial", (":11: conditions.0", "has no time")),
    bad_in_time("rate-of-none", LINE, "  - u_xx = t\n", ":11: conditions.0", "order 0 in time"),
    # boundary conditions in time
    bad_in_time(
        "lateral-missing",
        "at: boundary",
        "at: left",
        ":10: conditions",
        "the side right",
        "takes 1",
    ),
    bad_in_time(
        "lateral-many",
        LATERAL,
        f"{LATERAL}\n  - {{at: left, equation: u_n = 0}}",
        ":13: conditions.2",
        "too many conditions",
        "of order 2 in space",
    ),
    bad_in_time(
        "inflow",
        f"{LINE}conditions:\n  {INITIAL}\n  {LATERAL}",
        f"  - u_t = -u_x\nconditions:\n  {INITIAL}\n  - {{at: right, equation: u = 0}}",
        ":10: conditions",
        "the side left",
        "carries u into the domain",
    ),
    bad_in_time("time-point", "at: boundary", "at: [0, 0, 0]", ":12: conditions.1.at", "Give x"),
    # unknowns without an equation of their own
    Bad(
        "undetermined",
        "  - v_xx + v_yy = u\n",
        "",
        (":4: unknowns.1", "'v'", "1 equation cannot determine 2 unknowns", "Add an equation"),
        SYSTEM,
    ),
    Bad(
        "taken",
        "[u, v]\ndomain: {rectangle: {x: [-1, 1], y: [-1, 1]}}\nequations:\n"
        "  - u_xx + u_yy = v\n  - v_xx + v_yy = u\n",
        "[u, v, w]\ndomain: {rectangle: {x: [-1, 1], y: [-1, 1]}}\nequations:\n"
        "  - u_xx + u_yy = v + w\n  - u_xx = 1\n  - u_yy = 1\n",
        (":4: unknowns.", "'u_xx + u_yy = v + w'", "is needed for"),
        SYSTEM,
    ),
    Bad(
        "one-missing",
        "  - {at: boundary, equation: v = 0}\n",
        "",
        (":9: conditions", "only one condition", "the equations together take 2", "v = 0}"),
        SYSTEM,
    ),
    # periodic
    Bad("periodic-name", CONDITION, "- {periodic: z}", (":11: conditions.0", "'z'", "Known: x, y")),
    Bad("periodic-twice", CONDITION, "- {periodic: x}\n  - {periodic: x}", (":12:", "twice")),
    Bad(
        "periodic-disk",
        f"{DOMAIN}\nequations:\n  - {EQUATION}\nconditions:\n  {CONDITION}",
        "{disk: {center: [0, 0], radius: 1}}\nequations:\n  - u_xx = f\nconditions:\n"
        "  - {periodic: x}",
        (":11: conditions.0", "'disk' cannot be periodic", "box"),
    ),
    Bad(
        "periodic-ends",
        CONDITION,
        f"{CONDITION}\n  - {{periodic: x}}",
        (":11: conditions.0", "periodic in x", "the other sides"),
    ),
    bad_in_time("periodic-time", LATERAL, "- {periodic: t}", ":12: conditions.1", "time cannot be"),
    Bad(
        "periodic-key", CONDITION, "- {periodic: x, at: left}", (":11: conditions.0", "at must go")
    ),
    # hard enforcement
    Bad("hard-word", "u = 0}", "u = 0, enforce: very}", (":11: conditions.0.enforce", "'hard'")),
    Bad("hard-flux", "u = 0}", "u_n = 0, enforce: hard}", (":11:", "only a value can, u = g")),
    Bad("hard-where", "u = 0}", "u = 0, enforce: hard, where: x > -2}", (":11:", "`where`")),
    Bad(
        "hard-polygon",
        f"{DOMAIN}\nequations:\n  - {EQUATION}\nconditions:\n  {CONDITION}",
        "{polygon: [[-1, -1], [1, -1], [0, 1]]}\nequations:\n  - u_xx + u_yy = f\nconditions:\n"
        "  - {at: boundary, equation: u = 0, enforce: hard}",
        (":11: conditions.0", "cannot be enforced exactly", "'polygon' has no smooth distance"),
    ),
    # interfaces
    Bad(
        "interface-name",
        CONDITION,
        f"{CONDITION}\n  - {{interface: innner, jump: u}}\n"
        "subdomains: {inner: {disk: {center: [0, 0], radius: 0.5}}}",
        (":12: conditions.1", "'innner'", "'inner'"),
    ),
    Bad(
        "interface-none",
        CONDITION,
        f"{CONDITION}\n  - {{interface: inner, jump: u}}",
        (":12: conditions.1", "'inner'", "Add it to `subdomains`"),
    ),
    Bad("interface-jump", CONDITION, "- {interface: inner}", (":11:", "`jump` is missing")),
    Bad(
        "interface-empty",
        CONDITION,
        f"{CONDITION}\n  - {{interface: inner, jump: x}}\n"
        "subdomains: {inner: {disk: {center: [0, 0], radius: 0.5}}}",
        (":12: conditions.1", "holds no unknown"),
    ),
    Bad(
        "subdomain-outside",
        CONDITION,
        f"{CONDITION}\nsubdomains: {{inner: {{disk: {{center: [0.9, 0], radius: 0.5}}}}}}",
        (":12: subdomains.inner", "sticks out", "x = 1."),
    ),
    Bad(
        "subdomain-dimension",
        CONDITION,
        f"{CONDITION}\nsubdomains: {{inner: {{interval: [0, 1]}}}}",
        (":12: subdomains.inner", "dimension 1"),
    ),
    # continuation
    Bad(
        "continuation-name",
        CONDITION,
        f"{CONDITION}\ncontinuation: {{q: [1]}}",
        (":12: continuation.q", "'q' is not a parameter", "Known: k"),
    ),
    Bad(
        "continuation-empty",
        CONDITION,
        f"{CONDITION}\ncontinuation: {{k: []}}",
        (":12: continuation.k", "at least 1"),
    ),
    Bad(
        "continuation-value",
        CONDITION,
        f"{CONDITION}\ncontinuation: {{k: [one]}}",
        (":12: continuation.k.0", "'one'"),
    ),
    Bad(
        "continuation-lengths",
        f"parameters: {{k: 2}}\ndefinitions: {{f: -2*pi^2*sin(pi*x)*sin(pi*y)}}\ndomain: {DOMAIN}",
        f"parameters: {{k: 2, m: 1}}\ndefinitions: {{f: x}}\ndomain: {DOMAIN}\n"
        "continuation: {k: [1], m: [2, 3]}",
        (":8: continuation.m", "2 values", "one length"),
    ),
    Bad(
        "continuation-step",
        "parameters: {k: 2}\ndefinitions: {f: -2",
        "parameters: {k: 2, m: 1/(k - 1)}\ncontinuation: {k: [1]}\ndefinitions: {f: -2",
        (":5: parameters.m", "in the continuation, with k = 1", "zero"),
    ),
    # manufactured solutions
    Bad(
        "manufactured-name",
        CONDITION,
        f"{CONDITION}\nmanufactured: {{v: x}}",
        (":12: manufactured.v", "'v' is not an unknown"),
    ),
    Bad(
        "manufactured-pole",
        CONDITION,
        f"{CONDITION}\nmanufactured: {{u: 1/x}}",
        (":12: manufactured.u", "infinite at x = 0"),
    ),
    Bad(
        "manufactured-unknown",
        CONDITION,
        f"{CONDITION}\nmanufactured: {{u: u*x}}",
        (":12: manufactured.u", "'u'"),
    ),
    Bad(
        "manufactured-period",
        CONDITION,
        "- {periodic: x}\n  - {periodic: y}\nmanufactured: {u: x*sin(pi*y)}",
        (":13: manufactured", "does not repeat along x", "remove `periodic`"),
    ),
    # references
    Bad(
        "reference-two",
        "reference: {exact: {u: sin(pi*x)*sin(pi*y)}}",
        "reference: {spectral: {}, file: a.csv}",
        (":12: reference", "one reference", "spectral and file"),
    ),
    Bad(
        "reference-file",
        "{exact: {u: sin(pi*x)*sin(pi*y)}}",
        "{file: no.csv}",
        (":12: reference.file", "'no.csv'", "relative"),
    ),
    Bad(
        "reference-own-error",
        "{exact: {u: sin(pi*x)*sin(pi*y)}}",
        "{spectral: {}, own_error: 1e-3}",
        (":12: reference", "`own_error` belongs to `file`"),
    ),
    Bad(
        "reference-option",
        "{exact: {u: sin(pi*x)*sin(pi*y)}}",
        "{spectral: {nodes: 64}}",
        (":12: reference.spectral.nodes", "unknown key"),
    ),
]


def text_of(case: Bad) -> str:
    """The file of a case."""
    assert case.base.count(case.old) == 1, f"{case.name}: {case.old!r} must be there once"
    return case.base.replace(case.old, case.new)
