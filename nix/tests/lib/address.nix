{address, ...}: let
  listen = bind:
    address.listenStream {
      inherit bind;
      port = 1969;
    };
  url = bind: port: address.url {inherit bind port;};
in {
  "sockets of systemd" = {
    actual = map listen ["loopback" "all" "10.0.0.2" "::1" "unix:%t/moonrelay.sock"];
    expected = ["127.0.0.1:1969" "1969" "10.0.0.2:1969" "[::1]:1969" "%t/moonrelay.sock"];
  };
  "clients on this machine use the loopback address where they can" = {
    actual = map (bind: url bind 1969) ["loopback" "all" "::" "10.0.0.2" "fd00::1"];
    expected = ["http://127.0.0.1:1969" "http://127.0.0.1:1969" "http://127.0.0.1:1969" "http://10.0.0.2:1969" "http://[fd00::1]:1969"];
  };
  "a UNIX socket and a port of the kernel's choice have no address" = {
    actual = [(url "unix:/run/x" 1969) (url "loopback" 0)];
    expected = [null null];
  };
  "who can reach it" = {
    actual = map address.isPrivate ["loopback" "127.0.0.2" "::1" "unix:/run/x" "all" "10.0.0.2"];
    expected = [true true true true false false];
  };
}
