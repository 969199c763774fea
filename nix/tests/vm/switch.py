start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)
before = gateway.succeed(as_alice(main_pid(USER))).strip()

with subtest("a stream is active"):
    upstream.succeed(inject_fault("moonshot:drip=2000"))
    gateway.succeed(f"systemd-run --unit=stream --collect -p StandardOutput=file:/tmp/stream -- {chat(stream=True)}")
    gateway.wait_until_succeeds("grep -q '^data: ' /tmp/stream")

with subtest("the switch reloads the configuration in the same process"):
    gateway.succeed("/run/current-system/specialisation/changed/bin/switch-to-configuration test")
    gateway.wait_until_succeeds(f"{chat()} | grep -q 'x-moonrelay-model: openrouter/auto'")
    assert gateway.succeed(as_alice(main_pid(USER))).strip() == before

with subtest("the stream ends normally"):
    gateway.wait_until_succeeds("grep -q 'data: \\[DONE\\]' /tmp/stream")
    assert "x-moonrelay-model: moonshot/kimi-k3" in gateway.succeed("cat /tmp/stream")
