"""`doldrum serve`: serve a model and its detector over HTTP."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.as_opened import open_as_calibrated
from doldrum.cli.model_options import MODEL, takes_model
from doldrum.cli.out_file import WATCH, check_out_file
from doldrum.cli.output import message


@takes_model
def serve(
    model: Annotated[str, typer.Argument(help=MODEL)],
    detector: Annotated[Path, typer.Option(help="A file that doldrum calibrate wrote for this model.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any address that other machines can reach needs DOLDRUM_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8000,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Answer anyone who can reach --host, without DOLDRUM_TOKEN.")
    ] = False,
    batch: Annotated[
        int,
        typer.Option(
            help="The largest number of images that the model gets in one batch. The answers do not depend on this number."
        ),
    ] = 32,
    wait: Annotated[
        float, typer.Option(help="Number of seconds that an image may wait until other images fill its batch.")
    ] = 0.002,
    queue: Annotated[
        int,
        typer.Option(
            help="The largest number of images in progress. A request that would exceed this number gets the HTTP status 429."
        ),
    ] = 256,
    max_images: Annotated[int, typer.Option(help="The largest number of images in a request.")] = 64,
    max_body: Annotated[int, typer.Option(help="The largest number of bytes in a request.")] = 16 << 20,
    max_pixels: Annotated[int, typer.Option(help="The largest number of pixels in an image, width x height.")] = 1
    << 25,
    receive_seconds: Annotated[float, typer.Option(help="Seconds that a request may take to arrive.")] = 10.0,
    answer_seconds: Annotated[
        float,
        typer.Option(
            help="Number of seconds that the service may take to answer a request after the whole request has arrived."
        ),
    ] = 30.0,
    watch: Annotated[
        Path | None,
        typer.Option(
            help="File for the state of the watch, which tests whether the images have changed. With this file, the watch continues after a restart."
        ),
    ] = None,
    *,
    asked: dict[str, Any],
) -> None:
    """Serve a model over HTTP: each image gets its class, a p-value, and a flag if it looks triggered.

    The detector's file stores how the model was opened, so you need not repeat the model's options. The model runs in a
    confined process, and the images are decoded in another confined process.

    GET /docs describes the interface. The paths /healthz, /readyz and /metrics are for operators. The path /v1/watch says whether the promised false-positive rate
    still holds for the incoming images. SIGTERM stops the service after every accepted image has its answer.

    Example: DOLDRUM_TOKEN=… doldrum serve model.onnx --detector guard.doldrum --host 0.0.0.0, then
    curl -H "Authorization: Bearer $DOLDRUM_TOKEN" -F images=@a.png -F images=@b.jpg http://127.0.0.1:8000/v1/classify
    """
    from doldrum.detectors import Guard, load_detector
    from doldrum.opening import ModelSettings
    from doldrum.serving.server import Server, bound_socket
    from doldrum.serving.service import Service
    from doldrum.serving.settings import ServeSettings

    bounds = ServeSettings(
        host=host,
        port=port,
        secret=os.environ.pop("DOLDRUM_TOKEN", None),  # no process that is started from here has it
        without_token=without_token,
        batch=batch,
        wait=wait,
        queue=queue,
        max_images=max_images,
        max_body=max_body,
        max_pixels=max_pixels,
        receive_seconds=receive_seconds,
        answer_seconds=answer_seconds,
    )
    loaded = load_detector(detector)
    if watch is not None:
        read = ModelSettings(model=model, **asked)
        check_out_file(watch, WATCH, flag="--watch", model=read, files=[detector])
    with bound_socket(host, port) as socket:
        suspect, settings = open_as_calibrated(model, asked, loaded, guard=detector)
        guard = Guard(suspect.classifier, loaded)
        if not guard.warm_up():
            message(
                "note: the detector was calibrated on another machine or with other versions. So the model is checked on the first images, and the answers for these images take longer"
            )
        service = Service(guard, bounds, class_names=suspect.class_names, resize=settings.resize, watch=watch)
        where = f"http://{f'[{host}]' if ':' in host else host}:{socket.getsockname()[1]}"
        who = "those who have the token" if bounds.secret is not None else "anyone who reaches it"
        server = Server(service, listening=lambda: message(f"answering on {where} for {who}"))
        server.run(sockets=[socket])
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    message("stopped; every image that was accepted has an answer")
