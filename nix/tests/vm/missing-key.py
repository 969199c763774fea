start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")

with subtest("without any key the service fails and logs the reason"):
    gateway.wait_until_succeeds(as_alice(f"{USER} is-failed moonrelay.service"))
    code = gateway.succeed(as_alice(f"{USER} show -P ExecMainStatus moonrelay.service")).strip()
    assert code == "78", code
    assert "no provider has a key" in gateway.succeed("journalctl --no-pager -t moonrelay")

with subtest("with one of two keys it starts and logs the missing one"):
    gateway.succeed(write_keys("/home/alice/keys", "alice"))
    gateway.succeed("rm /home/alice/keys/moonshot")
    gateway.succeed(as_alice(f"{USER} reset-failed moonrelay.service"))
    gateway.succeed(as_alice(f"{USER} start moonrelay.service"))
    gateway.wait_for_open_port(1969)
    assert "x-moonrelay-model: openrouter/auto" in gateway.succeed(chat())
    assert "MOONSHOT_API_KEY is not set or empty" in gateway.succeed("journalctl --no-pager -t moonrelay")

with subtest("a reload reads a key that was added later"):
    gateway.succeed(write_keys("/home/alice/keys", "alice"))
    gateway.succeed(as_alice(f"{USER} reload moonrelay.service"))
    assert "x-moonrelay-model: moonshot/kimi-k3" in gateway.succeed(chat("moonshot/kimi-k3"))
