{address, ...}: let
  listen = bind:
    address.listenStream {
      inherit bind;
      port = 1969;
    };
  url = bind: port: address.url {inherit bind port;};
in {
  "ListenStream= has the form that systemd expects" = {
    actual = map listen ["loopback" "all" "10.0.0.2" "::1" "unix:%t/moonrelay.sock"];
    expected = ["127.0.0.1:1969" "1969" "10.0.0.2:1969" "[::1]:1969" "%t/moonrelay.sock"];
  };
  "clients use the loopback address if the gateway listens on it" = {
    actual = map (bind: url bind 1969) ["loopback" "all" "::" "10.0.0.2" "fd00::1"];
    expected = ["http://127.0.0.1:1969" "http://127.0.0.1:1969" "http://127.0.0.1:1969" "http://10.0.0.2:1969" "http://[fd00::1]:1969"];
  };
  "a UNIX socket and port 0 have no URL" = {
    actual = [(url "unix:/run/x" 1969) (url "loopback" 0)];
    expected = [null null];
  };
  "addresses are local or reachable by other machines" = {
    actual = map address.isLocal ["loopback" "127.0.0.2" "::1" "unix:/run/x" "all" "10.0.0.2"];
    expected = [true true true true false false];
  };
}
