"""Pages for a real browser: each runs a script, which tells the test what it sees."""

import asyncio
import json
from typing import Any

from quart import Quart, Response, request

PAGE = """\
<!doctype html>
<meta charset="utf-8">
<script>
const parameters = Object.fromEntries(new URLSearchParams(location.search));
async function report(value) {{
  await fetch('/report', {{method: 'POST', body: JSON.stringify(value)}});
}}
async function attempt(...request) {{
  try {{
    const answer = await fetch(...request);
    return answer.type === 'opaque' ? 'opaque' : await answer.text();
  }} catch (error) {{
    return error.name;
  }}
}}
function makeForm(action, fields, enctype = 'application/x-www-form-urlencoded') {{
  const form = document.createElement('form');
  Object.assign(form, {{action, enctype, method: 'post'}});
  for (const [name, value] of Object.entries(fields)) {{
    form.append(Object.assign(document.createElement('input'), {{name, value}}));
  }}
  document.body.append(form);
  return form;
}}
async function submitInFrame(form) {{
  const frame = document.querySelector('iframe');
  const loaded = new Promise(done => frame.onload = done);
  form.target = frame.name;
  form.submit();
  await loaded;
}}
</script>
<body><iframe name="frame"></iframe>
<script>
(async () => {{
{script}
}})().catch(error => report(String(error)));
</script>
"""


class BrowserPages:
    """`add` them to an app of their own, or to the one that is tested."""

    def __init__(self, app: Quart | None = None) -> None:
        self.app = app or Quart(__name__)
        self._reports = asyncio.Queue[Any]()
        self.app.add_url_rule("/report", "browser_report", self._take, methods=["POST"])

    def add(self, path: str, script: str, **headers: str) -> None:
        """Serve a page with the script: report(), attempt(), makeForm() ...."""

        async def show() -> Response:
            html = PAGE.format(script=script)
            return Response(html, content_type="text/html", headers=headers)

        self.app.add_url_rule(path, f"browser_page_{path}", show)

    async def _take(self) -> str:
        self._reports.put_nowait(json.loads(await request.get_data()))
        return ""

    async def report(self) -> Any:
        """What a page has seen; TimeoutError after 60 seconds."""
        return await asyncio.wait_for(self._reports.get(), 60)
