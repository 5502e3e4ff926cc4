"""Apache Kafka that asks who one is: a token as GCN does (OAUTHBEARER), or user and password as SCiMMA (SCRAM-SHA-512).

Tokens come from an issuer on this machine, live for seconds, and a connection whose token has ended is closed: whoever
does not fetch the next one in time hears nothing any more.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from stream.settings import KafkaSettings

from .node import START_S, Node, cluster_id, free_ports

CLIENT, SECRET = "reader", "hunter2"
USER, PASSWORD = "jo", "hunter3"
_LISTENER = "listener.name.sasl_plaintext"
_KAFKA = "org.apache.kafka.common.security"


class Issuer:
    """An OIDC issuer: tokens for one client, and the key that signs them."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.issued: list[float] = []
        self.refused = 0
        self.away = False
        self._key = rsa.generate_private_key(65537, 2048)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
                if issuer.away or self.headers.get("Authorization") != f"Basic {known}":
                    issuer.refused += 1
                    self.answer({"error": "invalid_client"}, 401)
                    return
                issuer.issued.append(time.monotonic())
                self.answer({"access_token": issuer.token(), "token_type": "Bearer", "expires_in": issuer.life_s})

            def do_GET(self) -> None:
                self.answer({"keys": [issuer.public()]})

            def answer(self, found: object, status: int = 200) -> None:
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def token(self) -> str:
        now_s = time.time()
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        claims = {"sub": CLIENT, "scope": "kafka", "iat": int(now_s), "exp": int(now_s + self.life_s)}
        signed = f"{_text(json.dumps(head).encode())}.{_text(json.dumps(claims).encode())}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"

    def public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        n, e = (_text(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (numbers.n, numbers.e))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": n, "e": e}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class GuardedKafka:
    """One node with a plain listener beside the guarded one."""

    def __init__(self, folder: Path, issuer: Issuer) -> None:
        port, self.guarded, controller = free_ports(3)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        plain, asks = f"PLAINTEXT://{self.bootstrap_servers}", f"SASL_PLAINTEXT://127.0.0.1:{self.guarded}"
        self._issuer = issuer
        properties = {
            "listeners": f"{plain},{asks},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"{plain},{asks}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            f"{_LISTENER}.sasl.enabled.mechanisms": "OAUTHBEARER,SCRAM-SHA-512",
            f"{_LISTENER}.oauthbearer.sasl.jaas.config": f"{_KAFKA}.oauthbearer.OAuthBearerLoginModule required;",
            f"{_LISTENER}.oauthbearer.sasl.server.callback.handler.class": (
                f"{_KAFKA}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            f"{_LISTENER}.oauthbearer.connections.max.reauth.ms": "3600000",
            f"{_LISTENER}.scram-sha-512.sasl.jaas.config": f"{_KAFKA}.scram.ScramLoginModule required;",
            "sasl.oauthbearer.jwks.endpoint.url": f"{issuer.url}/jwks",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
        }
        java = [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.url}/jwks"]
        voters = f"1@127.0.0.1:{controller}"
        self._node = Node(folder, 1, "broker,controller", port, controller, voters, properties, java)
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        assert self._node.format(cluster_id(), "--add-scram", scram).wait(START_S) == 0, self._node.log
        self._node.start()

    @property
    def log(self) -> str:
        return self._node.log

    def with_token(self, secret: str = SECRET) -> KafkaSettings:
        """Return how GCN is reached, but for TLS."""
        return KafkaSettings.model_validate(
            {
                "bootstrap_servers": f"127.0.0.1:{self.guarded}", "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "OAUTHBEARER", "oauth_token_url": f"{self._issuer.url}/oauth2/token",
                "oauth_client_id": CLIENT, "oauth_client_secret": secret,
            }
        )  # fmt: skip

    def with_password(self, password: str = PASSWORD) -> KafkaSettings:
        """Return how SCiMMA is reached, but for TLS."""
        return KafkaSettings.model_validate(
            {
                "bootstrap_servers": f"127.0.0.1:{self.guarded}", "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": USER, "sasl_password": password,
            }
        )  # fmt: skip

    def close(self) -> None:
        self._node.end(9)
