"""`ngatu simulate`: a city's worth of agents, for load tests and for people who have no sensors yet."""

import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from threading import Event
from typing import Annotated

import typer

Mqtt = Annotated[
    str, typer.Option(envvar="NGATU_MQTT_URL", help="mqtt[s]://[user@]host[:port]; NGATU_MQTT_PASSWORD, NGATU_MQTT_CA")
]


def simulate(
    mqtt: Mqtt,
    *,
    city: Annotated[str, typer.Option(help="whose wards: a city that we carry, or a file")] = "hanoi",
    wards: Annotated[int, typer.Option(min=1)] = 126,
    devices_per_ward: Annotated[int, typer.Option(min=1, max=100)] = 20,
    rate: Annotated[float, typer.Option(min=0.001, max=1000, help="readings a second of each device")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0)] = 60.0,
    hours: Annotated[float, typer.Option(min=0, help="added to --seconds")] = 0.0,
    history: Annotated[float, typer.Option(min=0, max=400, help="days before now to fill first, fast")] = 0.0,
    history_period: Annotated[float, typer.Option(min=1, help="seconds between a device's readings then")] = 300.0,
    broken: Annotated[float, typer.Option(min=0, max=1, help="share of devices that something ails")] = 0.15,
    incidents_per_hour: Annotated[float, typer.Option(min=0, help="in the whole city, at rush hour")] = 12.0,
    seed: int = 1,
    drain: Annotated[float, typer.Option(min=0, help="seconds to wait at the end for what is not stored yet")] = 60.0,
    window: Annotated[int, typer.Option(min=100, help="messages sent and not yet stored")] = 5000,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Speak for so many devices until the time is up or Ctrl-C; exits 0 only when all of it is stored."""
    from ingest.consumer import BrokerAddress
    from ngatu.city import BadCity
    from ngatu.simulate.run import RunPlan, Simulation
    from ngatu.simulate.town import TownPlan

    logging.getLogger("ngatu.simulate").setLevel(logging.INFO)
    town = TownPlan(
        city=city,
        wards=wards,
        devices_per_ward=devices_per_ward,
        rate=rate,
        broken=broken,
        incidents_per_hour=incidents_per_hour,
        seed=seed,
    )
    plan = RunPlan(
        seconds=seconds + hours * 3600,
        history_days=history,
        history_period_s=history_period,
        window=window,
        drain_s=drain,
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        address = BrokerAddress.parse(mqtt, os.environ.get("NGATU_MQTT_PASSWORD"), os.environ.get("NGATU_MQTT_CA"))
        summary = Simulation(address, town, plan).run(stop)
    except (BadCity, TimeoutError, ValueError) as error:
        print(f"ngatu: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    told = asdict(summary)
    print(json.dumps(told) if as_json else "\n".join(f"{name}: {value}" for name, value in told.items()))
    if not summary.good:
        raise typer.Exit(1)
