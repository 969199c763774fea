TOKEN = "laptop-token-0123456789"
THROUGH = "http://gateway/v1/chat/completions"

start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("nginx.service")
gateway.succeed(keys("/var/lib/keys", "root"))
gateway.succeed(f"umask 077 && printf %s {TOKEN} >/var/lib/keys/token")
gateway.succeed("systemctl reset-failed moonrelay.service moonrelay.socket || true")
gateway.succeed("systemctl restart moonrelay.socket moonrelay.service")

with subtest("another machine is answered through nginx, streamed, with its token"):
    laptop.wait_for_unit("multi-user.target")
    answer = laptop.succeed(chat(stream=True, url=THROUGH, options=f"-H 'authorization: Bearer {TOKEN}'"))
    assert "HTTP/1.1 200" in answer and "data: [DONE]" in answer, answer

with subtest("without the token it is not"):
    assert "HTTP/1.1 401" in laptop.succeed(chat(url=THROUGH))

with subtest("the service has a user of its own and no port"):
    user = gateway.succeed("systemctl show -P User moonrelay.service; ps -o user= -p $(systemctl show -P MainPID moonrelay.service)")
    assert "root" not in user, user
    gateway.fail("ss -Hltn sport = :1969 | grep .")

with subtest("systemctl reload applies a rotated token, in the same process"):
    before = gateway.succeed(main_pid("systemctl"))
    gateway.succeed("printf %s laptop-token-of-tomorrow >/var/lib/keys/token")
    gateway.succeed("systemctl reload moonrelay.service")
    assert "HTTP/1.1 401" in laptop.succeed(chat(url=THROUGH, options=f"-H 'authorization: Bearer {TOKEN}'"))
    rotated = laptop.succeed(chat(url=THROUGH, options="-H 'authorization: Bearer laptop-token-of-tomorrow'"))
    assert "HTTP/1.1 200" in rotated, rotated
    assert gateway.succeed(main_pid("systemctl")) == before
