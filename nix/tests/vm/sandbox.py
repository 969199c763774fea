start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("multi-user.target")
gateway.succeed(keys("/home/alice/keys", "alice"))
gateway.succeed("install -m 0644 -o alice /dev/null /home/alice/diary")
gateway.succeed(as_alice(f"{USER} restart moonrelay.service"))
gateway.wait_for_open_port(1969)
pid = gateway.succeed(as_alice(main_pid(USER))).strip()
group = gateway.succeed("id -g alice").strip()


def inside(command: str) -> str:
    """As alice, in the namespaces of the gateway's process."""
    return f"nsenter --target {pid} --user --mount --setuid 1000 --setgid {group} -- {command}"


with subtest("it sees no home, but its configuration"):
    gateway.fail(inside("ls /home/alice/diary"))
    gateway.fail(inside("ls /home/alice/keys"))
    gateway.succeed(inside("ls /home/alice/.config/moonrelay/config.json5"))

with subtest("it cannot ask the user's systemd for anything"):
    gateway.fail(inside("ls /run/user/1000/bus"))
    gateway.fail(inside("ls /run/user/1000/systemd/private"))

with subtest("it writes only to its state directory"):
    gateway.succeed(inside("touch /home/alice/.local/state/moonrelay/probe"))
    gateway.fail(inside("touch /home/alice/.config/moonrelay/probe"))
    gateway.fail(inside("touch /etc/probe"))
    gateway.fail(inside("touch /dev/shm/probe"))

with subtest("the exposure that systemd computes is small"):
    said = gateway.succeed(as_alice("systemd-analyze --user security --no-pager moonrelay.service | tail -1"))
    exposure = float(said.split(":")[1].split()[0])
    assert exposure <= 1.5, said
