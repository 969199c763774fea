start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)
before = gateway.succeed(as_alice(main_pid(USER))).strip()

with subtest("after kill -9 a new process answers"):
    gateway.succeed(f"kill -9 {before}")
    gateway.wait_until_succeeds(f"{chat()} | grep -q 'x-moonrelay-model: moonshot/kimi-k3'")
    assert gateway.succeed(as_alice(main_pid(USER))).strip() != before
    assert gateway.succeed(as_alice(f"{USER} show -P NRestarts moonrelay.service")).strip() == "1"
