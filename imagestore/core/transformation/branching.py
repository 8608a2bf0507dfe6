"""What the branches of conditions say of the answer: what all of them say, and what only one does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.flags import EARLY_FLAGS
from imagestore.core.transformation.model import Branch, Choice, Node, Output, Said
from imagestore.core.transformation.outputs import merge, write_output


def settle(nodes: Iterable[Node]) -> tuple[tuple[Node, ...], Output]:
    """The nodes, each of their branches with one Said at most, its last node; and what is said in any case.

    That is what stands outside of branches, and what every branch of a choice with an `if_else` says alike.
    Raises InvalidTransformation for what only some branches say, and what cannot wait for a condition.
    """
    settled: list[Node] = []
    whole = Output()
    for node in nodes:
        if isinstance(node, Choice):
            choice, common = _settle_choice(node)
            settled.append(choice)
            whole = merge(whole, common)
        elif isinstance(node, Said):
            whole = merge(whole, node.output)
        else:
            settled.append(node)
    return tuple(settled), whole


def silence(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes of a layer's chain, of which nothing is an answer. Raises InvalidTransformation for a page or
    a default image."""
    silent: list[Node] = []
    for node in nodes:
        if isinstance(node, Said):
            refuse_in_layer(node.output)
        elif isinstance(node, Choice):
            branches = (replace(branch, nodes=silence(branch.nodes)) for branch in node.branches)
            silent.append(Choice(tuple(branches)))
        else:
            silent.append(node)
    return tuple(silent)


def refuse_in_layer(output: Output) -> None:
    refused = Output(page=output.page, default=output.default)
    if refused != Output():
        raise InvalidTransformation(f"{write_output(refused)} cannot be said of a layer: put it outside.")


def _settle_choice(choice: Choice) -> tuple[Choice, Output]:
    settled = [settle(branch.nodes) for branch in choice.branches]
    outputs = [output for _, output in settled]
    common = _shared(outputs) if not choice.branches[-1].condition else Output()
    branches = [
        _branch(branch.condition, nodes, _without(output, common))
        for branch, (nodes, output) in zip(choice.branches, settled, strict=True)
    ]
    return Choice(tuple(branches)), common


def _branch(condition: str, nodes: tuple[Node, ...], output: Output) -> Branch:
    early = frozenset(flag for flag in output.flags if flag.partition(":")[0] in EARLY_FLAGS)
    refused = Output(format=output.format, page=output.page, default=output.default, flags=early)
    if refused != Output():
        raise InvalidTransformation(
            f"{write_output(refused)} cannot depend on a condition: put it outside, or say it in every "
            "branch, if_else included."
        )
    return Branch(condition, (*nodes, Said(output)) if output != Output() else nodes)


def _shared(outputs: list[Output]) -> Output:
    first, *others = outputs
    return Output(
        format=first.format if all(each.format == first.format for each in others) else None,
        quality=first.quality if all(each.quality == first.quality for each in others) else None,
        page=first.page if all(each.page == first.page for each in others) else None,
        delay=first.delay if all(each.delay == first.delay for each in others) else None,
        default=first.default if all(each.default == first.default for each in others) else None,
        flags=frozenset.intersection(*(each.flags for each in outputs)),
    )


def _without(output: Output, common: Output) -> Output:
    return Output(
        format=None if common.format else output.format,
        quality=None if common.quality else output.quality,
        page=None if common.page else output.page,
        delay=None if common.delay else output.delay,
        default=None if common.default else output.default,
        flags=output.flags - common.flags,
    )
