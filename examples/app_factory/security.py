from quart import Response, request

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
DOCS_PAGES = {"redoc_ui", "scalar_ui", "swagger_ui"}


async def set_security_headers(response: Response) -> Response:
    present = {name.lower() for name, _ in response.headers}
    if request.endpoint in DOCS_PAGES:
        present.add("content-security-policy")  # their scripts come from a CDN
    response.headers.extend(
        {name: HEADERS[name] for name in HEADERS if name not in present}
    )
    return response
