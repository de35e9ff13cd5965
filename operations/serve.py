"""`chalice local --stage local`, for a local AWS on any port: the command itself knows only the port in config.json."""

import argparse
import os
import sys
from typing import Any, cast

from chalice.cli.factory import CLIFactory
from chalice.local import ChaliceRequestHandler, LocalDevServer

from chalicelib.edge.application import Application
from operations.mail_sink import LOOPBACK
from operations.project import ROOT


class RequestHandler(ChaliceRequestHandler):
    """Chalice answers preflights by itself, and as if one origin were configured."""

    def _send_headers(self, headers: dict[str, Any]) -> None:
        application = cast("Application", self.local_gateway._app_object)
        super()._send_headers(headers | application.origin_headers(dict(self.headers)))


def serve(port: int, aws_port: int) -> None:
    """The API on `port`, with the application's code as it stands, until Ctrl-C."""
    factory = CLIFactory(str(ROOT), environ=os.environ)
    here = {"AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{aws_port}"}
    config = factory.create_config_obj("local", user_provided_params={"environment_variables": here})
    server = LocalDevServer(config.chalice_app, config, LOOPBACK, port, handler_cls=RequestHandler)
    print(f"The API answers at http://{LOOPBACK}:{port}, with the AWS at {here['AWS_ENDPOINT_URL']}", flush=True)
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve", description="Serve the API from these files, against the local AWS.")
    parser.add_argument("--port", type=int, default=8000, help="port of the API (8000)")
    parser.add_argument("--aws-port", type=int, default=4566, help="port of the local AWS (4566)")
    arguments = parser.parse_args()
    try:
        serve(arguments.port, arguments.aws_port)
    except KeyboardInterrupt:
        print("Stopping.")
    except OSError as problem:
        sys.exit(f"Port {arguments.port} of {LOOPBACK} cannot be used ({problem.strerror}); choose another with --port.")


if __name__ == "__main__":
    main()
