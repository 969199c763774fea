start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)

with subtest("the primary model answers"):
    assert "x-moonrelay-model: moonshot/kimi-k3" in gateway.succeed(chat())

with subtest("if the primary fails, the fallback answers the same request"):
    upstream.succeed(inject_fault("moonshot:overloaded"))
    answer = gateway.succeed(chat(stream=True))
    assert "HTTP/1.1 200" in answer and "data: [DONE]" in answer, answer
    assert "x-moonrelay-model: openrouter/auto" in answer, answer
    assert "moonshot/kimi-k3=overloaded" in answer, answer

with subtest("the unit's status names the fallback"):
    status = gateway.succeed(as_alice(f"{USER} show -P StatusText moonrelay.service"))
    assert "openrouter/auto" in status, status

with subtest("the journal contains the request with its fields"):
    entries = gateway.succeed("journalctl -o json -t moonrelay MOONRELAY_MODEL=openrouter/auto")
    entry = json.loads(entries.splitlines()[-1])
    assert "overloaded" in entry["MOONRELAY_ATTEMPTS"], entry
