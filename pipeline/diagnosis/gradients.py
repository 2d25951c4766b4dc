"""Gradients and activations through depth and time (Dive into Deep Learning 5.4, 9.7; Glorot and Bengio 2010): what the
traces of a model's folds show. A fault is told where at least half of the folds have it, by the one that is worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

Trace = Mapping[str, Any]
FAR = 1e3
"""How many times smaller or larger a gradient is at one layer than at the last one, or a layer's output than the
first one's, where it vanishes or explodes."""
DISTANCE = 3
"""2 to this are the steps over which a recurrent layer that loses all but one part in ``FAR`` forgets."""
MOST = 0.5
"""Share of units from which a layer is dead, and of steps or folds from which a fault is told."""
FLAT = 0.75
"""Share of values from which a layer is saturated: networks that have learned their rows by heart come near a half."""
SHARP = 0.05
"""Entropy of attention, as part of that of looking everywhere alike, below which it looks at one place."""


@dataclass(frozen=True)
class Case:
    """What one fold shows: at which layer, from which step on, how much, in which share of the steps looked at."""

    layer: str
    step: int
    number: float
    share: float = 1.0
    over: str = "depth"


def ratios(trace: Trace, measure: str, to: int) -> dict[str, list[Any]]:
    """A measure of each layer through depth as part of that of one of them (``to``: its place): a value a step."""
    layers = [name for name in trace["depth"] if measure in trace["layers"][name]]
    if len(layers) < 3:
        return {}
    values = {name: trace["layers"][name][measure] for name in layers}
    given = values.pop(layers[to])
    return {
        name: [None if one is None or not by else one / by for one, by in zip(own, given, strict=True)]
        for name, own in values.items()
    }


def vanishing(trace: Trace) -> Case | None:
    """Through depth, or over the steps of a plain recurrent layer (a gated one may mean to forget)."""
    through = _far(trace, ratios(trace, "backward", -1), lambda one: one < 1 / FAR, min)
    return through or next(_forgetting(trace), None)


def exploding(trace: Trace) -> Case | None:
    """Gradients through depth, outputs through depth, or gradients over steps of a sequence."""
    back = _far(trace, ratios(trace, "backward", -1), lambda one: one > FAR, max)
    on = _far(trace, ratios(trace, "forward", 0), lambda one: one > FAR, max)
    return back or on or next(_growing(trace), None)


def _far(trace: Trace, found: dict[str, list[Any]], far: Callable[[float], bool], worst: Any) -> Case | None:
    """The layer that is furthest off, where one is at most of the steps, of which the first alone says little: a
    decoder that has learned nothing hears nothing of its encoder."""
    told = []
    for k, step in enumerate(trace["steps"]):
        known = {name: own[k] for name, own in found.items() if own[k] is not None}
        if known:
            layer = worst(known, key=lambda name: (known[name], name))
            told.append((step, layer, known[layer]))
    off = [one for one in told if far(one[2])]
    if len(told) < 2 or not off or len(off) < MOST * len(told):
        return None
    number = median(one[2] for one in off)
    layers = [one[1] for one in off]
    return Case(max(sorted({*layers}), key=layers.count), off[0][0], number, len(off) / len(told))


def _memories(trace: Trace) -> Iterator[tuple[str, dict[str, Any], list[tuple[int, list[float]]]]]:
    """Recurrent layers, with what each looked-at step found, where it found numbers."""
    for name, own in trace["layers"].items():
        flows = [(step, [one for one in flow if one is not None]) for step, flow in _known(trace, own, "memory")]
        if flows:
            yield name, own, flows


def _forgetting(trace: Trace) -> Iterator[Case]:
    for name, own, flows in _memories(trace):
        late = [(step, flow[DISTANCE]) for step, flow in _last(flows) if len(flow) > DISTANCE]
        if "saturated" in own and late and (kept := median(one for _, one in late)) < 1 / FAR:
            yield Case(name, late[0][0], kept, over=f"{2**DISTANCE} steps")


def _growing(trace: Trace) -> Iterator[Case]:
    for name, _, flows in _memories(trace):
        grown = [(step, max(flow)) for step, flow in flows if flow and max(flow) > FAR]
        if grown and len(grown) >= MOST * len(flows):
            longest = max(len(flow) for _, flow in flows)
            largest = median(one for _, one in grown)
            yield Case(name, grown[0][0], largest, len(grown) / len(flows), f"{2 ** (longest - 1)} steps")


def dead(trace: Trace) -> Case | None:
    return _late(trace, "dead", lambda one: one >= MOST, max)


