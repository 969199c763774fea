start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))

with subtest("the user service starts without a log-in session"):
    gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
    gateway.wait_for_open_port(1969)
    status = gateway.succeed(as_alice(f"{USER} status moonrelay.service"))
    assert "active (running)" in status, status

with subtest("the unit reports readiness to systemd"):
    assert gateway.succeed(as_alice(f"{USER} show -P Type moonrelay.service")).strip() == "notify-reload"
    gateway.succeed("curl -fsS http://127.0.0.1:1969/ready")

with subtest("it answers requests with and without streaming"):
    whole = gateway.succeed(chat())
    assert "x-moonrelay-model: moonshot/kimi-k3" in whole, whole
    streamed = gateway.succeed(chat(stream=True))
    assert "data: [DONE]" in streamed, streamed

with subtest("the configuration is plain JSON"):
    model = gateway.succeed("jq -c .agents.defaults.model /home/alice/.config/moonrelay/config.json5")
    assert json.loads(model)["primary"] == "moonshot/kimi-k3", model

with subtest("a command that would change the file prints the Nix setting"):
    refused = gateway.fail(as_alice("moonrelay models set openrouter/auto 2>&1"))
    assert "services.moonrelay.settings.agents.defaults.model" in refused, refused
