start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)
assert "x-moonrelay-model: moonshot/kimi-k3" in gateway.succeed(chat())
upstream.succeed(inject_fault("moonshot:overloaded"))
assert "x-moonrelay-model: openrouter/auto" in gateway.succeed(chat())

# The bracket keeps the search commands from finding themselves.
patterns = [key[:12] + "[" + key[12] + "]" + key[13:] for key in (MOONSHOT_KEY, OPENROUTER_KEY)]
for pattern in map(shlex.quote, patterns):
    with subtest("no key is in the store"):
        gateway.fail(f"grep -rqs {pattern} /nix/store/*moonrelay* /nix/store/*home-manager*")
    with subtest("no key is in the journal"):
        gateway.fail(f"journalctl -o export --no-pager | grep -qa {pattern}")
    with subtest("no key is on a command line or in the gateway's environment"):
        gateway.fail(f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -v grep | grep -q {pattern}")
        pid = gateway.succeed(as_alice(main_pid(USER))).strip()
        gateway.fail(f"tr '\\0' '\\n' </proc/{pid}/environ | grep -q {pattern}")
    with subtest("no key is in the state directory"):
        gateway.fail(f"grep -rqs {pattern} /home/alice/.local/state/moonrelay")
