start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))

with subtest("a connection to the systemd socket starts the gateway"):
    gateway.succeed(as_alice(f"{USER} reset-failed moonrelay.service moonrelay.socket || true"))
    gateway.succeed(as_alice(f"{USER} stop moonrelay.service"))
    gateway.succeed(as_alice(f"{USER} restart moonrelay.socket"))
    gateway.wait_for_open_port(1969)
    assert "x-moonrelay-model: moonshot/kimi-k3" in gateway.succeed(chat())
    gateway.succeed(as_alice(f"{USER} is-active moonrelay.service"))

with subtest("no connection is refused during a restart"):
    request = chat(options="-o /dev/null --fail")
    loop = f"for i in $(seq 50); do {request} || exit 1; done; touch /tmp/all-answered"
    gateway.succeed(f"systemd-run --unit=clients --collect -- /bin/sh -c {shlex.quote(loop)}")
    for _ in range(3):
        gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
    gateway.wait_for_file("/tmp/all-answered")
