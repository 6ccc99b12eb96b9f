"""The HTTP interface: its paths, the check of the token, and the status of each answer."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

import doldrum
from doldrum.detectors.deploy.watch import WatchVerdict
from doldrum.serving.form import FIELD, Gone, read_images
from doldrum.serving.metrics import CLASSIFY, WATCH
from doldrum.serving.middleware import BoundedBody, Counted
from doldrum.serving.refusal import Refusal
from doldrum.serving.service import NO_ANSWER, Service
from doldrum.serving.verdicts import Answer

__all__ = ["make_app"]

_BEARER = HTTPBearer(auto_error=False, description="The token in DOLDRUM_TOKEN, with which the service was started.")
_GONE = 499  # nobody reads it; it is counted
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        },
    }
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The form is incomplete."},
    401: {"description": "The token is missing or wrong."},
    408: {"description": "The request took too long to arrive."},
    413: {"description": "The request has too many bytes or images."},
    415: {"description": "The request is not multipart/form-data."},
    422: {"model": Answer, "description": "None of the images could be read; each result says why."},
    429: {"description": "Too many images are in progress; Retry-After says how many seconds to wait."},
    503: {
        "model": Answer,
        "description": "The model gave no answer, or too many connections are open; Retry-After says how many seconds to wait.",
    },
    504: {"description": "The answer took too long."},
}


def make_app(service: Service) -> FastAPI:
    """The FastAPI application for a service. The application's lifespan starts and stops the service."""
    settings = service.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    async def allowed(given: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> None:
        said = "" if given is None else given.credentials
        if not hmac.compare_digest(said.encode(), (settings.secret or "").encode()):
            raise Refusal(
                401,
                "expected the service's secret as Authorization: Bearer …, got no secret or a wrong one",
                {"WWW-Authenticate": "Bearer"},
            )

    guarded = [] if settings.secret is None else [Security(allowed)]
    app = FastAPI(
        title="doldrum",
        version=doldrum.__version__,
        description="Predicts labels of images, and flags images that look triggered.",
        lifespan=lifespan,
        redoc_url=None,
        exception_handlers={Refusal: _refused},
    )
    app.add_middleware(BoundedBody, most=settings.max_body, seconds=settings.receive_seconds)
    app.add_middleware(Counted, metrics=service.metrics)

    @app.post(CLASSIFY, dependencies=guarded, response_model=Answer, responses=_REFUSALS, openapi_extra=_FORM)
    async def classify(request: Request) -> Any:
        """The label, p-value and flag of each image, in order. An image that cannot be read gets an error instead."""
        service.load.check()
        with service.load.body() as body:
            try:
                files = await read_images(
                    request.headers.get("content-type", ""), request.receive, body=body, most=settings.max_images
                )
            except Gone:
                return Response(status_code=_GONE)
            with service.load.taken(len(files)):
                answer = await _unless_gone(service.answer(files), request, settings.answer_seconds)
        if answer is None:
            return Response(status_code=_GONE)
        errors = [verdict.error for verdict in answer.results if verdict.error is not None]
        if len(errors) < len(answer.results):
            return answer
        if NO_ANSWER not in errors:
            return JSONResponse(_plain(answer), status_code=422)
        return JSONResponse(_plain(answer), status_code=503, headers={"Retry-After": str(service.load.wait)})

    @app.get(WATCH, dependencies=guarded)
    async def watch() -> WatchVerdict:
        """Whether the images are still like the calibration images, and whether too many of them are flagged."""
        return service.watched.verdict

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """Whether the service process is alive."""
        return {"alive": True}

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", responses={503: {"description": "The service is stopping."}})
    async def readyz(response: Response) -> dict[str, bool]:
        """Whether the service accepts images."""
        response.status_code = 200 if service.ready else 503
        return {"ready": service.ready}

    @app.get("/metrics", dependencies=guarded, response_class=Response)
    async def metrics() -> Response:
        """The service's metrics for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return app


async def _refused(request: Request, error: Any) -> JSONResponse:
    return JSONResponse({"detail": error.detail}, status_code=error.status, headers=error.headers)


async def _unless_gone(work: Any, request: Request, seconds: float) -> Answer | None:
    """The answer to a request, or None if the client left before the answer was ready. Raises Refusal (504) after
    `seconds`."""
    answer, gone = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        done, _ = await asyncio.wait((answer, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer in done:
            return answer.result()
        if gone in done:
            return None
        raise Refusal(
            504, f"expected an answer within {seconds:g} s, got none; send fewer images at a time, or try again later"
        )
    finally:
        answer.cancel()
        gone.cancel()


def _plain(answer: Answer) -> dict[str, Any]:
    return {**vars(answer), "results": [vars(verdict) for verdict in answer.results]}
