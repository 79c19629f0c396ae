"""Answers that are made bit by bit."""

import ast
import re

from ..engine.handed_on import PROXIES, lost
from ..engine.quart import Module, contains, mentions
from ..engine.rule import Found, rule
from ..engine.scopes import FUNCTIONS, Function

EVENT_STREAM = re.compile(r"type['\"\]]* ?[:=,] ?['\"]text/event-stream", re.I)
TOKENS = re.compile(r"(completions|messages|responses)\.(stream|create\(.*stream=T)")
WITHOUT_END = re.compile(r"True|1|not .*\.is_set\(\)")
SENDING = ("Response", "make_response", "response_class")


@rule("QP109 stream-timeout warning", on=(ast.Call, ast.Constant))
def stream_timeout(module: Module, node: ast.Call | ast.Constant) -> Found:
    r"""RESPONSE_TIMEOUT: at 60 s 0.22 cuts it, 0.23 hangs; `response.timeout = None`

    Event streams, tokens of a model and loops without end, whatever their type.

    runs: 0.22: [app.config.update(RESPONSE_TIMEOUT=0.1), await (await
    get("/news")).get_data()][1] -> b''

      async def news():
          await asyncio.sleep(0.5)
          yield "data: 1\n\n"
      @app.get("/news")
      async def stream_news():
          response = Response(news(), mimetype="text/event-stream")  # here
    +     response.timeout = None
          return response
    """
    function, outer = module.function(node), module.parent(node) or node
    if isinstance(node, ast.Call):
        lasts = is_endless(module, module.local_function(node.func))
        direct = isinstance(outer, ast.Return | ast.Tuple)
        lasts = lasts and (direct or mentions(outer, *SENDING))
    else:
        event_stream = "text/event-stream" in str(node.value)
        lasts = event_stream and bool(EVENT_STREAM.search(ast.unparse(outer)))
    if lasts and isinstance(function, FUNCTIONS):
        makers = {function, *map(module.function, module.uses(function))}
        code = " ".join(ast.unparse(one) for one in makers if one)
        limited = ".timeout = " in code or "RESPONSE_TIMEOUT" in module.settings
        twice = isinstance(node, ast.Call) and EVENT_STREAM.search(code)
        if not (limited or twice or makers.isdisjoint(module.views)):
            yield node, ""


def is_endless(module: Module, made: Function | None) -> bool:
    """A generator with a loop without end, or of the tokens of a model."""
    if made is None or not module.yields(made):
        return False
    loops = [one for one in module.body(made) if isinstance(one, ast.While)]
    ways_on = [one.test for one in loops if not contains(one, ast.Break, ast.Return)]
    streams_tokens = bool(TOKENS.search(ast.unparse(made)))
    return streams_tokens or any(map(WITHOUT_END.fullmatch, map(ast.unparse, ways_on)))


@rule("QP110 stream-without-context error", on=ast.Call, word="yield")
def stream_without_context(module: Module, node: ast.Call) -> Found:
    """`{}` is gone when this generator runs, after the view and its 200; pass the value

    `stream_with_context` keeps `request` and `session` for it, but not `g`.

    runs: get("/lines?word=tea") -> RuntimeError | ExceptionGroup

      @app.get("/lines")
      async def stream():
    +     @stream_with_context
          async def lines():
              yield request.args["word"]  # here

          return lines()
    """
    function, outer = module.local_function(node.func), module.parent(node)
    if not function or not module.yields(function):
        return
    answers = isinstance(outer, ast.Return | ast.Tuple)
    streamed = answers and module.function(node) in module.views
    streamed |= isinstance(outer, ast.Call) and mentions(outer.func, *SENDING)
    if streamed and "_context(" not in ast.unparse(function):
        match [module.decorator_name(one) for one in function.decorator_list]:
            case []:
                yield from lost(module, function, PROXIES)
            case ["quart.stream_with_context"]:
                yield from lost(module, function, set(), "quart.g.")
