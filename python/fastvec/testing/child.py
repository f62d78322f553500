"""The process in which an env is played: whatever it does there, the one that asked gets an answer."""

from __future__ import annotations

import os
import pickle
from multiprocessing.connection import Connection
from typing import Any

from fastvec.testing.checker import Checker
from fastvec.testing.checks import run_each
from fastvec.testing.place import Place
from fastvec.testing.question import Question
from fastvec.testing.rerun import digests

__all__ = ["main"]


def main(asked_from: int, answer_to: int, page: int) -> None:
    """Work on the question that can be read from ``asked_from``."""
    with open(asked_from, "rb") as asked:
        question: Question = pickle.load(asked)
    answers = Connection(answer_to, readable=False)
    place = Place(page)
    os.set_inheritable(answer_to, False)

    def say(*words: Any) -> None:
        answers.send_bytes(pickle.dumps(words))

    try:
        question.source.load()
        if question.task == "digests":
            say("digests", digests(question, place))
        else:
            _check(question, place, say)
    except Exception as error:
        say("raised", _portable(error))
    say("end")


def _check(question: Question, place: Place, say: Any) -> None:
    settings = dict(question.settings)
    arguments = {name: settings.pop(name) for name in ("needs", "broken", "known")}
    run_each(Checker(question.source, place=place, **settings), say=say, **arguments)


def _portable(error: Exception) -> Exception:
    """The error, if another process can make it again from bytes; else one that says the same."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    kind = next(
        kind for kind in (TypeError, ValueError, RuntimeError) if isinstance(error, kind) or kind is RuntimeError
    )
    return kind(str(error) or type(error).__name__)
