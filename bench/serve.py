"""`doldrum serve` under load: latency and requests a second at half, full and twice its capacity: python bench/serve.py [--json FILE].

A small CNN of 28 x 28 as an ONNX file, random weights, `SmoothnessProfile`, one PNG a request. Capacity is what 64 clients get that each send the
next request when they are answered. Then requests arrive at random moments at set rates, whether or not earlier ones are answered, and
latency counts from the moment of arrival. Every request has to be answered 200 or 429, and the service's own count has to be the same.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import io
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np
import torch
from PIL import Image

import doldrum as dd
from doldrum.detectors import SmoothnessProfile, save_detector
from doldrum.networks import build
from doldrum.provenance import versions_and_machine

SHAPE = (1, 28, 28)
OUTSTANDING = 480  # requests at a time, below the service's 512 connections
BOUNDARY = "b0undary"
POOLS = 16  # a pool of httpx looks through all of its connections for each request


def made(folder: Path) -> list[bytes]:
    """model.onnx and guard.doldrum in `folder`; bodies of requests, a PNG each."""
    torch.manual_seed(0)
    module = build("fashion-cnn", input_shape=SHAPE, num_classes=10).eval()
    example = torch.zeros(1, *SHAPE)
    torch.onnx.export(
        module, (example,), str(folder / "model.onnx"), dynamo=False, input_names=["x"], output_names=["y"],
        dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (700, *SHAPE), dtype=np.uint8)
    classifier = dd.open_model(folder / "model.onnx", outputs="logits").classifier
    detector = SmoothnessProfile(seed=0).fit(classifier, images[:250]).calibrate(images[250:500], fpr=0.05)
    save_detector(detector, folder / "guard.doldrum", preprocessing={"outputs": "logits"})
    return [form(image[0]) for image in images[500:]]


def form(pixels: np.ndarray) -> bytes:
    """A request's body, made beforehand: the client shares the processor with the service."""
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
    return head.encode() + held.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextlib.contextmanager
def service(folder: Path, secret: str, *words: str):
    """Its address, while it runs; it has to end in order."""
    log = folder / "log"
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", "serve", str(folder / "model.onnx")]
    command += ["--detector", str(folder / "guard.doldrum"), "--port", "0", *words]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "DOLDRUM_TOKEN": secret})
    try:
        while (found := re.search(r"answering on (\S+)", log.read_text())) is None:
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        yield found[1]
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            sys.exit(f"expected an end with 0, got {process.returncode}: {log.read_text()}")
    finally:
        process.kill()
        process.wait()


class Client:
    def __init__(self, address: str, secret: str, bodies: list[bytes]) -> None:
        each = OUTSTANDING // POOLS
        limits = httpx2.Limits(max_connections=each, max_keepalive_connections=each)
        who = {"Authorization": f"Bearer {secret}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self.pools = [
            httpx2.AsyncClient(base_url=address, headers=who, limits=limits, timeout=60, trust_env=False)
            for _ in range(POOLS)
        ]
        self.bodies, self.statuses, self.seconds = bodies, collections.Counter[str](), list[float]()

    async def ask(self, number: int, arrived: float) -> None:
        body = self.bodies[number % len(self.bodies)]
        try:
            answer = await self.pools[number % POOLS].post("/v1/classify", content=body)
            status = str(answer.status_code)
        except httpx2.HTTPError as error:
            status = type(error).__name__
        self.statuses[status] += 1
        if status == "200":
            self.seconds.append(time.perf_counter() - arrived)

    async def close(self) -> None:
        for pool in self.pools:
            await pool.aclose()

    async def counted(self) -> dict[str, float]:
        """The service's own count by status."""
        text = (await self.pools[0].get("/metrics")).text
        found = re.findall(r'^doldrum_requests_total\{path="/v1/classify",status="(\d+)"\} (\S+)', text, re.MULTILINE)
        return {status: float(value) for status, value in found}


async def closed(client: Client, *, clients: int, seconds: float) -> float:
    """Answers a second where each of so many clients sends the next when it is answered."""
    end, number = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal number
        while time.perf_counter() < end:
            number += 1
            await client.ask(number, time.perf_counter())

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return client.statuses["200"] / (time.perf_counter() - start)


async def arriving(client: Client, *, rate: float, seconds: float) -> None:
    """Requests at random moments, `rate` a second, whether or not others are answered."""
    rng, room = np.random.default_rng(1), asyncio.Semaphore(OUTSTANDING)
    start, at, asked = time.perf_counter(), 0.0, []

    async def one(number: int, arrived: float) -> None:
        async with room:
            await client.ask(number, arrived)

    while at < seconds:
        at += rng.exponential(1 / rate)
        await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
        asked.append(asyncio.create_task(one(len(asked), start + at)))
    await asyncio.gather(*asked)


async def run(args: argparse.Namespace, address: str, secret: str, bodies: list[bytes]) -> dict:
    warm = Client(address, secret, bodies)
    await closed(warm, clients=8, seconds=2)
    await warm.close()
    client = Client(address, secret, bodies)
    capacity = await closed(client, clients=args.clients, seconds=args.seconds)
    await client.close()
    found: dict = {"capacity": round(capacity, 1), "closed": row(client, args.seconds), "rates": []}
    print(
        f"capacity {capacity:.0f} images a second: {args.clients} clients, p50 {found['closed']['p50']} ms", flush=True
    )
    for share in (0.5, 1.0, 2.0):
        client = Client(address, secret, bodies)
        before, start = await client.counted(), time.perf_counter()
        await arriving(client, rate=share * capacity, seconds=args.seconds)
        taken, after = time.perf_counter() - start, await client.counted()
        told = {status: int(after[status] - before.get(status, 0)) for status in after}
        one = {"share": share, "rate": round(share * capacity, 1), **row(client, taken), "load": os.getloadavg()[0]}
        mine = {status: client.statuses.get(status, 0) for status in told}
        one["lost"] = sum(count for status, count in client.statuses.items() if status not in ("200", "429"))
        one["as_the_service_counts"] = told == mine
        found["rates"].append(one)
        print(
            f"{share:.1f} x capacity: {one['rate']} a second asked, {one['answered']} answered 200 a second, p50 {one['p50']} p95 {one['p95']} "
            f"p99 {one['p99']} ms; {one['statuses']}; lost {one['lost']}; as the service counts: {one['as_the_service_counts']}",
            flush=True,
        )
        await client.close()
    return found


def row(client: Client, seconds: float) -> dict:
    p50, p95, p99 = (1000 * np.quantile(client.seconds, [0.5, 0.95, 0.99])).round(1).tolist()
    statuses = dict(sorted(client.statuses.items()))
    return {
        "statuses": statuses,
        "answered": round(client.statuses["200"] / seconds, 1),
        "p50": p50,
        "p95": p95,
        "p99": p99,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each rate")
    parser.add_argument("--clients", type=int, default=64, help="that find the capacity")
    parser.add_argument("--json", type=Path, help="a file to write settings, versions, machine and all rows to")
    args = parser.parse_args()
    secret = secrets.token_urlsafe(32)
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = made(folder)
        with service(folder, secret) as address:
            found = asyncio.run(run(args, address, secret, bodies))
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        found = {"settings": settings, "load_average": load, **found, **versions_and_machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    if any(one["lost"] or not one["as_the_service_counts"] for one in found["rates"]):
        sys.exit("requests were lost")


if __name__ == "__main__":
    main()
