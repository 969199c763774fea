start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(write_keys("/home/alice/keys", "alice"))
gateway.succeed("install -m 0644 -o alice /dev/null /home/alice/private")
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)
pid = gateway.succeed(as_alice(main_pid(USER))).strip()
group = gateway.succeed("id -g alice").strip()


def inside(command: str) -> str:
    """Returns the command that runs `command` as alice in the namespaces of the gateway."""
    return f"nsenter --target {pid} --user --mount --setuid 1000 --setgid {group} -- {command}"


with subtest("it cannot read homes except for its configuration"):
    gateway.fail(inside("ls /home/alice/private"))
    gateway.fail(inside("ls /home/alice/keys"))
    gateway.succeed(inside("ls /home/alice/.config/moonrelay/config.json5"))

with subtest("it cannot connect to the user's systemd"):
    gateway.fail(inside("ls /run/user/1000/bus"))
    gateway.fail(inside("ls /run/user/1000/systemd/private"))

with subtest("it can write only to its state directory"):
    gateway.succeed(inside("touch /home/alice/.local/state/moonrelay/probe"))
    gateway.fail(inside("touch /home/alice/.config/moonrelay/probe"))
    gateway.fail(inside("touch /etc/probe"))
    gateway.fail(inside("touch /dev/shm/probe"))

with subtest("the exposure level of systemd-analyze is at most 1.5"):
    output = gateway.succeed(as_alice("systemd-analyze --user security --no-pager moonrelay.service | tail -1"))
    exposure = float(output.split(":")[1].split()[0])
    assert exposure <= 1.5, output
