TOKEN = "laptop-token-0123456789"
NGINX_URL = "http://gateway/v1/chat/completions"

start_all()
upstream.wait_for_open_port(8080)
gateway.wait_for_unit("nginx.service")
gateway.succeed(write_keys("/var/lib/keys", "root"))
gateway.succeed(f"umask 077 && printf %s {TOKEN} >/var/lib/keys/token")
gateway.succeed("systemctl reset-failed moonrelay.service moonrelay.socket || true")
gateway.succeed("systemctl restart moonrelay.socket moonrelay.service")

with subtest("another machine gets a streamed response through nginx with its token"):
    laptop.wait_for_unit("multi-user.target")
    answer = laptop.succeed(chat(stream=True, url=NGINX_URL, options=f"-H 'authorization: Bearer {TOKEN}'"))
    assert "HTTP/1.1 200" in answer and "data: [DONE]" in answer, answer

with subtest("a request without a token is rejected"):
    assert "HTTP/1.1 401" in laptop.succeed(chat(url=NGINX_URL))

with subtest("the service runs as its own user and has no port"):
    user = gateway.succeed("systemctl show -P User moonrelay.service; ps -o user= -p $(systemctl show -P MainPID moonrelay.service)")
    assert "root" not in user, user
    gateway.fail("ss -Hltn sport = :1969 | grep .")

with subtest("systemctl reload applies a rotated token in the same process"):
    before = gateway.succeed(main_pid("systemctl"))
    gateway.succeed("printf %s laptop-token-rotated-012345 >/var/lib/keys/token")
    gateway.succeed("systemctl reload moonrelay.service")
    assert "HTTP/1.1 401" in laptop.succeed(chat(url=NGINX_URL, options=f"-H 'authorization: Bearer {TOKEN}'"))
    rotated = laptop.succeed(chat(url=NGINX_URL, options="-H 'authorization: Bearer laptop-token-rotated-012345'"))
    assert "HTTP/1.1 200" in rotated, rotated
    assert gateway.succeed(main_pid("systemctl")) == before
