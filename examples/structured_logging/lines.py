"""What a line looks like, and where it goes."""

import logging
import logging.config

from pythonjsonlogger.json import JsonFormatter

from .request_ids import RequestIdFilter

LINE = "%(asctime)s %(levelname)s %(request_id)s %(name)s: %(message)s"
CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


class OneLineFormatter(logging.Formatter):
    """A client's line feed (`GET /%0a...`) cannot begin a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(CONTROL_CHARACTERS)


def configure_logging(level: str = "INFO", *, json_lines: bool = False) -> None:
    """Replace what the root logger had; call it before `Quart(...)` is made."""
    formatter = JsonFormatter if json_lines else OneLineFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": RequestIdFilter}},
            "formatters": {"line": {"()": formatter, "fmt": LINE}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "filters": ["request_id"],
                    "formatter": "line",
                }
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )


class ServerLogs:
    """For `hypercorn -c python:...ServerLogs`: its lines in the same format."""

    accesslog = logging.getLogger("hypercorn.access")
    errorlog = logging.getLogger("hypercorn.error")
    access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(L)s'  # no query string, no referer