def saturated(trace: Trace) -> Case | None:
    return _late(trace, "saturated", lambda one: one >= FLAT, max)


def sharp(trace: Trace) -> Case | None:
    """Attention that looks at one place alone."""
    return _late(trace, "entropy", lambda one: one < SHARP, min)


def alike(trace: Trace) -> Case | None:
    """Units that began with the same weights and still have them; number: how many of them count."""
    for name, own in trace["layers"].items():
        counts = _known(trace, own, "distinct")
        if counts and counts[-1][1] < MOST * own["units"]:
            return Case(name, counts[-1][0], counts[-1][1], over=f"{own['units']} units")
    return None


def _late(trace: Trace, measure: str, wrong: Callable[[float], bool], worst: Any) -> Case | None:
    """The worst layer by the median of the last quarter of steps, from the step on after which it stays so."""
    cases = []
    for name, own in trace["layers"].items():
        if not (known := _known(trace, own, measure)):
            continue
        number = median(value for _, value in _last(known))
        if wrong(number):
            since = known[-1][0]
            for step, value in reversed(known):
                if not wrong(value):
                    break
                since = step
            cases.append(Case(name, since, number))
    return worst(cases, key=lambda one: (one.number, one.layer)) if cases else None


def _known(trace: Trace, own: Mapping[str, Any], measure: str) -> list[tuple[int, Any]]:
    """Steps where it was measured, and what it was."""
    return [
        (step, one) for step, one in zip(trace["steps"], own.get(measure, []), strict=False) if one not in (None, [])
    ]


def _last(known: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """The last quarter, one at least."""
    return known[-max(len(known) // 4, 1) :]


def cases(evidence: Evidence, look: Callable[[Trace], Case | None], worst: Any = max) -> dict[str, Case]:
    """By model, the worst fold's case, where at least half of the folds have one."""
    found = {}
    for name, model in evidence.models.items():
        own = [case for trace in model.traces if (case := look(trace)) is not None]
        if own and len(own) >= MOST * len(model.traces):
            found[name] = worst(own, key=lambda case: case.number)
    return found


LOOKS: dict[str, tuple[Callable[[Trace], Case | None], Any]] = {
    "vanishing": (vanishing, min),
    "exploding": (exploding, max),
    "dead": (dead, max),
    "saturated": (saturated, max),
    "alike": (alike, min),
    "sharp": (sharp, min),
}


def spikes(model: ModelEvidence) -> dict[int, dict[str, float]]:
    """By fold, the first time that the training loss gives back more than half of what had been learned, and a
    fifth at least had been: ``before``, ``after`` and the epoch, or the step of a fit of few epochs."""
    found = {}
    for fold, curves in enumerate(model.curves):
        trace = model.traces[fold] if fold < len(model.traces) else {}
        parts = trace.get("losses")
        means = parts["means"] if parts else curves.get("train_loss", [])
        places = parts["steps"] if parts else list(range(1, len(means) + 1))
        least = None
        for place, mean in zip(places, means, strict=True):
            if mean is None or means[0] is None:
                break
            learned = 0.0 if least is None else means[0] - least
            if least is not None and learned > 0.2 * abs(means[0]) and mean - least > max(0.5 * learned, 0.5 * least):
                found[fold] = {"before": least, "after": mean, "step" if parts else "epoch": place}
                break
            least = mean if least is None else min(least, mean)
    return found


def watched(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By model that was watched, what ``report.json`` says of its first fold: at the first and the last step that was
    looked at the ratios of gradients and outputs through depth, and the largest shares of dead and saturated units."""
    found = {}
    for name, model in evidence.models.items():
        if model.traces:
            trace = model.traces[0]
            found[name] = {
                "steps": [trace["steps"][0], trace["steps"][-1]],
                "gradient": _ends(trace, "backward", -1),
                "output": _ends(trace, "forward", 0),
                **{key: _largest(trace, key) for key in ("dead", "saturated")},
            }
    return found


def _ends(trace: Trace, measure: str, to: int) -> list[list[float] | None]:
    """Of the first and last step the least and largest ratio."""
    found = ratios(trace, measure, to)
    ends: list[list[float] | None] = []
    for k in (0, -1):
        known = [own[k] for own in found.values() if own[k] is not None]
        ends.append([min(known), max(known)] if known else None)
    return ends


def _largest(trace: Trace, measure: str) -> float | None:
    known = [known[-1][1] for own in trace["layers"].values() if (known := _known(trace, own, measure))]
    return max(known, default=None)
